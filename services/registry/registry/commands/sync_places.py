"""Where the row that a phone's operation is about stands now."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.errors import NotFound
from registry.models import Application, Member, Membership, Organisation, Transfer
from registry.schemas import sync_operations as bodies


@dataclass(frozen=True)
class Place:
    """Where the row that an operation is about stands now, and which organisations have had it."""

    organisation_id: UUID
    been: frozenset[UUID]
    version: int | None = None
    moved: bool = False
    """The organisation that it was meant for is closed; `organisation_id` is the one that took over."""


async def locate_member(session: AsyncSession, operation: Any) -> Place:
    member = await present(session, Member, operation.member_id)
    stays = sa.select(col(Membership.organisation_id)).where(col(Membership.member_id) == member.member_id)
    been = frozenset(await session.scalars(stays))
    return Place(member.organisation_id, been | {member.organisation_id}, member.version)


async def locate_application(session: AsyncSession, operation: Any) -> Place:
    application = await present(session, Application, operation.application_id)
    here = application.organisation_id
    return Place(here, frozenset({here}), application.version)


async def locate_transfer(session: AsyncSession, operation: Any) -> Place:
    transfer = await present(session, Transfer, operation.transfer_id)
    here = transfer.to_organisation_id
    return Place(here, frozenset({here}), transfer.version)


async def locate_organisation(session: AsyncSession, operation: bodies.AdmitMember) -> Place:
    meant = await present(session, Organisation, operation.organisation_id)
    heir = meant
    seen = {meant.organisation_id}
    while heir.status == "closed" and heir.parent_id is not None:
        following = heir.successor_ids[0] if heir.successor_ids else heir.parent_id
        if following in seen:
            break
        seen.add(following)
        heir = await present(session, Organisation, following)
    return Place(heir.organisation_id, frozenset({meant.organisation_id}), moved=heir is not meant)


async def present(session: AsyncSession, model: type[Any], key: UUID) -> Any:
    """Read, not locked: the command locks in its own order."""
    row = await session.get(model, key)
    if row is None:
        raise NotFound(str(model.__tablename__), key)
    return row
