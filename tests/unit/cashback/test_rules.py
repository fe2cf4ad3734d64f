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
from cashback.models import CampaignTerms, Participant, Purchase

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


@given(st.integers(0, 10**15), st.integers(1, 10**12))
def test_floor_and_half_even_are_what_they_are_called(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert rules.divide(numerator, denominator, "floor") == math.floor(exact)
    assert rules.divide(numerator, denominator, "half_even") == round(exact)


@given(KOPECKS, st.integers(1, 10_000))
def test_a_rate_is_in_hundredths_of_a_per_cent(amount: int, points: int) -> None:
    expected = (Decimal(amount) * points / 10_000).to_integral_value(ROUND_HALF_EVEN)
    assert rules.accrual(terms(basis_points=points, rounding="half_even"), amount, None, 0) == int(expected)


@given(KOPECKS, KOPECKS, ROUNDINGS, st.lists(st.floats(0, 1), max_size=6))
def test_parts_of_any_size_add_up_to_the_accrual(
    reported: int, accrued: int, rounding: str, parts: list[float]
) -> None:
    accrued = min(accrued, reported)
    one, left, kept, taken = purchase(reported, accrued), reported, accrued, 0
    for part in [*parts, 1.0]:
        left -= min(left, int(left * part)) if part < 1 else left
        after = rules.cashback_on(one, left, rounding)
        assert 0 <= after <= kept
        taken, kept = taken + kept - after, after
    assert (kept, taken) == (0, accrued)


@given(KOPECKS, KOPECKS, st.integers(0, 10**6))
def test_an_order_never_earns_more_than_its_cap(amount: int, cap: int, earned: int) -> None:
    more = rules.accrual(terms(cap_per_order=cap, basis_points=10_000), amount, None, earned)
    assert 0 <= more <= max(0, cap - earned)


def test_a_fixed_reward_is_never_more_than_the_purchase() -> None:
    assert rules.accrual(terms(basis_points=None, fixed=500), 300, None, 0) == 300
    assert rules.accrual(terms(basis_points=None, fixed=500), 3000, None, 200) == 300


def test_the_minimum_is_asked_of_the_basket() -> None:
    with pytest.raises(errors.BasketTooSmall):
        rules.accrual(terms(min_basket=1000), 999, None, 0)
    assert rules.accrual(terms(min_basket=1000), 400, 1000, 0) == 10


def test_the_explanation_names_the_rule() -> None:
    capped = terms(min_basket=100_000, cap_per_order=30_000, rounding="half_even")
    assert rules.explain(capped, 1_234_567, 30_000) == (
        "Кешбэк 300,00 ₽: 2,50 % от 12 345,67 ₽ по акции «Книги» (условия № 3), при покупке от 1 000,00 ₽,"
        " не более 300,00 ₽ за заказ, до копейки, половина к чётной."
    )
    fixed = terms(basis_points=None, fixed=5_000)
    assert rules.explain(fixed, 100_000, 5_000) == (
        "Кешбэк 50,00 ₽: 50,00 ₽ за заказ по акции «Книги» (условия № 3), до копейки вниз."
    )


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
    participant = Participant(
        member_id=uuid4(),
        status="ended",
        enrolled_on=date(2021, 1, 10),
        ended_on=date(2021, 6, 1),
        end_reason="membership_ended",
        version=2,
    )
    if takes_part:
        rules.check_participates(participant, date.fromisoformat(day))
    else:
        with pytest.raises(errors.NotParticipating):
            rules.check_participates(participant, date.fromisoformat(day))


def test_the_balance_is_payable_for_ever_while_participation_lasts() -> None:
    assert rules.payable_until(None, 365) is None
