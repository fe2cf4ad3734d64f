"""Counts of organisations and members on any day, as known at any moment."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.http import PageParams, paginate
from registry.models import Application, MemberPeriod, Organisation, OrganisationPeriod
from registry.queries import reach
from registry.queries.moments import Moment

_FOR_MANY = sa.text("select set_config('jit', 'off', true), set_config('work_mem', '64MB', true)")
"""For the transaction: the count of a region is one pass, which compiling would only delay."""


async def whole(session: AsyncSession, root: UUID, moment: Moment) -> dict[str, Any]:
    """Of the organisation and all that stood below it on that day; the caller has checked the reach.

    organisations: active ones by kind; own and members: active members by category, of itself and of all.
    """
    await session.execute(_FOR_MANY)
    within = await _within(session, root, moment)
    kinds = await session.execute(
        sa.select(col(OrganisationPeriod.kind), sa.func.count())
        .where(
            within(OrganisationPeriod.organisation_id),
            moment.holds(OrganisationPeriod),
            col(OrganisationPeriod.status) == "active",
        )
        .group_by(col(OrganisationPeriod.kind))
    )
    own = (col(MemberPeriod.organisation_id) == root).label("own")
    members = await session.execute(
        sa.select(own, col(MemberPeriod.category), sa.func.count())
        .where(
            moment.holds(MemberPeriod),
            col(MemberPeriod.status) == "member",
            within(MemberPeriod.organisation_id),
        )
        .group_by(own, col(MemberPeriod.category))
    )
    counted: dict[str, Any] = {"organisations": {row[0]: row[1] for row in kinds}, "own": {}, "members": {}}
    for row in members:
        for part in ("own", "members") if row.own else ("members",):
            counted[part][row.category] = counted[part].get(row.category, 0) + row[2]
    return counted


async def _within(session: AsyncSession, root: UUID, moment: Moment) -> Callable[[Any], sa.ColumnElement[bool]]:
    """The condition that a column holds one of the organisations below `root`; all do of the root."""
    is_federal = sa.select(col(Organisation.kind) == "federal").where(col(Organisation.organisation_id) == root)
    if await session.scalar(is_federal):
        return lambda _column: sa.true()
    # Two steps: of a list the planner knows the length, of a recursion it knows nothing and reads all members.
    ids = list(await session.scalars(sa.select(below(root, moment).c.organisation_id)))
    return lambda column: col(column) == sa.any_(sa.literal(ids, sa.ARRAY(sa.Uuid)))


def below(root: UUID, moment: Moment) -> sa.CTE:
    """The ids of `root` and of all that stood below it on that day."""
    tree = sa.select(sa.literal(root, sa.Uuid).label("organisation_id")).cte("tree", recursive=True)
    return tree.union(
        sa.select(col(OrganisationPeriod.organisation_id))
        .join(tree, col(OrganisationPeriod.parent_id) == tree.c.organisation_id)
        .where(moment.holds(OrganisationPeriod))
    )


async def members_by_organisation(
    session: AsyncSession, principal: Principal, page: PageParams, organisation_id: UUID | None, moment: Moment
) -> tuple[list[sa.Row[Any]], str | None]:
    """Active members of each organisation on that day, those without any left out; or of one, which is always there."""
    active = sa.and_(
        col(MemberPeriod.organisation_id) == col(Organisation.organisation_id),
        col(MemberPeriod.status) == "member",
        moment.holds(MemberPeriod),
    )
    statement = (
        sa.select(col(Organisation.organisation_id), sa.func.count(col(MemberPeriod.member_id)).label("members"))
        .select_from(sa.join(Organisation, MemberPeriod, active, isouter=organisation_id is not None))
        .where(reach.organisations(principal, Organisation.organisation_id))
        .group_by(col(Organisation.organisation_id))
    )
    if organisation_id is not None:
        statement = statement.where(col(Organisation.organisation_id) == organisation_id)
    return await paginate(session, statement, Organisation.organisation_id, page)


async def headline(session: AsyncSession, principal: Principal, moment: Moment) -> dict[str, Any]:
    """As people.headline, of that day: by the organisations that are within the caller's reach today."""
    await session.execute(_FOR_MANY)
    kinds = await session.execute(
        sa.select(col(OrganisationPeriod.kind), sa.func.count())
        .where(
            moment.holds(OrganisationPeriod),
            col(OrganisationPeriod.status) == "active",
            reach.organisations(principal, OrganisationPeriod.organisation_id),
        )
        .group_by(col(OrganisationPeriod.kind))
    )
    categories = await session.execute(
        sa.select(col(MemberPeriod.category), sa.func.count())
        .where(
            moment.holds(MemberPeriod),
            col(MemberPeriod.status) == "member",
            reach.organisations(principal, MemberPeriod.organisation_id),
        )
        .group_by(col(MemberPeriod.category))
    )
    joins = await session.scalar(_online_joins(principal, moment.as_of))
    return {
        "organisations": {row[0]: row[1] for row in kinds},
        "members": {row[0]: row[1] for row in categories},
        "online_joins": joins or 0,
    }


def _online_joins(principal: Principal, day: date) -> sa.Select[int]:
    return (
        sa.select(sa.func.count())
        .select_from(Application)
        .where(
            col(Application.status) == "admitted",
            col(Application.decided_on) <= day,
            reach.organisations(principal, Application.organisation_id),
        )
    )
