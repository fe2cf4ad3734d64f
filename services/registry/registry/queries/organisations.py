"""The tree, today and on any day before."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from common.auth import Principal, subtree
from common.errors import NotFound
from common.http import PageParams, paginate
from registry import rules
from registry.models import Member, Organisation, OrganisationPeriod
from registry.models.organisations import DATED
from registry.queries import reach
from registry.queries.counts import below
from registry.queries.moments import Moment


def found_by(column: Any, text: str) -> sa.ColumnElement[bool]:
    """All words of `text` are in the name: figures whole, words in part. Nothing is found by no words."""
    words = rules.search_words(text)
    patterns = [f"% {word} %" if word.isdigit() else f"%{word}%" for word in words]
    return sa.and_(*(column.like(pattern) for pattern in patterns)) if patterns else sa.false()


async def organisations(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    *,
    text: str | None,
    parent_id: UUID | None,
    kind: str | None,
    moment: Moment | None,
    under: UUID | None = None,
    status: str | None = None,
) -> tuple[list[Organisation], str | None]:
    statement, state = _states(moment)
    statement = statement.where(reach.organisations(principal, Organisation.organisation_id))
    if text is not None:
        by_code = col(Organisation.code) == text
        statement = statement.where(sa.or_(found_by(col(state.search_name), text), by_code))
    if parent_id is not None:
        statement = statement.where(col(state.parent_id) == parent_id)
    if kind is not None:
        statement = statement.where(col(Organisation.kind) == kind)
    if status is not None:
        statement = statement.where(col(state.status) == status)
    if under is not None:
        tree = sa.select(below(under, moment).c.organisation_id) if moment else subtree(under, Organisation)
        statement = statement.where(col(Organisation.organisation_id).in_(tree))
    rows, cursor = await paginate(session, statement, Organisation.organisation_id, page)
    return [_as_it_was(row, moment) for row in rows], cursor


async def organisation(
    session: AsyncSession, principal: Principal, organisation_id: UUID, moment: Moment | None
) -> Organisation:
    """Raises NotFound outside the caller's reach, and for a day before it was opened."""
    statement, _ = _states(moment)
    statement = statement.where(
        col(Organisation.organisation_id) == organisation_id,
        reach.organisations(principal, Organisation.organisation_id),
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("organisation", organisation_id)
    return _as_it_was(row if moment else row[0], moment)


async def applicants_choice(
    session: AsyncSession,
    page: PageParams,
    *,
    text: str | None,
    region_id: UUID | None,
    institution_type: str | None,
) -> tuple[list[sa.Row[Any]], str | None]:
    """Organisations that take members, for people without a token: id, name, institution's type, parent's name."""
    statement = _takes_members()
    if text is not None:
        statement = statement.where(found_by(col(Organisation.search_name), text))
    if region_id is not None:
        statement = statement.where(col(Organisation.organisation_id).in_(subtree(region_id, Organisation)))
    if institution_type is not None:
        statement = statement.where(col(Organisation.institution_type) == institution_type)
    return await paginate(session, statement, Organisation.organisation_id, page)


async def applicants_one(session: AsyncSession, organisation_id: UUID) -> sa.Row[Any]:
    """The same of one organisation. Raises NotFound for one that takes no members, or is none."""
    statement = _takes_members().where(col(Organisation.organisation_id) == organisation_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("organisation", organisation_id)
    return row


def _takes_members() -> sa.Select[*tuple[Any, ...]]:
    parent: Any = aliased(Organisation)
    return (
        sa.select(
            col(Organisation.organisation_id),
            col(Organisation.name),
            col(Organisation.institution_type),
            parent.name.label("parent_name"),
        )
        .join(parent, parent.organisation_id == col(Organisation.parent_id))
        .where(col(Organisation.status) == "active", col(Organisation.kind).in_(rules.MEMBER_KINDS))
    )


async def regions(session: AsyncSession, page: PageParams) -> tuple[list[sa.Row[Any]], str | None]:
    """The regional organisations that are active: id and name."""
    statement = sa.select(col(Organisation.organisation_id), col(Organisation.name)).where(
        col(Organisation.kind) == "regional", col(Organisation.status) == "active"
    )
    return await paginate(session, statement, Organisation.organisation_id, page)


async def member_counts(
    session: AsyncSession, principal: Principal, page: PageParams, organisation_id: UUID | None
) -> tuple[list[sa.Row[Any]], str | None]:
    """Active members of each organisation, those without any left out; or of one, which is always there."""
    members = sa.func.count(col(Member.member_id)).label("members")
    active = sa.and_(
        col(Member.organisation_id) == col(Organisation.organisation_id), col(Member.status) == "member"
    )
    joined = sa.join(Organisation, Member, active, isouter=organisation_id is not None)
    statement = (
        sa.select(col(Organisation.organisation_id), members)
        .select_from(joined)
        .where(reach.organisations(principal, Organisation.organisation_id))
        .group_by(col(Organisation.organisation_id))
    )
    if organisation_id is not None:
        statement = statement.where(col(Organisation.organisation_id) == organisation_id)
    return await paginate(session, statement, Organisation.organisation_id, page)


def _states(moment: Moment | None) -> tuple[sa.Select[*tuple[Any, ...]], Any]:
    """The newest states, or (id, organisation, its state of that day)."""
    if moment is None:
        return sa.select(Organisation), Organisation
    statement = (
        sa.select(col(Organisation.organisation_id), Organisation, OrganisationPeriod)
        .join(
            OrganisationPeriod,
            col(OrganisationPeriod.organisation_id) == col(Organisation.organisation_id),
        )
        .where(moment.holds(OrganisationPeriod))
    )
    return statement, OrganisationPeriod


def _as_it_was(row: Any, moment: Moment | None) -> Organisation:
    """A copy, outside the session, with that day's state laid over the newest one."""
    if moment is None:
        return row  # type: ignore[no-any-return]
    state: OrganisationPeriod = row.OrganisationPeriod
    newest: Organisation = row.Organisation
    then = {field: getattr(state, field) for field in DATED}
    if state.status == "active":
        then["closed_on"] = None
    return Organisation(**{**newest.model_dump(), **then})
