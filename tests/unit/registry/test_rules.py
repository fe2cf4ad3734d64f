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
    rules.check_releasable(member(), organisation(), None, TODAY)
    with pytest.raises(errors.TransferOpen):
        rules.check_releasable(member(), organisation(), transfer(), TODAY + timedelta(days=30))
    rules.check_releasable(member(), organisation(), transfer(), TODAY + timedelta(days=31))
    with pytest.raises(errors.TransferToSame):
        rules.check_releasable(member(), organisation(key=HERE), None, TODAY)
    with pytest.raises(errors.MembershipEnded):
        rules.check_releasable(member("left"), organisation(), None, TODAY)


@pytest.mark.parametrize(("days", "fits"), [(-1, False), (0, True), (30, True), (31, False)])
def test_a_transfer_is_accepted_from_its_release_to_its_deadline(days: int, fits: bool) -> None:
    day = TODAY + timedelta(days=days)
    assert allowed(lambda: rules.check_acceptable(transfer(), day)) is fits
    assert not allowed(lambda: rules.check_acceptable(transfer("accepted"), day))
