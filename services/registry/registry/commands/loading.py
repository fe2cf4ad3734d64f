"""How a command gets the rows that it changes."""

from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import NotFound
from registry.models import Membership, Organisation, Table

Row = TypeVar("Row", bound=Table)

# Upwards from the organisation: is `above` the organisation itself or one above it?
_WITHIN = sa.text(
    """
    with recursive up(organisation_id) as (
        select cast(:organisation as uuid)
        union
        select organisation.parent_id from up join organisation using (organisation_id)
    )
    select exists (select from up where organisation_id = :above)
    """
).bindparams(sa.bindparam("organisation", type_=sa.Uuid), sa.bindparam("above", type_=sa.Uuid))

_TREE_LOCK = 0x74726565
_PERSON_LOCK = 0x70657273
"""First halves of advisory locks' keys."""
_ADMISSION_LOCK = 0x61646D69
"""Shared by those who admit one person; an import holds it alone while it commits a file."""


async def locked(session: AsyncSession, model: type[Row], key: Any, read: bool = False) -> Row:
    """The row, locked until the transaction ends (shared with other readers when `read`). Raises NotFound."""
    row = await session.get(model, key, with_for_update={"read": read})
    if row is None:
        raise NotFound(str(model.__tablename__), key)
    return row


async def lock_tree(session: AsyncSession) -> None:
    """One transaction at a time changes the tree's shape. Taken before any row's lock."""
    await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_TREE_LOCK)))


async def lock_person_key(session: AsyncSession, match_key: str) -> None:
    """One transaction at a time admits a person of this key, and none while an import commits a file."""
    await session.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_ADMISSION_LOCK)))
    await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_PERSON_LOCK, sa.func.hashtext(match_key))))


async def lock_admissions(session: AsyncSession) -> None:
    """Waits for the admissions under way; no other is made before this transaction ends."""
    await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADMISSION_LOCK)))


async def held_organisation(session: AsyncSession, organisation_id: UUID) -> Organisation:
    """The organisation, held as it is, active or closed, until this transaction ends."""
    return await locked(session, Organisation, organisation_id, read=True)


async def open_stay(session: AsyncSession, member_id: UUID) -> Membership:
    """The member's present stay. The member's row is locked by the caller."""
    statement = sa.select(Membership).where(_is(Membership.member_id, member_id), _none(Membership.to_on))
    return (await session.scalars(statement)).one()


async def is_within(session: AsyncSession, organisation_id: UUID, above: UUID) -> bool:
    """The organisation is `above` or stands somewhere below it."""
    return bool(await session.scalar(_WITHIN, {"organisation": organisation_id, "above": above}))


def _is(column: Any, value: Any) -> sa.ColumnElement[bool]:
    return column == value  # type: ignore[no-any-return]


def _none(column: Any) -> sa.ColumnElement[bool]:
    return column.is_(None)  # type: ignore[no-any-return]
