"""The registry's rules, without a database."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import get_args
from uuid import UUID

import pytest

from common.errors import BusinessError
from common.events.registry import Kind
from registry import errors, rules
from registry.models import Member, Organisation, Transfer

TODAY = date(2021, 5, 10)
HERE, THERE = UUID(int=1), UUID(int=2)


def organisation(kind: str = "primary", status: str = "active", key: UUID = THERE) -> Organisation:
    return Organisation(
        organisation_id=key, kind=kind, code="C", name="Н", search_name=" н ", status=status, opened_on=TODAY
    )


def member(status: str = "member") -> Member:
    return Member(
        member_id=UUID(int=7),
        person_id=UUID(int=8),
        organisation_id=HERE,
        status=status,
        birth_year=1980,
        joined_on=TODAY,
    )


def transfer(status: str = "released") -> Transfer:
    return Transfer(
        transfer_id=UUID(int=9),
        member_id=UUID(int=7),
        from_organisation_id=HERE,
        to_organisation_id=THERE,
        status=status,
        released_on=TODAY,
        deadline=TODAY + timedelta(days=30),
    )


def allowed(check: Callable[[], object]) -> bool:
    try:
        check()
    except BusinessError:
        return False
    return True


def test_each_kind_stands_where_the_statutes_put_it() -> None:
    kinds = get_args(Kind)
    placements = {
        (kind, parent)
        for kind in kinds
        for parent in (None, *kinds)
        if allowed(partial(rules.check_placement, kind, parent))
    }
    inside = ("primary", "primary_with_territorial_rights", "structural_unit")
    assert placements == {
        ("federal", None),
        ("regional", "federal"),
        ("territorial", "regional"),
        ("primary", "territorial"),
        ("primary", "regional"),
        ("primary_with_territorial_rights", "regional"),
        *(("structural_unit", parent) for parent in inside),
        *(("union_group", parent) for parent in inside),
    }


@pytest.mark.parametrize(
    ("day", "fits"),
    [
        (date(1899, 12, 31), False),
        (date(1900, 1, 1), True),
        (TODAY + timedelta(days=1), True),
        (TODAY + timedelta(days=2), False),
    ],
)
def test_dates_lie_between_1900_and_tomorrow(day: date, fits: bool) -> None:
    assert allowed(lambda: rules.check_date(day, "effective_on", TODAY)) is fits


def test_a_date_may_not_come_before_what_it_follows() -> None:
    with pytest.raises(errors.DateOutOfRange) as refusal:
        rules.check_date(TODAY, "left_on", TODAY, TODAY + timedelta(days=1))
    assert refusal.value.extra == {"field": "left_on"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ППО МБОУ «Берёзовская СОШ №12»", ["ppo", "mbou", "berezovskaa", "sow", "12"]),
        ('"Школа-интернат" 5а', ["wkola", "internat", "5", "a"]),
        ("«» — №", []),
    ],
)
def test_names_are_searched_by_their_words(text: str, words: list[str]) -> None:
    assert rules.search_words(text) == words


def test_spellings_of_one_person_have_one_key_and_others_another() -> None:
    born = date(1980, 1, 2)
    key = rules.match_key("Алёшина", "Ольга", "Петровна", born)
    assert rules.match_key("АЛЕШИНА", "Ольга", "Петровна", born) == key
    assert rules.match_key("Ольга", "Алешина", "Петровна", born) == key
    assert rules.match_key("Aлёшинa", "Ольга", "Петровна", born) == key  # with Latin letters
    assert rules.match_key("Алёшина", "Ольга", None, born) != key
    assert rules.match_key("Алёшина", "Ольга", "Петровна", date(1980, 1, 3)) != key


def test_membership_begins_on_the_fourteenth_birthday() -> None:
    born = date(2004, 2, 29)
    assert allowed(lambda: rules.check_age(born, date(2018, 3, 1)))
    assert not allowed(lambda: rules.check_age(born, date(2018, 2, 28)))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_members_belong_to_primaries_and_what_is_inside_them(kind: str) -> None:
    takes = kind in ("primary", "primary_with_territorial_rights", "structural_unit", "union_group")
    assert allowed(lambda: rules.check_takes_members(organisation(kind))) is takes
    assert not allowed(lambda: rules.check_takes_members(organisation(kind, "closed")))


def test_a_member_is_released_once_at_a_time() -> None:
    rules.check_releasable(member(), organisation(), None)
    with pytest.raises(errors.TransferOpen):
        rules.check_releasable(member(), organisation(), transfer())
    with pytest.raises(errors.TransferToSame):
        rules.check_releasable(member(), organisation(key=HERE), None)
    with pytest.raises(errors.MembershipEnded):
        rules.check_releasable(member("left"), organisation(), None)


def test_a_transfer_is_accepted_from_the_day_of_its_release() -> None:
    assert not allowed(lambda: rules.check_accepted_on(transfer(), TODAY - timedelta(days=1)))
    assert allowed(lambda: rules.check_accepted_on(transfer(), TODAY))
    assert not allowed(lambda: rules.check_waiting(transfer("accepted")))


@pytest.mark.parametrize(
    ("stays", "as_of", "years", "interrupted"),
    [
        ([(2010, None)], date(2020, 2, 28), 9, 0),
        ([(2010, None)], date(2020, 3, 1), 10, 0),
        ([(2015, None)], date(2020, 3, 1), 10, 0),  # the register begins later than the seniority
        ([(2010, 2012), (2012, None)], date(2020, 3, 1), 10, 0),  # a transfer
        ([(2010, 2012), (2014, None)], date(2020, 3, 1), 8, 730),  # a reinstatement after two years
        ([(2010, 2012), (2014, 2016)], date(2020, 3, 1), 4, 730 + 1461),  # and an end again
        ([(2010, 2012), (2014, None)], date(2013, 3, 1), 2, 365),  # seen from within the gap
        ([(2004, 2006), (2012, None)], date(2020, 3, 1), 8, 731),  # what lies before the first day does not count
        ([(2010, None)], date(2005, 1, 1), 0, 0),
    ],
)
def test_seniority_is_full_years_without_the_days_between(
    stays: list[tuple[int, int | None]], as_of: date, years: int, interrupted: int
) -> None:
    dated = [(date(begin, 3, 1), date(end, 3, 1) if end else None) for begin, end in stays]
    assert rules.seniority(date(2010, 3, 1), dated[::-1], as_of) == (years, interrupted)


@pytest.mark.parametrize(
    ("begins", "ends", "fits"),
    [
        (date(2026, 3, 1), date(2026, 3, 1), True),
        (date(2026, 3, 1), date(2031, 3, 1), True),
        (date(2026, 3, 1), date(2031, 3, 2), False),
        (date(2026, 3, 1), date(2026, 2, 28), False),
        (date(2024, 2, 29), date(2029, 3, 1), True),
        (date(1899, 3, 1), date(1900, 3, 1), False),
        (date(2027, 7, 1), date(2028, 7, 1), False),
    ],
)
def test_a_term_has_an_end_within_five_years(begins: date, ends: date, fits: bool) -> None:
    assert allowed(lambda: rules.check_term(begins, ends, date(2026, 6, 1), 5)) is fits


def test_powers_are_those_of_the_organisations_kind() -> None:
    roles = {kind: rules.role_of(kind).value for kind in get_args(Kind)}
    assert {kind: role for kind, role in roles.items() if role != "primary_staff"} == {
        "federal": "federal_staff",
        "regional": "regional_staff",
        "territorial": "territorial_staff",
    }


def test_backdating_has_a_limit_where_one_is_set() -> None:
    assert allowed(lambda: rules.check_backdating(TODAY - timedelta(days=30), TODAY, 30))
    assert not allowed(lambda: rules.check_backdating(TODAY - timedelta(days=31), TODAY, 30))
    assert allowed(lambda: rules.check_backdating(date(1950, 1, 1), TODAY, None))
