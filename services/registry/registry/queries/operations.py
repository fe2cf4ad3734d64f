"""Operations on the tree and head counts, within the caller's reach."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.errors import NotFound
from common.http import PageParams, paginate
from registry.models import HeadCount, OrganisationOperation
from registry.queries import reach
from registry.queries.moments import believed


async def operations(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    organisation_id: UUID | None,
    status: str | None,
    kind: str | None,
) -> tuple[list[OrganisationOperation], str | None]:
    """In the order in which they were asked for."""
    statement = _within(principal)
    if organisation_id is not None:
        statement = statement.where(col(OrganisationOperation.organisation_id) == organisation_id)
    if status is not None:
        statement = statement.where(col(OrganisationOperation.status) == status)
    if kind is not None:
        statement = statement.where(col(OrganisationOperation.kind) == kind)
    return await paginate(session, statement, OrganisationOperation.operation_id, page)


async def operation(session: AsyncSession, principal: Principal, operation_id: UUID) -> OrganisationOperation:
    """Raises NotFound outside the caller's reach."""
    statement = _within(principal).where(col(OrganisationOperation.operation_id) == operation_id)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound("operation", operation_id)
    return found  # type: ignore[no-any-return]


async def head_counts(
    session: AsyncSession, organisation_id: UUID, known_at: datetime | None, corrections: bool
) -> Sequence[HeadCount]:
    """Newest day first; with `corrections`, also what was believed before. The caller has checked the reach."""
    statement = sa.select(HeadCount).where(col(HeadCount.organisation_id) == organisation_id)
    if not corrections:
        statement = statement.where(believed(HeadCount, known_at))
    elif known_at is not None:
        statement = statement.where(col(HeadCount.recorded_at) <= known_at)
    order = (col(HeadCount.counted_on).desc(), col(HeadCount.recorded_at))
    return (await session.scalars(statement.order_by(*order).limit(500))).all()


def _within(principal: Principal) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(OrganisationOperation).where(
        reach.organisations(principal, OrganisationOperation.organisation_id)
    )
