"""Members, applications and transfers, within the caller's reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.errors import NotFound
from common.http import PageParams, paginate
from registry import rules
from registry.models import Application, Consent, Member, Organisation, Person, Transfer
from registry.queries import reach

Rows = sa.Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class MemberRecord:
    """A member with the personal data, if the caller may read it, and the purposes consented to."""

    member: Member
    person: Person | None
    consents: list[str]


@dataclass(frozen=True)
class ApplicationRecord:
    """An application with the applicant, if the caller may read names."""

    application: Application
    person: Person | None


@dataclass(frozen=True)
class TransferRecord:
    """A transfer with the person, if the caller may read names."""

    transfer: Transfer
    person: Person | None


def _members(principal: Principal) -> Rows:
    consents = Consent.purposes_of(col(Member.member_id)).correlate(Member)
    return (
        sa.select(
            col(Member.member_id), Member, Person, sa.func.array(consents.scalar_subquery()).label("consents")
        )
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(reach.members(principal))
    )


def _record(principal: Principal, row: Any) -> MemberRecord:
    seen = reach.sees_name(principal, row.member_id)
    return MemberRecord(row.Member, row.Person if seen else None, list(row.consents))


async def members(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    organisation_id: UUID | None,
    status: str | None,
    member_ids: Sequence[UUID] | None = None,
) -> tuple[list[MemberRecord], str | None]:
    statement = _members(principal)
    if member_ids is not None:
        statement = statement.where(col(Member.member_id).in_(member_ids))
    if organisation_id is not None:
        statement = statement.where(col(Member.organisation_id) == organisation_id)
    if status is not None:
        statement = statement.where(col(Member.status) == status)
    rows, cursor = await paginate(session, statement, Member.member_id, page)
    return [_record(principal, row) for row in rows], cursor


async def member(session: AsyncSession, principal: Principal, member_id: UUID) -> MemberRecord:
    """Raises NotFound outside the caller's reach."""
    row = (await session.execute(_members(principal).where(col(Member.member_id) == member_id))).one_or_none()
    if row is None:
        raise NotFound("member", member_id)
    return _record(principal, row)


def _applications(principal: Principal) -> Rows:
    return (
        sa.select(col(Application.application_id), Application, Person)
        .join(Person, col(Person.person_id) == col(Application.person_id))
        .where(reach.organisations(principal, Application.organisation_id))
    )


async def applications(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    organisation_id: UUID | None,
    status: str | None,
) -> tuple[list[ApplicationRecord], str | None]:
    statement = _applications(principal)
    if organisation_id is not None:
        statement = statement.where(col(Application.organisation_id) == organisation_id)
    if status is not None:
        statement = statement.where(col(Application.status) == status)
    rows, cursor = await paginate(session, statement, Application.application_id, page)
    seen = reach.sees_name(principal)
    return [ApplicationRecord(row.Application, row.Person if seen else None) for row in rows], cursor


async def application(session: AsyncSession, principal: Principal, application_id: UUID) -> ApplicationRecord:
    """Raises NotFound outside the caller's reach."""
    statement = _applications(principal).where(col(Application.application_id) == application_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("application", application_id)
    return ApplicationRecord(row.Application, row.Person if reach.sees_name(principal) else None)


async def followed_application(session: AsyncSession, follow_code: str) -> Application:
    """The application of a follow code, which is the applicant's only key. Raises NotFound."""
    statement = sa.select(Application).where(col(Application.follow_hash) == rules.follow_hash(follow_code))
    application = await session.scalar(statement)
    if application is None:
        raise NotFound("application", "with this code")
    return application


async def transfers(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    status: str | None,
    member_id: UUID | None,
) -> tuple[list[TransferRecord], str | None]:
    """Both ends see who moves: the receiving one decides about a person, not about an id."""
    statement = (
        sa.select(col(Transfer.transfer_id), Transfer, Person)
        .join(Member, col(Member.member_id) == col(Transfer.member_id))
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(reach.transfers(principal))
    )
    if status is not None:
        statement = statement.where(col(Transfer.status) == status)
    if member_id is not None:
        statement = statement.where(col(Transfer.member_id) == member_id)
    rows, cursor = await paginate(session, statement, Transfer.transfer_id, page)
    return [
        TransferRecord(row.Transfer, row.Person if reach.sees_name(principal, row.Transfer.member_id) else None)
        for row in rows
    ], cursor


async def headline(session: AsyncSession, principal: Principal) -> dict[str, Any]:
    """Counts of the caller's part of the union: organisations and members that are active, online joins."""

    async def counts(column: Any, organisation: Any, condition: sa.ColumnElement[bool]) -> dict[Any, int]:
        statement = (
            sa.select(column, sa.func.count())
            .where(condition, reach.organisations(principal, organisation))
            .group_by(column)
        )
        return {row[0]: row[1] for row in await session.execute(statement)}

    kinds = await counts(
        col(Organisation.kind), Organisation.organisation_id, col(Organisation.status) == "active"
    )
    categories = await counts(col(Member.category), Member.organisation_id, col(Member.status) == "member")
    decisions = await counts(
        col(Application.status), Application.organisation_id, col(Application.status) == "admitted"
    )
    return {"organisations": kinds, "members": categories, "online_joins": decisions.get("admitted", 0)}
