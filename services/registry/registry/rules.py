"""The registry's rules: pure functions that raise refusals."""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from common.auth import Role
from registry import errors
from registry.consent_texts import TEXTS, ConsentText
from registry.importing.names import match_key as match_key
from registry.importing.texts import fold
from registry.models import Application, Member, OfficeTerm, Organisation, Transfer

YOUNGEST = 14
EARLIEST = date(1900, 1, 1)
LATEST = date(2200, 1, 1)

MEMBER_KINDS = frozenset({"primary", "primary_with_territorial_rights", "structural_unit", "union_group"})
_PARENTS: dict[str, frozenset[str | None]] = {
    "federal": frozenset({None}),
    "regional": frozenset({"federal"}),
    "territorial": frozenset({"regional"}),
    "primary_with_territorial_rights": frozenset({"regional"}),
    # A primary may report to the region itself where there is no territorial organisation.
    "primary": frozenset({"territorial", "regional"}),
    "structural_unit": frozenset({"primary", "primary_with_territorial_rights", "structural_unit"}),
    "union_group": frozenset({"primary", "primary_with_territorial_rights", "structural_unit"}),
}
_LEADERS = {
    "federal": Role.FEDERAL_STAFF,
    "regional": Role.REGIONAL_STAFF,
    "territorial": Role.TERRITORIAL_STAFF,
}
LEADING = ("chair", "deputy_chair")
"""The offices that give powers."""
_WORD = re.compile(r"[^\W_]+")
_LATIN = str.maketrans("абвгдежзийклмнопрстуфхцчшщъыьэюя", "abvgdejziiklmnoprstufhcqwwxyxeua")
"""As in the registry's migration 0005."""


def check_placement(kind: str, parent_kind: str | None) -> None:
    """Which kind may stand under which; None is nothing, for the root."""
    if parent_kind not in _PARENTS[kind]:
        raise errors.PlacementRefused(kind, parent_kind)


def check_date(day: date, field: str, today: date, not_before: date = EARLIEST) -> None:
    """The day lies from `not_before` to tomorrow: the east of the country is a day ahead of UTC."""
    if not not_before <= day <= today + timedelta(days=1):
        raise errors.DateOutOfRange(field)


def check_horizon(day: date, today: date) -> None:
    """What is planned lies within two years."""
    if not EARLIEST <= day <= today + timedelta(days=731):
        raise errors.DateOutOfRange("effective_on")


def check_no_later_change(
    states: Sequence[dict[str, Any]], changes: dict[str, Any], day: date, until: date | None = None
) -> None:
    """What changes on that day began before it, and was not itself changed later (before `until`).

    `states` are dated states, earliest first, each with its valid_from. A closing ends everything: nothing at all
    may have changed after it.
    """
    if day < states[0]["valid_from"]:
        raise errors.EarlierThanLastChange
    fields = set(states[0]) - {"valid_from", "valid_to", "reason"} if "status" in changes else set(changes)
    for before, after in pairwise(states):
        later = after["valid_from"] > day and (until is None or after["valid_from"] < until)
        if later and any(before[field] != after[field] for field in fields):
            raise errors.EarlierThanLastChange


def check_active(organisation: Organisation) -> None:
    if organisation.status != "active":
        raise errors.OrganisationClosedAlready


def check_not_root(organisation: Organisation) -> None:
    if organisation.kind == "federal":
        raise errors.RootStays


def check_mergeable(source: Organisation, into: Organisation) -> None:
    """Two organisations, both with members of their own or both without."""
    if source.organisation_id == into.organisation_id:
        raise errors.SameOrganisation
    if (source.kind in MEMBER_KINDS) != (into.kind in MEMBER_KINDS):
        raise errors.MergeRefused(source.kind, into.kind)


def check_takes_members(organisation: Organisation) -> None:
    check_active(organisation)
    if organisation.kind not in MEMBER_KINDS:
        raise errors.NotForMembers


def search_words(text: str) -> list[str]:
    """The words by which an organisation is found: no quotes, no №, no case, ё as е, figures apart from letters.

    In Latin letters, one for one, those that people mix up made the same: where the database's locale knows
    no others, pg_trgm finds no trigrams in Cyrillic.
    """
    words = _WORD.findall(fold(text).replace("№", " "))
    return [part.translate(_LATIN) for word in words for part in re.findall(r"\d+|\D+", word)]


