"""What waits for an office's decision, with both sides, and what became of what a phone sent."""

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
from registry.models import Application, Consent, Member, Person, SyncOperation, Transfer
from registry.queries import reach

STRANDED = ("rerouted",)
"""Sent by who had lost the row or the right when it arrived."""
CONFLICTS = ("conflict", "refused", "duplicate")
"""Sent by the office's own people."""


@dataclass(frozen=True)
class Item:
    """`row` is what the operation is about, as it is now; `person` whom it is about; `proposal` what was proposed."""

    operation: SyncOperation
    row: Any
    person: Person | None
    proposal: Person | None
    consents: Sequence[str] = ()


async def items(
    session: AsyncSession, principal: Principal, page: PageParams, outcomes: Sequence[str], decided: bool
) -> tuple[list[Item], str | None]:
    """Items of the caller's offices, oldest first."""
    statement = sa.select(SyncOperation).where(
        col(SyncOperation.outcome).in_(outcomes),
        col(SyncOperation.state) != "open" if decided else col(SyncOperation.state) == "open",
        reach.organisations(principal, SyncOperation.organisation_id),
    )
    operations, cursor = await paginate(session, statement, SyncOperation.item_id, page)
    return [await _item(session, principal, operation) for operation in operations], cursor


async def check_item(session: AsyncSession, principal: Principal, item_id: UUID, outcomes: Sequence[str]) -> None:
    """Raises NotFound for an item of another office, or of the other list."""
    statement = sa.select(col(SyncOperation.item_id)).where(
        col(SyncOperation.item_id) == item_id,
        col(SyncOperation.outcome).in_(outcomes),
        reach.organisations(principal, SyncOperation.organisation_id),
    )
    if await session.scalar(statement) is None:
        raise NotFound("item", item_id)


async def own_operations(
    session: AsyncSession, subject: str, device_id: UUID, page: PageParams
) -> tuple[list[SyncOperation], str | None]:
    """What the bearer sent from the phone, oldest first."""
    statement = sa.select(SyncOperation).where(
        col(SyncOperation.subject) == subject, col(SyncOperation.device_id) == device_id
    )
    return await paginate(session, statement, SyncOperation.item_id, page)


async def _item(session: AsyncSession, principal: Principal, operation: SyncOperation) -> Item:
    row: Member | Application | Transfer | None = None
    person: Person | None = None
    consents: Sequence[str] = ()
    member_id = operation.member_id
    if operation.application_id is not None:
        row = await session.get(Application, operation.application_id)
        person = await session.get(Person, row.person_id) if row else None
    elif operation.kind in ("accept_transfer", "refuse_transfer"):
        row = await session.get(Transfer, operation.transfer_id)
        member_id = row.member_id if row else None
    if member_id is not None and person is None:
        member = await session.get(Member, member_id)
        row = row or member
        person = await session.get(Person, member.person_id) if member else None
        consents = list(await session.scalars(Consent.purposes_of(member_id)))
    proposal = await session.get(Person, operation.person_id) if operation.person_id else None
    if not await _within(session, principal, row):
        # What the phone named and never had is not shown to it by this way either.
        row, person = None, None
    return Item(operation, row, person, proposal, consents)


async def _within(session: AsyncSession, principal: Principal, row: Any) -> bool:
    if row is None:
        return False
    organisations = (
        (row.from_organisation_id, row.to_organisation_id) if isinstance(row, Transfer) else (row.organisation_id,)
    )
    places = sa.cast(sa.bindparam(None, list(organisations), type_=sa.ARRAY(sa.Uuid)), sa.ARRAY(sa.Uuid))
    place = sa.func.unnest(places).column_valued("place")
    return bool(await session.scalar(sa.select(sa.exists().where(reach.organisations(principal, place)))))
