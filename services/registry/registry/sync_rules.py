"""How what a phone did offline meets what happened in the meantime: pure functions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from registry import errors, rules

BACKDATED_DAYS = 366
"""An offline operation may take effect so long before it arrives, whatever the phone's clock said."""

Values = Mapping[str, str | None]


@dataclass(frozen=True)
class Merge:
    """Field by field: what is taken over, what both sides have alike, on what they differ."""

    take: dict[str, str | None]
    alike: list[str]
    conflicting: list[str]


def merge(base: Values, mine: Values, theirs: Values) -> Merge:
    """Three-way merge. `base` and `mine` name the same fields; `theirs` has at least these.

    A field that one side alone changed is that side's; one that both changed alike is no conflict.
    """
    take, alike, conflicting = {}, [], []
    for name, value in mine.items():
        if value == theirs[name]:
            alike.append(name)
        elif base[name] == theirs[name]:
            take[name] = value
        else:
            conflicting.append(name)
    return Merge(take, sorted(alike), sorted(conflicting))


def effective_day(wished: date | None, today: date, backdating_days: int | None) -> date:
    """The phone's clock decides nothing: without a day given it is the day of arrival.

    `backdating_days`: how far back the bearer may date by the API as well; None: no limit of this kind.
    """
    if wished is None:
        return today
    if wished < today - timedelta(days=BACKDATED_DAYS):
        raise errors.DateOutOfRange("effective_on")
    rules.check_backdating(wished, today, backdating_days)
    return wished


def request_hash(operation_id: UUID, body: str) -> bytes:
    """Tells two operations with one id apart; keyed, so that it tells nothing of the names in them."""
    return hashlib.blake2b(body.encode(), key=operation_id.bytes, digest_size=32).digest()
