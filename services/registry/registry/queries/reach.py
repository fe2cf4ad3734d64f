"""What a caller may touch: the subtree of staff, auditors and internal apps; a member's own. Else: 404."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import STAFF, Principal, Role, in_scope
from common.errors import NotFound
from registry import errors, rules
from registry.models import Application, Member, OfficeTerm, Organisation, Transfer

_READERS_OF_NAMES = frozenset({*STAFF, Role.INTERNAL_APP})


def organisations(principal: Principal, column: Any) -> sa.ColumnElement[bool]:
    return in_scope(principal, column, Organisation)


def members(principal: Principal) -> sa.ColumnElement[bool]:
    """Members in the caller's organisations, and the caller as a member."""
    return sa.or_(organisations(principal, Member.organisation_id), own(principal, Member.member_id))


def transfers(principal: Principal) -> sa.ColumnElement[bool]:
    """Transfers from or to the caller's organisations, and the caller's own."""
    return sa.or_(
        organisations(principal, Transfer.from_organisation_id),
        organisations(principal, Transfer.to_organisation_id),
        own(principal, Transfer.member_id),
    )


def own(principal: Principal, column: Any) -> sa.ColumnElement[bool]:
    if Role.MEMBER not in principal.roles or principal.member_id is None:
        return sa.false()
    return column == principal.member_id  # type: ignore[no-any-return]


def is_own(principal: Principal, member_id: UUID) -> bool:
    return Role.MEMBER in principal.roles and principal.member_id == member_id


def sees_name(principal: Principal, member_id: UUID | None = None) -> bool:
    """Auditors read without names; members read their own."""
    return bool(principal.roles & _READERS_OF_NAMES) or (member_id is not None and is_own(principal, member_id))


def acts_as_staff(principal: Principal) -> bool:
    return bool(principal.roles & set(STAFF))


async def check_organisation(session: AsyncSession, principal: Principal, organisation_id: UUID) -> None:
    """Raises NotFound outside the caller's subtree; so do the others below."""
    await _check(
        session,
        sa.select(col(Organisation.organisation_id)).where(
            col(Organisation.organisation_id) == organisation_id,
            organisations(principal, Organisation.organisation_id),
        ),
        "organisation",
        organisation_id,
    )


async def check_member(session: AsyncSession, principal: Principal, member_id: UUID) -> None:
    """The caller may act for the member: as staff over the organisation, or as the member."""
    reach = members(principal) if acts_as_staff(principal) else own(principal, Member.member_id)
    await _check(
        session,
        sa.select(col(Member.member_id)).where(col(Member.member_id) == member_id, reach),
        "member",
        member_id,
    )


async def check_known(session: AsyncSession, principal: Principal, member_id: UUID) -> None:
    """The member is in one of the caller's organisations."""
    await _check(
        session,
        sa.select(col(Member.member_id)).where(
            col(Member.member_id) == member_id, organisations(principal, Member.organisation_id)
        ),
        "member",
        member_id,
    )


async def check_application(session: AsyncSession, principal: Principal, application_id: UUID) -> None:
    await _check(
        session,
        sa.select(col(Application.application_id)).where(
            col(Application.application_id) == application_id,
            organisations(principal, Application.organisation_id),
        ),
        "application",
        application_id,
    )


async def check_receives(session: AsyncSession, principal: Principal, transfer_id: UUID) -> None:
    """The transfer goes to one of the caller's organisations."""
    await _check(
        session,
        sa.select(col(Transfer.transfer_id)).where(
            col(Transfer.transfer_id) == transfer_id,
            organisations(principal, Transfer.to_organisation_id),
        ),
        "transfer",
        transfer_id,
    )


async def check_releases(session: AsyncSession, principal: Principal, transfer_id: UUID) -> None:
    """The transfer is the caller's own, or begins in one of the caller's organisations."""
    begins = organisations(principal, Transfer.from_organisation_id) if acts_as_staff(principal) else sa.false()
    await _check(
        session,
        sa.select(col(Transfer.transfer_id)).where(
            col(Transfer.transfer_id) == transfer_id, sa.or_(begins, own(principal, Transfer.member_id))
        ),
        "transfer",
        transfer_id,
    )


async def check_records_office(
    session: AsyncSession, principal: Principal, organisation_id: UUID, office: str
) -> None:
    """Nobody gives powers to themselves: chairs and deputies are recorded by an organisation above."""
    await check_organisation(session, principal, organisation_id)
    if office in rules.LEADING and organisation_id == principal.organisation_id:
        raise errors.OwnPowers


async def check_records_term(session: AsyncSession, principal: Principal, term_id: UUID) -> None:
    """As check_records_office, for the organisation and the office of a term."""
    term = (
        await session.execute(
            sa.select(col(OfficeTerm.organisation_id), col(OfficeTerm.office)).where(
                col(OfficeTerm.term_id) == term_id, organisations(principal, OfficeTerm.organisation_id)
            )
        )
    ).one_or_none()
    if term is None:
        raise NotFound("term of office", term_id)
    await check_records_office(session, principal, term.organisation_id, term.office)


async def _check(session: AsyncSession, statement: sa.Select[UUID], what: str, key: UUID) -> None:
    if await session.scalar(statement) is None:
        raise NotFound(what, key)
