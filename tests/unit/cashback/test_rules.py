"""The arithmetic of cashback against exact fractions, and the sentence that explains it."""

import math
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cashback import errors, rules
from cashback.models import CampaignTerms, Participation, Purchase
from cashback.rules import rewards
from cashback.rules.rewards import Accrual, Cap, Reward

KOPECKS = st.integers(1, 10**12)
ROUNDINGS = st.sampled_from(["floor", "half_even"])


def terms(**changes: Any) -> CampaignTerms:
    fields: dict[str, Any] = {
        "campaign_id": UUID(int=1),
        "version": 3,
        "title": "Книги",
        "basis_points": 250,
        "fixed": None,
        "min_basket": 0,
        "cap_per_order": None,
        "rounding": "floor",
        "from_on": date(2021, 1, 1),
        "to_on": date(2021, 12, 31),
    }
    return CampaignTerms(**{**fields, **changes})


def purchase(reported: int, accrued: int) -> Purchase:
    return Purchase(
        purchase_id=uuid4(),
        click_id=uuid4(),
        member_id=uuid4(),
        partner="books",
        campaign_id=uuid4(),
        campaign_version=1,
        order_number="1",
        line=1,
        basket=None,
        reported=reported,
        amount=reported,
        accrued=accrued,
        cashback=accrued,
        status="pending",
        purchased_at=datetime(2021, 3, 2, tzinfo=UTC),
        purchased_on=date(2021, 3, 2),
        hold_until=date(2021, 3, 16),
        resolved_on=None,
        explanation="",
        recorded_at=datetime(2021, 3, 2, tzinfo=UTC),
        version=1,
    )


def caps(by: CampaignTerms) -> list[Cap]:
    return rewards.caps_of(by, "books", UUID(int=7), "A-1", date(2021, 3, 10))


def earned(by: CampaignTerms, amount: int, basket: int | None = None, used: int = 0) -> int:
    """Kopecks, when `used` are gone of every cap."""
    return rewards.accrue(by, amount, basket, caps(by), {cap.key: used for cap in caps(by)}).earned


