"""Doubles, merges, approvals and erasures, within the caller's reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from common.auth import STAFF, Principal, Role, subtree
from common.errors import NotFound
from common.http import PageParams, paginate
from registry.models import (
    Application,
    Approval,
    Consent,
    Duplicate,
    Erasure,
    Member,
    MemberMerge,
    Organisation,
    Person,
)
from registry.queries import reach

Rows = sa.Select[*tuple[Any, ...]]

_OF_RECORD = ("member", "left", "expelled")

_COMMON = sa.text(
    """
    with recursive up as (
        select organisation_id, parent_id, organisation_id as start, 0 as steps from organisation
        where organisation_id in (:one, :other)
        union
        select o.organisation_id, o.parent_id, up.start, up.steps + 1 from up
        join organisation o on o.organisation_id = up.parent_id
    )
    select a.organisation_id from up a join up b using (organisation_id)
    where a.start = :one and b.start = :other order by a.steps limit 1
    """
).bindparams(sa.bindparam("one", type_=sa.Uuid), sa.bindparam("other", type_=sa.Uuid))


@dataclass(frozen=True)
class Side:
    """One record of a pair: a membership or a waiting application, with its person."""

    person: Person
    member: Member | None
    application: Application | None
    consents: list[str]
    within_reach: bool

    @property
    def organisation_id(self) -> UUID | None:
        record = self.member or self.application
        return record.organisation_id if record else None


def covers(principal: Principal, column: Any) -> sa.ColumnElement[bool]:
    """All organisations of the array `column` are within the caller's reach."""
    if principal.sees_everything:
        return sa.true()
    if principal.organisation_id is None or not principal.roles & {*STAFF, Role.AUDITOR}:
        return sa.false()
    below = sa.func.array(subtree(principal.organisation_id, Organisation).scalar_subquery())
    return column.op("<@")(below)  # type: ignore[no-any-return]


def _recorded(column: Any, *where: Any) -> sa.ColumnElement[bool]:
    """The person has a record that is not merged or erased; `where` cuts (member's, application's) further."""
    of_member, of_application = where or (sa.true(), sa.true())
    member = sa.select(1).where(col(Member.person_id) == column, col(Member.status).in_(_OF_RECORD), of_member)
    application = sa.select(1).where(
        col(Application.person_id) == column, col(Application.status) == "submitted", of_application
    )
    return sa.or_(member.exists(), application.exists())


def _reached(principal: Principal, column: Any) -> sa.ColumnElement[bool]:
    return _recorded(
        column,
        reach.organisations(principal, Member.organisation_id),
        reach.organisations(principal, Application.organisation_id),
    )


def _duplicates(principal: Principal) -> Rows:
    one, other = col(Duplicate.person_id), col(Duplicate.other_person_id)
    return sa.select(Duplicate).where(
        sa.or_(_reached(principal, one), _reached(principal, other)),
        # One that waits for a decision has two records to decide about.
        sa.or_(col(Duplicate.status) != "open", sa.and_(_recorded(one), _recorded(other))),
    )


async def duplicates(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    status: str | None,
    strength: str | None,
    handed_over: bool | None,
) -> tuple[list[Duplicate], str | None]:
    statement = _duplicates(principal)
    if status is not None:
        statement = statement.where(col(Duplicate.status) == status)
    if strength is not None:
        statement = statement.where(col(Duplicate.strength) == strength)
    if handed_over is not None:
        handed: sa.ColumnElement[bool] = col(Duplicate.handed_to).is_not(None)
        if principal.organisation_id is not None:
            handed = sa.and_(handed, col(Duplicate.handed_to) == principal.organisation_id)
        statement = statement.where(handed if handed_over else sa.not_(handed))
    return await paginate(session, statement, Duplicate.duplicate_id, page)


async def duplicate(
    session: AsyncSession, principal: Principal, duplicate_id: UUID
) -> tuple[Duplicate, list[Side]]:
    """The pair with its sides, in the order of the pair. Raises NotFound when neither is within reach."""
    statement = _duplicates(principal).where(col(Duplicate.duplicate_id) == duplicate_id)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound("duplicate", duplicate_id)
    return found, [await _side(session, principal, key) for key in (found.person_id, found.other_person_id)]


