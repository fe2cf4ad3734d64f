"""Forming reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal, in_scope
from reports import formation, metrics, rules
from reports.config import ReportsSettings
from reports.formation import Roots
from reports.forms import Form, FormBook
from reports.indicators import catalogue
from reports.models import Organisation
from reports.records import Formation

_LOCK = 0x7265706F
"""First half of the advisory lock's key; the second is the day: runs for one day go one after another."""

_FOR_WHOLE_TABLES = sa.text(
    "select set_config('jit', 'off', true), set_config('work_mem', '128MB', true),"
    " set_config('enable_nestloop', 'off', true), set_config('hash_mem_multiplier', '4', true)"
)
"""For the transaction: whole tables are joined with whole tables."""


@dataclass(frozen=True)
class Made:
    """What a run did by one form."""

    form: Form
    organisations: int
    """How many report by it."""
    formed: int
    """How many of these got a report or a new revision; the others are filed or say the same."""


async def form_reports(
    session: AsyncSession, book: FormBook, wanted: str | None, as_of: date, principal: Principal, now: datetime
) -> list[Made]:
    """Form the reports of every organisation in the caller's scope, of the tree as it stood on the day."""
    forms = rules.forms_to_make(book, wanted, as_of)
    everybody = principal.sees_everything
    roots = None if everybody else (lambda column: in_scope(principal, column, Organisation))
    return await form_for(session, book, forms, as_of, now, roots)


async def form_for(
    session: AsyncSession, book: FormBook, forms: Sequence[Form], as_of: date, now: datetime, roots: Roots | None
) -> list[Made]:
    """Form the reports of the roots and of everything that stood below them; None: of everybody."""
    await session.execute(
        sa.text("select pg_advisory_xact_lock(:lock, :day)"), {"lock": _LOCK, "day": as_of.toordinal()}
    )
    await session.execute(_FOR_WHOLE_TABLES)
    with metrics.FORMATION_SECONDS.time():
        return await _execute(session, book, forms, as_of, now, roots, alone=False)


async def form_anew(
    session: AsyncSession, book: FormBook, form: Form, as_of: date, now: datetime, roots: Roots
) -> None:
    """Form the draft of one organisation again, after something was declared in it."""
    await _execute(session, book, [form], as_of, now, roots, alone=True)


async def _execute(
    session: AsyncSession,
    book: FormBook,
    forms: Sequence[Form],
    as_of: date,
    now: datetime,
    roots: Roots | None,
    alone: bool,
) -> list[Made]:
    shards: int = session.sync_session.info["outbox_shards"]
    steps = formation.steps(book.catalogue, forms, as_of, now, shards, roots, alone)
    await session.flush()
    connection = await session.connection()
    for statement in steps.prepare:
        await connection.exec_driver_sql(statement)
    organisations = {row[0]: row[1] for row in await session.execute(steps.count)}
    formed = {row[0]: row[1] for row in await session.execute(steps.write)}
    return [Made(form, organisations.get(form.form, 0), formed.get(form.form, 0)) for form in forms]


async def form_by_themselves(session: AsyncSession, now: datetime, settings: ReportsSettings) -> None:
    """Once a day, from the day of each form on: what is missing is formed, and drafts follow the base. A round."""
    book = FormBook.read(settings.report_forms_folder, catalogue())
    for as_of, forms in rules.due_by_itself(book, now.date(), settings.report_formation_days).items():
        done = await session.execute(
            sa.select(col(Formation.form)).where(
                col(Formation.as_of) == as_of,
                col(Formation.formed_on) == now.date(),
            )
        )
        formed_today = set(done.scalars())
        if waiting := [form for form in forms if form.form not in formed_today]:
            made = await form_for(session, book, waiting, as_of, now, None)
            for item in made:
                await _note(session, item, as_of, now.date())


async def _note(session: AsyncSession, made: Made, as_of: date, today: date) -> None:
    values = {"formed_on": today, "organisations": made.organisations, "formed": made.formed}
    await session.execute(
        insert(Formation)
        .values(form=made.form.form, as_of=as_of, **values)
        .on_conflict_do_update(index_elements=["form", "as_of"], set_=values)
    )
