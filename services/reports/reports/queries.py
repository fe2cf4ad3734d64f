"""Reads, cut to the caller's scope."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal, in_scope
from common.errors import NotFound
from common.http import PageParams, paginate
from reports.figures import Moment, subtree_figures
from reports.indicators import Catalogue, Figure
from reports.models import (
    Card,
    Member,
    Organisation,
    OrganisationFact,
    Participant,
    Report,
    ReportRevision,
)


async def reports(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    *,
    form: str | None,
    organisation_id: UUID | None,
    as_of: date | None,
    level: str | None,
) -> tuple[list[Report], str | None]:
    """Reports with the figures of their newest revision; None does not choose."""
    statement = sa.select(Report).where(in_scope(principal, Report.organisation_id, Organisation))
    wanted = ((Report.form, form), (Report.organisation_id, organisation_id), (Report.as_of, as_of))
    for column, value in (*wanted, (Report.level, level)):
        if value is not None:
            statement = statement.where(col(column) == value)
    return await paginate(session, statement, Report.report_id, page)


@dataclass(frozen=True)
class Filed:
    """A report, the revision asked for, and all its revisions, oldest first."""

    report: Report
    revision: ReportRevision
    revisions: list[ReportRevision]


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
    revisions = list(
        (
            await session.execute(
                sa.select(ReportRevision)
                .where(col(ReportRevision.report_id) == report_id)
                .order_by(col(ReportRevision.revision))
            )
        ).scalars()
    )
    for candidate in revisions:
        if candidate.revision == (revision or found.revision):
            return Filed(found, candidate, revisions)
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


async def statistics(
    session: AsyncSession, principal: Principal, catalogue: Catalogue, organisation_id: UUID, moment: Moment
) -> dict[str, Figure]:
    """Every indicator over the organisation's subtree as it stood."""
    visible = await session.scalar(
        sa.select(col(Organisation.organisation_id))
        .where(col(Organisation.organisation_id) == organisation_id)
        .where(in_scope(principal, Organisation.organisation_id, Organisation))
    )
    if visible is None:
        raise NotFound("organisation", organisation_id)
    row = (await session.execute(subtree_figures(catalogue, moment, organisation_id))).one()
    return {name: _figure(value) for name, value in row._mapping.items()}


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


def _figure(value: Decimal | None) -> Figure:
    if value is None:
        return None
    return int(value) if value.as_tuple().exponent == 0 else float(value)