@given(st.integers(0, 10**15), st.integers(1, 10**12))
def test_floor_and_half_even_are_what_they_are_called(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert rewards.divide(numerator, denominator, "floor") == math.floor(exact)
    assert rewards.divide(numerator, denominator, "half_even") == round(exact)


@given(KOPECKS, st.integers(1, 10_000))
def test_a_rate_is_in_hundredths_of_a_per_cent(amount: int, points: int) -> None:
    expected = (Decimal(amount) * points / 10_000).to_integral_value(ROUND_HALF_EVEN)
    assert earned(terms(basis_points=points, rounding="half_even"), amount) == int(expected)


@given(KOPECKS, KOPECKS, ROUNDINGS, st.lists(st.floats(0, 1), max_size=6))
def test_parts_of_any_size_add_up_to_the_accrual(
    reported: int, accrued: int, rounding: str, parts: list[float]
) -> None:
    accrued = min(accrued, reported)
    one, left, kept, taken = purchase(reported, accrued), reported, accrued, 0
    for part in [*parts, 1.0]:
        left -= min(left, int(left * part)) if part < 1 else left
        after = rewards.cashback_on(one, left, rounding)
        assert 0 <= after <= kept
        taken, kept = taken + kept - after, after
    assert (kept, taken) == (0, accrued)


@given(KOPECKS, KOPECKS, st.integers(0, 10**6))
def test_an_order_never_earns_more_than_its_cap(amount: int, cap: int, before: int) -> None:
    more = earned(terms(cap_per_order=cap, basis_points=10_000), amount, used=before)
    assert 0 <= more <= max(0, cap - before)


def test_a_fixed_reward_is_never_more_than_the_purchase() -> None:
    assert earned(terms(basis_points=None, fixed=500), 300) == 300
    assert earned(terms(basis_points=None, fixed=500), 3000, used=200) == 300


def test_the_minimum_is_asked_of_the_basket() -> None:
    with pytest.raises(errors.BasketTooSmall):
        earned(terms(min_basket=1000), 999)
    assert earned(terms(min_basket=1000), 400, 1000) == 10


def test_the_explanation_names_the_rule_in_both_languages() -> None:
    capped = terms(min_basket=100_000, cap_per_order=30_000, rounding="half_even")
    russian, english = rewards.explain(capped, 1_234_567, Accrual(30_000, Reward(250, None), caps(capped)[0]))
    assert russian == (
        "Кешбэк 300,00 ₽: 2,50 % от 12 345,67 ₽ по акции «Книги» (условия № 3), при покупке от 1 000,00 ₽,"
        " не более 300,00 ₽ за заказ, уменьшен до остатка лимита 300,00 ₽ за заказ, до копейки, половина к чётной."
    )
    assert english == (
        "Cashback RUB 300.00: 2.50 % of RUB 12,345.67 by the campaign “Книги” (terms 3), for purchases from"
        " RUB 1,000.00, at most RUB 300.00 an order, reduced to what was left of the limit of RUB 300.00 for an"
        " order, to the kopeck, halves to the even one."
    )
    fixed = terms(basis_points=None, fixed=5_000)
    assert rewards.explain(fixed, 100_000, Accrual(5_000, Reward(None, 5_000), None))[0] == (
        "Кешбэк 50,00 ₽: 50,00 ₽ за заказ по акции «Книги» (условия № 3), до копейки вниз."
    )


def test_the_last_tier_that_the_basket_reaches_holds() -> None:
    tiers = [{"from_basket": 1000, "basis_points": 1000, "fixed": None}, {"from_basket": 5000, "fixed": 700}]
    tiered = terms(tiers=tiers)
    assert [earned(tiered, amount) for amount in (999, 1000, 4999, 5000)] == [24, 100, 499, 700]
    assert earned(tiered, 100, basket=1000) == 10
    assert earned(tiered, 6000, used=500) == 200  # a fixed reward is for the order
    assert earned(tiered, 1000, used=500) == 100  # a share is not cut by another tier's fixed sum


def test_a_cap_names_what_it_counts_for_whom_and_when() -> None:
    keys = {
        kind: [cap.key for cap in caps(terms(cap_per_member=5, cap_per_partner=9, cap_period=kind))]
        for kind in ("day", "week", "month", "whole")
    }
    member = f"member:{UUID(int=1)}:{UUID(int=7)}"
    assert keys == {
        "day": [f"{member}:2021-03-10", "partner:books:2021-03-10"],
        "week": [f"{member}:week of 2021-03-08", "partner:books:week of 2021-03-08"],
        "month": [f"{member}:2021-03", "partner:books:2021-03"],
        "whole": [f"{member}:whole", "partner:books:whole"],
    }


@given(KOPECKS, st.lists(st.tuples(KOPECKS, st.integers(0, 10**12)), min_size=1, max_size=3))
def test_no_cap_is_ever_passed(amount: int, limits: list[tuple[int, int]]) -> None:
    stated = [Cap(f"cap {n}", limit, "member") for n, (limit, _) in enumerate(limits)]
    used = {f"cap {n}": gone for n, (_, gone) in enumerate(limits)}
    accrual = rewards.accrue(terms(basis_points=10_000), amount, None, stated, used)
    left = [max(0, limit - gone) for limit, gone in limits]
    assert accrual.earned == min(amount, *left)
    assert (accrual.capped_by is not None) == (accrual.earned < amount)


@pytest.mark.parametrize(
    "changes",
    [
        {"fixed": 5},
        {"basis_points": None},
        {"from_on": date(2022, 1, 1)},
        {"tiers": [{"from_basket": 5, "fixed": 1}, {"from_basket": 5, "fixed": 2}]},
        {"tiers": [{"from_basket": 5, "fixed": 1, "basis_points": 1}]},
        {"tiers": [{"from_basket": 5}]},
        {"weekdays": [2, 1]},
        {"weekdays": [1, 1]},
    ],
)
def test_terms_that_say_two_things_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.TermsInvalid):
        rewards.check_terms(terms(**changes))


def test_a_window_may_be_some_days_of_the_week() -> None:
    weekends = terms(weekdays=[6, 7])
    rewards.check_window(weekends, date(2021, 3, 6))
    with pytest.raises(errors.CampaignClosed):
        rewards.check_window(weekends, date(2021, 3, 8))


def test_tomorrow_is_a_day_somewhere_and_the_day_after_is_not() -> None:
    now = datetime(2021, 5, 1, 20, tzinfo=UTC)
    rules.check_not_future(date(2021, 5, 2), now)
    with pytest.raises(errors.DateInFuture):
        rules.check_not_future(date(2021, 5, 3), now)


@pytest.mark.parametrize(
    ("day", "takes_part"),
    [("2021-01-09", False), ("2021-01-10", True), ("2021-05-31", True), ("2021-06-01", False)],
)
def test_the_day_of_the_end_does_not_earn_any_more(day: str, takes_part: bool) -> None:
    span = Participation(member_id=uuid4(), number=1, enrolled_on=date(2021, 1, 10), ended_on=date(2021, 6, 1))
    assert rules.takes_part([span], date.fromisoformat(day)) is takes_part


def test_the_balance_is_payable_for_ever_while_participation_lasts() -> None:
    assert rules.payable_until(None, 365) is None
