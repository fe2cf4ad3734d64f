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
from registry.models import Application, Consent, Member, Organisation, Person, SyncOperation, Transfer
from registry.queries import reach

STRANDED = ("rerouted",)
"""Sent by who had lost the row or the right when it arrived."""
CONFLICTS = ("conflict", "refused", "duplicate")
"""Sent by the office's own people."""
_OF_TRANSFERS = ("accept_transfer", "refuse_transfer")


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
    return await _with_sides(session, principal, operations), cursor


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


async def _with_sides(
    session: AsyncSession, principal: Principal, operations: Sequence[SyncOperation]
) -> list[Item]:
    """A fixed number of reads for the whole page."""
    applications = await _by_key(
        session, Application, Application.application_id, {o.application_id for o in operations}
    )
    decided = {o.transfer_id for o in operations if o.kind in _OF_TRANSFERS}
    transfers = await _by_key(session, Transfer, Transfer.transfer_id, decided)
    member_ids = {o.member_id for o in operations} | {transfer.member_id for transfer in transfers.values()}
    members = await _by_key(session, Member, Member.member_id, member_ids)
    whom = {row.person_id for row in (*applications.values(), *members.values())}
    people = await _by_key(session, Person, Person.person_id, whom | {o.person_id for o in operations})
    consents: dict[UUID, list[str]] = {}
    for consent in (await _by_key(session, Consent, Consent.member_id, member_ids, key="consent_id")).values():
        if consent.withdrawn_at is None:
            consents.setdefault(consent.member_id, []).append(consent.purpose)
    rows = [*applications.values(), *transfers.values(), *members.values()]
    reached = await _reached(session, principal, {place for row in rows for place in _places(row)})

    def item(operation: SyncOperation) -> Item:
        row: Any = members.get(operation.member_id)
        person = people.get(row.person_id) if row else None
        if operation.application_id is not None:
            row = applications.get(operation.application_id)
            person = people.get(row.person_id) if row else None
        elif operation.kind in _OF_TRANSFERS:
            row = transfers.get(operation.transfer_id)
            person = people.get(members[row.member_id].person_id) if row else None
        proposal = people.get(operation.person_id)
        if row is None or not reached & _places(row):
            # What the phone named and never had is not shown to it by this way either.
            return Item(operation, None, None, proposal)
        return Item(operation, row, person, proposal, consents.get(getattr(row, "member_id", None), ()))  # type: ignore[arg-type]

    return [item(operation) for operation in operations]


async def _by_key(
    session: AsyncSession, model: type[Any], column: Any, keys: set[Any], key: str | None = None
) -> dict[Any, Any]:
    rows = await session.scalars(sa.select(model).where(column.in_(keys - {None})))
    return {getattr(row, key or column.key): row for row in rows}


def _places(row: Any) -> set[UUID]:
    if isinstance(row, Transfer):
        return {row.from_organisation_id, row.to_organisation_id}
    return {row.organisation_id}


async def _reached(session: AsyncSession, principal: Principal, places: set[UUID]) -> set[UUID]:
    """Those of the organisations that the caller reaches."""
    statement = sa.select(col(Organisation.organisation_id)).where(
        col(Organisation.organisation_id).in_(places), reach.organisations(principal, Organisation.organisation_id)
    )
    return set(await session.scalars(statement))