async def _side(session: AsyncSession, principal: Principal, person_id: UUID) -> Side:
    person = await session.get(Person, person_id)
    assert person is not None
    member = await session.scalar(
        sa.select(Member)
        .where(col(Member.person_id) == person_id)
        .order_by((col(Member.status) == "member").desc(), col(Member.member_id).desc())
        .limit(1)
    )
    application = await session.scalar(
        sa.select(Application).where(
            col(Application.person_id) == person_id, col(Application.status) == "submitted"
        )
    )
    consents: list[str] = []
    if member:
        consents = [str(purpose) for purpose in await session.scalars(Consent.purposes_of(member.member_id))]
    reached = await session.scalar(sa.select(_reached(principal, sa.literal(person_id, sa.Uuid))))
    return Side(person, member, application, consents, bool(reached))


async def common_organisation(session: AsyncSession, one: UUID, other: UUID) -> UUID:
    """The lowest organisation at or above both."""
    found = await session.scalar(_COMMON, {"one": one, "other": other})
    assert found is not None
    return UUID(str(found))


async def approvals(
    session: AsyncSession, principal: Principal, page: PageParams, status: str | None, action: str | None
) -> tuple[list[Approval], str | None]:
    statement = sa.select(Approval).where(covers(principal, col(Approval.organisation_ids)))
    if status is not None:
        statement = statement.where(col(Approval.status) == status)
    if action is not None:
        statement = statement.where(col(Approval.action) == action)
    return await paginate(session, statement, Approval.approval_id, page)


async def approval(session: AsyncSession, principal: Principal, approval_id: UUID) -> Approval:
    """Raises NotFound unless all that it concerns is within reach."""
    statement = sa.select(Approval).where(
        col(Approval.approval_id) == approval_id, covers(principal, col(Approval.organisation_ids))
    )
    found = await session.scalar(statement)
    if found is None:
        raise NotFound("approval", approval_id)
    return found


def _merges(principal: Principal) -> Rows:
    survivor, absorbed = aliased(Member), aliased(Member)
    return (
        sa.select(MemberMerge)
        .join(survivor, survivor.member_id == col(MemberMerge.survivor_member_id))  # type: ignore[arg-type]
        .join(absorbed, absorbed.member_id == col(MemberMerge.absorbed_member_id))  # type: ignore[arg-type]
        .where(
            reach.organisations(principal, survivor.organisation_id),
            reach.organisations(principal, absorbed.organisation_id),
        )
    )


async def merges(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[MemberMerge], str | None]:
    return await paginate(session, _merges(principal), MemberMerge.merge_id, page)


async def merge(session: AsyncSession, principal: Principal, merge_id: UUID) -> MemberMerge:
    """Raises NotFound unless both records are within reach."""
    found: MemberMerge | None = await session.scalar(
        _merges(principal).where(col(MemberMerge.merge_id) == merge_id)
    )
    if found is None:
        raise NotFound("merge", merge_id)
    return found


def _erasures(principal: Principal) -> Rows:
    return sa.select(Erasure).where(reach.organisations(principal, Erasure.organisation_id))


async def erasures(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[Erasure], str | None]:
    return await paginate(session, _erasures(principal), Erasure.erasure_id, page)


async def erasure(session: AsyncSession, principal: Principal, erasure_id: UUID) -> Erasure:
    found: Erasure | None = await session.scalar(_erasures(principal).where(col(Erasure.erasure_id) == erasure_id))
    if found is None:
        raise NotFound("erasure", erasure_id)
    return found


async def sent(session: AsyncSession, member_ids: Sequence[UUID], event_type: str) -> set[UUID]:
    """Of which members the broker has acknowledged this event; the others' still wait in the outbox."""
    rows = await session.scalars(
        sa.text(
            "select key from event_history where topic = 'registry.member.v1'"
            " and key = any(:keys) and headers->>'ce_type' = :type"
        ).bindparams(sa.bindparam("keys", type_=sa.ARRAY(sa.Text))),
        {"keys": [str(key) for key in member_ids], "type": event_type},
    )
    return {UUID(key) for key in rows}
