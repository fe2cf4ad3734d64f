"""Members, applications and transfers, within the caller's reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from common.auth import Principal
from common.errors import NotFound
from common.http import PageParams, paginate
from registry import rules
from registry.models import Application, Consent, Member, Membership, Organisation, Person, Transfer
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
    """An application with the applicant and what is known of the name, if the caller may read names."""

    application: Application
    person: Person | None
    known_as: str | None


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


def known_as() -> sa.ColumnElement[str | None]:
    """Beside `Person`: what another person of this name and birth date is already."""
    known = aliased(Person, name="known")
    another = aliased(Application, name="another")
    of_the_name = sa.and_(
        col(known.match_key) == col(Person.match_key),
        col(known.person_id) != col(Person.person_id),
        col(known.kept_for_undo).is_(False),
    )

    def exists(table: Any, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        joined = sa.select(1).select_from(sa.join(known, table, table.person_id == known.person_id))
        return joined.where(of_the_name, condition).correlate(Person).exists()

    return sa.case(
        (exists(Member, col(Member.status) == "member"), "member"),
        (exists(Member, col(Member.status).in_(("left", "expelled"))), "former_member"),
        (exists(another, col(another.status) == "submitted"), "applicant"),
        else_=None,
    )


def _applications(principal: Principal) -> Rows:
    return (
        sa.select(col(Application.application_id), Application, Person, known_as().label("known_as"))
        .join(Person, col(Person.person_id) == col(Application.person_id))
        .where(reach.organisations(principal, Application.organisation_id))
    )


def _application_record(principal: Principal, row: Any) -> ApplicationRecord:
    if not reach.sees_name(principal):
        return ApplicationRecord(row.Application, None, None)
    return ApplicationRecord(row.Application, row.Person, row.known_as)


async def applications(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    *,
    organisation_id: UUID | None,
    status: str | None,
    attention: str | None,
) -> tuple[list[ApplicationRecord], str | None]:
    """`attention`: those that wait and were marked near their deadline, or that went to an organisation above."""
    statement = _applications(principal)
    if organisation_id is not None:
        statement = statement.where(col(Application.organisation_id) == organisation_id)
    if status is not None:
        statement = statement.where(col(Application.status) == status)
    if attention is not None:
        statement = statement.where(col(Application.status) == "submitted")
    if attention == "reminded":
        statement = statement.where(col(Application.reminded_at).is_not(None))
    if attention == "escalated":
        statement = statement.where(
            col(Application.escalated_to).is_not(None), reach.organisations(principal, Application.escalated_to)
        )
    rows, cursor = await paginate(session, statement, Application.application_id, page)
    return [_application_record(principal, row) for row in rows], cursor


async def application(session: AsyncSession, principal: Principal, application_id: UUID) -> ApplicationRecord:
    """Raises NotFound outside the caller's reach."""
    statement = _applications(principal).where(col(Application.application_id) == application_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("application", application_id)
    return _application_record(principal, row)


async def followed_application(session: AsyncSession, follow_code: str) -> Application:
    """The application of a follow code, which is the applicant's only key. Raises NotFound."""
    key = Application.of_code(rules.follow_hash(follow_code))
    statement = sa.select(Application).where(col(Application.application_id).in_(key))
    application = await session.scalar(statement)
    if application is None:
        raise NotFound("application", "with this code")
    return application


async def transfers(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    *,
    status: str | None,
    member_id: UUID | None,
    escalated: bool,
    reminded: bool,
) -> tuple[list[TransferRecord], str | None]:
    """Both ends see who moves: the receiving one decides about a person, not about an id.

    `escalated`: only those that wait for the decision of the caller's organisation or one below it; `reminded`: only
    those that came near their deadline and wait for one of the caller's organisations to receive.
    """
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
    if escalated:
        statement = statement.where(
            col(Transfer.status) == "released",
            col(Transfer.escalated_to).is_not(None),
            reach.organisations(principal, Transfer.escalated_to),
        )
    if reminded:
        statement = statement.where(
            col(Transfer.status) == "released",
            col(Transfer.reminded_at).is_not(None),
            col(Transfer.escalated_to).is_(None),
            reach.organisations(principal, Transfer.to_organisation_id),
        )
    rows, cursor = await paginate(session, statement, Transfer.transfer_id, page)
    return [
        TransferRecord(row.Transfer, row.Person if reach.sees_name(principal, row.Transfer.member_id) else None)
        for row in rows
    ], cursor


async def stays(session: AsyncSession, member_id: UUID) -> list[tuple[date, date | None]]:
    """The member's stays: from, and the first day without, null while still there."""
    statement = sa.select(col(Membership.from_on), col(Membership.to_on))
    rows = await session.execute(statement.where(col(Membership.member_id) == member_id))
    return [(row.from_on, row.to_on) for row in rows]


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
