"""The registry's rules: pure functions that raise refusals."""

import hashlib
import re
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from registry import errors
from registry.consent_texts import TEXTS, ConsentText
from registry.importing.texts import fold
from registry.models import Application, Member, Organisation, Transfer

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
_WORD = re.compile(r"[^\W_]+")


def check_placement(kind: str, parent_kind: str | None) -> None:
    """Which kind may stand under which; None is nothing, for the root."""
    if parent_kind not in _PARENTS[kind]:
        raise errors.PlacementRefused(kind, parent_kind)


def check_date(day: date, field: str, today: date, not_before: date = EARLIEST) -> None:
    """The day lies from `not_before` to tomorrow: the east of the country is a day ahead of UTC."""
    if not not_before <= day <= today + timedelta(days=1):
        raise errors.DateOutOfRange(field)


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


def check_takes_members(organisation: Organisation) -> None:
    check_active(organisation)
    if organisation.kind not in MEMBER_KINDS:
        raise errors.NotForMembers


def search_words(text: str) -> list[str]:
    """The words by which an organisation is found: no quotes, no №, no case, ё as е, figures apart from letters."""
    words = _WORD.findall(fold(text).replace("№", " "))
    return [part for word in words for part in re.findall(r"\d+|\D+", word)]


def search_name(name: str) -> str:
    """What is stored for the search: the words between spaces, one at both ends."""
    return f" {' '.join(search_words(name))} "


def match_key(last_name: str, first_name: str, patronymic: str | None, birth_date: date) -> str:
    """Equal for two spellings of one person: letters folded, the order of the parts left out of account."""
    parts = sorted(part for part in map(fold, (last_name, first_name, patronymic or "")) if part)
    return f"{birth_date.isoformat()} {' '.join(parts)}"


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


def check_releasable(
    member: Member, to_organisation: Organisation, open_transfer: Transfer | None, day: date
) -> None:
    """A member may be released to another organisation when no earlier release still waits on that day."""
    check_in_force(member)
    check_takes_members(to_organisation)
    if to_organisation.organisation_id == member.organisation_id:
        raise errors.TransferToSame
    if open_transfer is not None and day <= open_transfer.deadline:
        raise errors.TransferOpen


def check_waiting(transfer: Transfer) -> None:
    if transfer.status != "released":
        raise errors.TransferDecided


def check_acceptable(transfer: Transfer, day: date) -> None:
    """Accepted from the day of the release to the deadline."""
    check_waiting(transfer)
    if day < transfer.released_on:
        raise errors.DateOutOfRange("effective_on")
    if day > transfer.deadline:
        raise errors.TransferExpired
