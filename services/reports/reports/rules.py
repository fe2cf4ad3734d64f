"""Which forms a run makes, which step a report may take, when all will be in."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from common.auth import STAFF, Principal, Role, second_person
from reports.errors import ChecksFail, FormUnknown, NotAbove, NotADayOfTheForm, NotAsked, NotTheChair, StepRefused
from reports.forms import Check, Form, FormBook
from reports.records import DRAFTS

Step = Literal["signed", "returned", "accepted", "locked", "reopened"]
NEEDED: Mapping[Step, tuple[str, ...]] = {
    "signed": DRAFTS,
    "returned": ("signed",),
    "accepted": ("signed",),
    "locked": ("accepted",),
    "reopened": ("accepted", "locked"),
}
"""What a report must be to become something."""

_PACE_DAYS = 7


def forms_to_make(book: FormBook, wanted: str | None, as_of: date) -> list[Form]:
    """The newest version of the wanted form, or of every form that is made as of this day."""
    newest = book.newest
    if wanted is not None and wanted not in newest:
        raise FormUnknown(wanted, sorted(newest))
    asked = [newest[wanted]] if wanted is not None else list(newest.values())
    made = [form for form in asked if form.is_made_as_of(as_of)]
    if not made:
        raise NotADayOfTheForm(as_of, [form.form for form in asked])
    return made


def due_by_itself(book: FormBook, today: date, days: int) -> dict[date, list[Form]]:
    """The forms that are to be kept up to date today, by their day: each from its day on, for `days` days."""
    found: dict[date, list[Form]] = {}
    for form in book.newest.values():
        as_of = form.last_as_of(today)
        if (today - as_of).days < days:
            found.setdefault(as_of, []).append(form)
    return found


def check_step(step: Step, status: str) -> None:
    if status not in NEEDED[step]:
        raise StepRefused(step, status, NEEDED[step])


def check_signs(principal: Principal, organisation_id: UUID, level: str) -> None:
    """A report is signed by its own organisation: by its chair, or the federal staff of the federal one."""
    federal = level == "federal" and Role.FEDERAL_STAFF in principal.roles and principal.organisation_id is None
    if not federal and (principal.organisation_id != organisation_id or not principal.roles & set(STAFF)):
        raise NotTheChair(organisation_id)


def check_decides(principal: Principal, organisation_id: UUID, signed_by: str | None) -> None:
    """A report within the caller's scope is judged from above, and never by the one who signed it."""
    if principal.organisation_id == organisation_id:
        raise NotAbove
    if signed_by is not None:
        second_person(principal, signed_by)


def check_figures(checks: list[Check], failed: list[str]) -> None:
    """Cross-checks that block, if any of the form's does."""
    if broken := [check.label.en for check in checks if check.blocks and check.code in failed]:
        raise ChecksFail(broken)


def check_asked(values: Mapping[str, int | None], told: Sequence[str], level: str) -> None:
    """Only a primary is asked; what is above sums up."""
    asked = sorted(told) if level == "primary" else []
    for indicator in values:
        if indicator not in asked:
            raise NotAsked(indicator, asked)


def forecast(accepted: Mapping[date, int], missing: int, today: date) -> date | None:
    """The day on which all will be accepted at the pace of the last seven days; None where nothing moves."""
    if missing <= 0:
        return max(accepted, default=today)
    since = today - timedelta(days=_PACE_DAYS)
    pace = sum(count for day, count in accepted.items() if since < day <= today) / _PACE_DAYS
    if pace <= 0 or missing / pace > 3650:
        return None
    return today + timedelta(days=math.ceil(missing / pace))
