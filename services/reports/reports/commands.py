"""Forming reports."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal
from common.events.reports import ReportFormed
from common.outbox import publish
from reports import formation, metrics, rules
from reports.forms import Form, FormBook

_LOCK = 0x7265706F
"""First half of the advisory lock's key; the second is the day: runs for one day go one after another."""

_FOR_WHOLE_TABLES = sa.text(
    "select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true),"
    " set_config('work_mem', '64MB', true)"
)
"""For the transaction. A CTE has no statistics, so the planner expects few rows and would loop over many."""


@dataclass(frozen=True)
class Made:
    """What a run did by one form."""

    form: Form
    organisations: int
    """How many report by it."""
    formed: int
    """How many of these got a report or a new revision; the others' newest revision says the same."""


async def form_reports(
    session: AsyncSession, book: FormBook, wanted: str | None, as_of: date, principal: Principal, now: datetime
) -> list[Made]:
    """Form the reports of every organisation in the caller's scope, of the tree as it stood on the day."""
    forms = rules.forms_to_make(book, wanted, as_of)
    await session.execute(
        sa.text("select pg_advisory_xact_lock(:lock, :day)"), {"lock": _LOCK, "day": as_of.toordinal()}
    )
    await session.execute(_FOR_WHOLE_TABLES)
    with metrics.FORMATION_SECONDS.time():
        rows = (await session.execute(formation.form_reports(book.catalogue, forms, as_of, principal, now))).all()
    for row in rows:
        if row.report_id is not None:
            publish(
                session,
                ReportFormed(
                    version=row.version,
                    effective_on=now.date(),
                    report_id=row.report_id,
                    organisation_id=row.organisation_id,
                    form=row.form,
                    form_version=row.form_version,
                    as_of=as_of,
                    status="formed",
                ),
            )
    return _made(forms, Counter(row.form for row in rows), Counter(row.form for row in rows if row.report_id))


def _made(forms: Sequence[Form], organisations: Counter[str], formed: Counter[str]) -> list[Made]:
    return [Made(form, organisations[form.form], formed[form.form]) for form in forms]
