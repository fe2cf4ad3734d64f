"""Reads, cut to the caller's scope."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal, in_scope, subtree
from common.errors import NotFound
from common.http import PageParams, paginate
from reports.counting import told as told_column
from reports.figures import subtree_figures
from reports.indicators import DIGITS, Catalogue, Figure, Unit
from reports.models import Card, Declaration, Member, Organisation, OrganisationFact, Participant
from reports.records import DRAFTS, SIDES, Report, ReportRevision, ReportStep
from reports.states import Moment

_ROOM = sa.text("select set_config('jit', 'off', true), set_config('work_mem', '64MB', true)")


@dataclass(frozen=True)
class Wanted:
    """Which reports a list is to have; None does not choose."""

    form: str | None = None
    organisation_id: UUID | None = None
    under: UUID | None = None
    """The organisation and all below it."""
    as_of: date | None = None
    level: str | None = None
    status: str | None = None
    overdue_on: date | None = None
    """Drafts that were due before this day."""


async def reports(
    session: AsyncSession, principal: Principal, page: PageParams, wanted: Wanted
) -> tuple[list[tuple[Report, dict[str, Figure]]], str | None]:
    """Reports with the figures of their newest revision."""
    statement = (
        sa.select(Report, col(ReportRevision.figures), col(Report.report_id))
        .join(
            ReportRevision,
            sa.and_(
                col(ReportRevision.report_id) == col(Report.report_id),
                col(ReportRevision.revision) == col(Report.revision),
            ),
        )
        .where(in_scope(principal, Report.organisation_id, Organisation))
    )
    equal = ((Report.form, wanted.form), (Report.organisation_id, wanted.organisation_id))
    for column, value in (
        *equal,
        (Report.as_of, wanted.as_of),
        (Report.level, wanted.level),
        (Report.status, wanted.status),
    ):
        if value is not None:
            statement = statement.where(col(column) == value)
    if wanted.under is not None:
        statement = statement.where(col(Report.organisation_id).in_(subtree(wanted.under, Organisation)))
    if wanted.overdue_on is not None:
        statement = statement.where(col(Report.status).in_(DRAFTS), col(Report.due_on) < wanted.overdue_on)
    rows, cursor = await paginate(session, statement, Report.report_id, page)
    return [(row[0], row[1]) for row in rows], cursor


@dataclass(frozen=True)
class Filed:
    """A report, the revision asked for, all its revisions and its steps, oldest first; and what was declared for it."""

    report: Report
    revision: ReportRevision
    revisions: list[ReportRevision]
    steps: list[ReportStep]
    declarations: list[Declaration]


async def report(session: AsyncSession, principal: Principal, report_id: UUID, revision: int | None) -> Filed:
    found = (
        await session.execute(
            sa.select(Report)
            .where(col(Report.report_id) == report_id)
            .where(in_scope(principal, Report.organisation_id, Organisation))
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("report", report_id)

    async def of_it(table: Any, order: Any) -> list[Any]:
        rows = await session.execute(
            sa.select(table).where(col(table.report_id) == report_id).order_by(col(order))
        )
        return list(rows.scalars())

    declared = await session.execute(
        sa.select(Declaration)
        .where(col(Declaration.organisation_id) == found.organisation_id, col(Declaration.as_of) == found.as_of)
        .order_by(col(Declaration.indicator), col(Declaration.version))
    )
    revisions = await of_it(ReportRevision, ReportRevision.revision)
    for candidate in revisions:
        if candidate.revision == (revision or found.revision):
            steps = await of_it(ReportStep, ReportStep.version)
            return Filed(found, candidate, revisions, steps, list(declared.scalars()))
    raise NotFound("revision", f"{report_id}/{revision}")


async def names(
    session: AsyncSession, organisation_ids: Iterable[UUID], as_of: date
) -> dict[UUID, OrganisationFact]:
    """The organisations as they stood on the day."""
    fact = OrganisationFact
    rows = await session.execute(
        sa.select(fact)
        .ext(distinct_on(col(fact.organisation_id)))
        .where(col(fact.organisation_id).in_(list(organisation_ids)), col(fact.effective_on) <= as_of)
        .order_by(col(fact.organisation_id), col(fact.version).desc())
    )
    return {row.organisation_id: row for row in rows.scalars()}


async def member_counts(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[Any], str | None]:
    """Active members per organisation that has any, by organisation id."""
    statement = (
        sa.select(col(Member.organisation_id), sa.func.count().label("members"))
        .where(col(Member.status) == "member", in_scope(principal, Member.organisation_id, Organisation))
        .group_by(col(Member.organisation_id))
    )
    return await paginate(session, statement, Member.organisation_id, page)


@dataclass(frozen=True)
class Statistics:
    """Every indicator over a subtree, not rounded, and the sides of the declarable ones."""

    values: dict[str, Decimal | None]
    told: dict[str, dict[str, int | None]]

    def figures(self, catalogue: Catalogue) -> dict[str, Figure]:
        return {name: figure(value, catalogue.indicators[name].unit) for name, value in self.values.items()}


async def statistics(
    session: AsyncSession, principal: Principal, catalogue: Catalogue, organisation_id: UUID, moment: Moment
) -> Statistics:
    """Of the organisation and all that stood below it."""
    await check_visible(session, principal, organisation_id)
    await make_room(session)
    row = (await session.execute(subtree_figures(catalogue, moment, organisation_id))).one()._mapping
    told = {name: {side: _whole(row[told_column(name, side)]) for side in SIDES} for name in catalogue.declarable}
    return Statistics({name: row[name] for name in catalogue.indicators}, told)


def _whole(value: Decimal | int | None) -> int | None:
    return None if value is None else int(value)


async def make_room(session: AsyncSession) -> None:
    """For the transaction: a whole region is counted in memory, by statements that run once each."""
    await session.execute(_ROOM)


async def check_visible(session: AsyncSession, principal: Principal, organisation_id: UUID) -> None:
    """Refuse what is outside the caller's scope as if it did not exist."""
    visible = await session.scalar(
        sa.select(col(Organisation.organisation_id))
        .where(col(Organisation.organisation_id) == organisation_id)
        .where(in_scope(principal, Organisation.organisation_id, Organisation))
    )
    if visible is None:
        raise NotFound("organisation", organisation_id)


