"""Members on any day, as known at any moment; and everything that was ever recorded of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.errors import NotFound
from common.http import PageParams, paginate
from registry.models import Consent, Member, MemberPeriod, Person
from registry.models.history import MEMBER_DATED
from registry.queries import reach
from registry.queries.moments import Moment, believed
from registry.queries.people import MemberRecord


async def members_then(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    moment: Moment,
    organisation_id: UUID | None,
    status: str | None,
    member_ids: Sequence[UUID] | None = None,
) -> tuple[list[MemberRecord], str | None]:
    """Those who were in the caller's organisations on that day. Names of those who have gone elsewhere: none."""
    statement = _then(principal, moment).where(reach.organisations(principal, MemberPeriod.organisation_id))
    if organisation_id is not None:
        statement = statement.where(col(MemberPeriod.organisation_id) == organisation_id)
    if status is not None:
        statement = statement.where(col(MemberPeriod.status) == status)
    if member_ids is not None:
        statement = statement.where(col(MemberPeriod.member_id).in_(member_ids))
    rows, cursor = await paginate(session, statement, MemberPeriod.member_id, page)
    return [_record(principal, row) for row in rows], cursor


async def member_then(
    session: AsyncSession, principal: Principal, member_id: UUID, moment: Moment
) -> MemberRecord:
    """Raises NotFound outside the caller's reach of today, and for a day before the membership."""
    statement = _then(principal, moment).where(col(MemberPeriod.member_id) == member_id, reach.members(principal))
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("member", member_id)
    return _record(principal, row)


@dataclass(frozen=True)
class History:
    """`periods` are those believed at the moment asked about, or all that were ever believed; earliest first."""

    member_id: UUID
    periods: list[MemberPeriod]


async def member_history(
    session: AsyncSession, principal: Principal, member_id: UUID, known_at: datetime | None, corrections: bool
) -> History:
    """What was true when; with `corrections`, also what was believed before. Raises NotFound outside the reach."""
    within = sa.select(col(Member.member_id)).where(col(Member.member_id) == member_id, reach.members(principal))
    if await session.scalar(within) is None:
        raise NotFound("member", member_id)
    statement = sa.select(MemberPeriod).where(col(MemberPeriod.member_id) == member_id)
    if not corrections:
        statement = statement.where(believed(MemberPeriod, known_at))
    elif known_at is not None:
        statement = statement.where(col(MemberPeriod.recorded_at) <= known_at)
    periods = await session.scalars(
        statement.order_by(col(MemberPeriod.valid_from), col(MemberPeriod.recorded_at))
    )
    return History(member_id, list(periods))


def _then(principal: Principal, moment: Moment) -> sa.Select[*tuple[Any, ...]]:
    purposes = (
        sa.select(col(Consent.purpose))
        .where(
            col(Consent.member_id) == col(Member.member_id),
            sa.cast(col(Consent.given_at), sa.Date) <= moment.as_of,
            sa.or_(
                col(Consent.withdrawn_at).is_(None), sa.cast(col(Consent.withdrawn_at), sa.Date) > moment.as_of
            ),
        )
        .order_by(col(Consent.purpose))
        .correlate(Member)
    )
    return (
        sa.select(
            col(MemberPeriod.member_id),
            Member,
            MemberPeriod,
            Person,
            sa.func.array(purposes.scalar_subquery()).label("consents"),
            reach.members(principal).label("within"),
        )
        .select_from(MemberPeriod)
        .join(Member, col(Member.member_id) == col(MemberPeriod.member_id))
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(moment.holds(MemberPeriod))
    )


def _record(principal: Principal, row: Any) -> MemberRecord:
    """A copy of the member, outside the session, with that day's state laid over the newest one."""
    then = {field: getattr(row.MemberPeriod, field) for field in MEMBER_DATED}
    if then["status"] == "member":
        then["left_on"] = None
    member = Member(**{**row.Member.model_dump(), **then})
    seen = row.within and reach.sees_name(principal, row.member_id)
    return MemberRecord(member, row.Person if seen else None, list(row.consents))