def search_name(name: str, *others: str | None) -> str:
    """What is stored for the search: the words between spaces, one at both ends.

    `others` are further names (a short one, the institution's): of these the words that the name has not.
    """
    words = search_words(name)
    further = dict.fromkeys(word for other in others if other for word in search_words(other))
    return f" {' '.join([*words, *(word for word in further if word not in words)])} "


def follow_hash(follow_code: str) -> bytes:
    """What is stored of the code with which an applicant follows the application."""
    return hashlib.sha256(follow_code.encode()).digest()


def age_on(birth_date: date, day: date) -> int:
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def check_age(birth_date: date, day: date) -> None:
    if age_on(birth_date, day) < YOUNGEST:
        raise errors.TooYoung


def check_membership_consent(purposes: Collection[str]) -> None:
    if "membership" not in purposes:
        raise errors.ConsentRequired


def consent_text(purpose: str, version: str) -> ConsentText:
    """The text that was consented to; refused when no such version was ever in use."""
    text = TEXTS.get((purpose, version))
    if text is None:
        raise errors.ConsentTextUnknown
    return text


def check_undecided(application: Application) -> None:
    if application.status != "submitted":
        raise errors.ApplicationDecidedAlready


def check_in_force(member: Member) -> None:
    if member.status != "member":
        raise errors.MembershipEnded


def check_ended(member: Member) -> None:
    if member.status not in ("left", "expelled"):
        raise errors.MembershipInForce


def check_backdating(day: date, today: date, days: int | None) -> None:
    """At most so many days back; None: no limit of this kind."""
    if days is not None and day < today - timedelta(days=days):
        raise errors.BackdatedTooFar(days)


def seniority(joined_on: date, stays: Iterable[tuple[date, date | None]], as_of: date) -> tuple[int, int]:
    """Full years from the first day of the seniority, and the days between the stays that do not count.

    `stays` are the (from, to) of one member; `to` is the first day without, None: still there.
    """
    interrupted, until = 0, None
    for begin, end in [*sorted(stays, key=lambda stay: stay[0]), (as_of, None)]:
        if until is not None:
            interrupted += max(0, (min(begin, as_of) - max(until, joined_on)).days)
        until = max(until or begin, end or as_of)
    return max(0, age_on(joined_on + timedelta(days=interrupted), as_of)), interrupted


def check_releasable(member: Member, to_organisation: Organisation, open_transfer: Transfer | None) -> None:
    """A member may be released to another organisation when no earlier release still waits."""
    check_in_force(member)
    check_takes_members(to_organisation)
    if to_organisation.organisation_id == member.organisation_id:
        raise errors.TransferToSame
    if open_transfer is not None:
        raise errors.TransferOpen


def check_waiting(transfer: Transfer) -> None:
    if transfer.status != "released":
        raise errors.TransferDecided


def check_accepted_on(transfer: Transfer, day: date) -> None:
    if day < transfer.released_on:
        raise errors.DateOutOfRange("effective_on")


def plus_years(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def check_term(starts_on: date, ends_on: date, today: date, years: int) -> None:
    """A term begins within a year from now, and lasts `years` at most."""
    if not EARLIEST <= starts_on <= plus_years(today, 1):
        raise errors.DateOutOfRange("starts_on")
    if not starts_on <= ends_on <= plus_years(starts_on, years):
        raise errors.TermTooLong(years)


def check_prolonged(term: OfficeTerm, ends_on: date, today: date, years: int) -> None:
    """Only a term that is not over, and not beyond `years` from now."""
    if term.ends_on < max(today, term.starts_on):
        raise errors.TermOver
    if not term.ends_on < ends_on <= plus_years(today, years):
        raise errors.TermTooLong(years)


def check_ended_early(term: OfficeTerm, last_day: date) -> None:
    if term.ends_on <= last_day:
        raise errors.TermOver
    if last_day < term.starts_on - timedelta(days=1):
        raise errors.DateOutOfRange("ends_on")


def role_of(kind: str) -> Role:
    """The role of those who lead an organisation of this kind, over it and all below it."""
    return _LEADERS.get(kind, Role.PRIMARY_STAFF)