async def active_organisations(session: AsyncSession, principal: Principal) -> dict[str, int]:
    """Active organisations by kind."""
    rows = await session.execute(
        sa.select(col(Organisation.kind), sa.func.count())
        .where(col(Organisation.status) == "active")
        .where(in_scope(principal, Organisation.organisation_id, Organisation))
        .group_by(col(Organisation.kind))
        .order_by(col(Organisation.kind))
    )
    return {row[0]: row[1] for row in rows}


async def active_members(session: AsyncSession, principal: Principal) -> dict[str | None, int]:
    """Active members by category; None: not given."""
    rows = await session.execute(
        sa.select(col(Member.category), sa.func.count())
        .where(col(Member.status) == "member", in_scope(principal, Member.organisation_id, Organisation))
        .group_by(col(Member.category))
    )
    return {row[0]: row[1] for row in rows}


async def active_cards(session: AsyncSession, principal: Principal) -> Any:
    """A row (virtual, plastic, members) of active cards of the scope's members."""
    virtual = sa.func.count().filter(col(Card.form) == "virtual")
    plastic = sa.func.count().filter(col(Card.form) == "plastic")
    statement = (
        sa.select(
            virtual.label("virtual"),
            plastic.label("plastic"),
            sa.func.count(sa.distinct(col(Card.member_id))).label("members"),
        )
        .select_from(Card)
        .where(col(Card.status) == "active", _of_members_in_scope(principal, Card.member_id))
    )
    return (await session.execute(statement)).one()


async def participants(session: AsyncSession, principal: Principal) -> int:
    """Members of the scope who take part in the bonus programme."""
    return int(
        await session.scalar(
            sa.select(sa.func.count())
            .select_from(Participant)
            .where(col(Participant.status) == "enrolled", _of_members_in_scope(principal, Participant.member_id))
        )
        or 0
    )


async def newest_reports(session: AsyncSession, principal: Principal) -> tuple[date | None, dict[str, int]]:
    """The latest day for which the scope has a report, and its reports by level."""
    mine = in_scope(principal, Report.organisation_id, Organisation)
    as_of = await session.scalar(sa.select(sa.func.max(col(Report.as_of))).where(mine))
    rows = await session.execute(
        sa.select(col(Report.level), sa.func.count())
        .where(col(Report.as_of) == as_of, mine)
        .group_by(col(Report.level))
    )
    return as_of, {row[0]: row[1] for row in rows}


def _of_members_in_scope(principal: Principal, column: Any) -> sa.ColumnElement[bool]:
    if principal.sees_everything:
        return sa.true()
    return col(column).in_(
        sa.select(col(Member.member_id)).where(in_scope(principal, Member.organisation_id, Organisation))
    )


def figure(value: Decimal | int | None, unit: Unit) -> Figure:
    """As the database rounds: half away from zero."""
    if value is None:
        return None
    digits = DIGITS[unit]
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return float(rounded) if digits else int(rounded)
