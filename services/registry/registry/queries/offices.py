"""Elected offices within the caller's reach."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.errors import NotFound
from common.http import PageParams, paginate
from registry.models import Member, OfficeTerm, Person
from registry.queries import reach
from registry.queries.people import Rows


@dataclass(frozen=True)
class TermRecord:
    """A term with its holder, if the caller may read names."""

    term: OfficeTerm
    person: Person | None


def _terms(principal: Principal) -> Rows:
    visible = sa.or_(
        reach.organisations(principal, OfficeTerm.organisation_id), reach.own(principal, OfficeTerm.member_id)
    )
    return (
        sa.select(col(OfficeTerm.term_id), OfficeTerm, Person)
        .join(Member, col(Member.member_id) == col(OfficeTerm.member_id))
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(visible)
    )


async def terms(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    *,
    organisation_id: UUID | None,
    member_id: UUID | None,
    office: str | None,
    on: date | None,
) -> tuple[list[TermRecord], str | None]:
    """Terms in force on a day, or all of them."""
    statement = _terms(principal)
    if organisation_id is not None:
        statement = statement.where(col(OfficeTerm.organisation_id) == organisation_id)
    if member_id is not None:
        statement = statement.where(col(OfficeTerm.member_id) == member_id)
    if office is not None:
        statement = statement.where(col(OfficeTerm.office) == office)
    if on is not None:
        statement = statement.where(col(OfficeTerm.starts_on) <= on, col(OfficeTerm.ends_on) >= on)
    rows, cursor = await paginate(session, statement, OfficeTerm.term_id, page)
    return [_record(principal, row.OfficeTerm, row.Person) for row in rows], cursor


async def term(session: AsyncSession, principal: Principal, term_id: UUID) -> TermRecord:
    """Raises NotFound outside the caller's reach."""
    row = (await session.execute(_terms(principal).where(col(OfficeTerm.term_id) == term_id))).one_or_none()
    if row is None:
        raise NotFound("term of office", term_id)
    return _record(principal, row.OfficeTerm, row.Person)


def _record(principal: Principal, term: OfficeTerm, person: Person) -> TermRecord:
    return TermRecord(term, person if reach.sees_name(principal, term.member_id) else None)
