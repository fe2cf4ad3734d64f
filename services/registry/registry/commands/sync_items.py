"""An office decides what a phone's operation could not settle by itself."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from registry import errors, sync_rules
from registry.commands.loading import locked
from registry.commands.sync_table import TABLE, Run
from registry.models import Person, SyncOperation
from registry.schemas import sync_operations as bodies

_OPERATION: TypeAdapter[bodies.Operation] = TypeAdapter(bodies.Operation)
_FIELDS = {
    get_args(body.model_fields["kind"].annotation)[0]: frozenset(body.model_fields) for body in bodies.OPERATIONS
}


async def apply_item(
    session: AsyncSession,
    item_id: UUID,
    *,
    check_organisation: Callable[[UUID], Awaitable[None]],
    subject: str,
    current_version: int | None,
    fields: Collection[str] | None,
    corrections: dict[str, Any],
    transfer_days: int,
    backdating_days: int | None,
    decider: UUID | None,
    now: datetime,
) -> SyncOperation:
    """Do what the phone would have done, by the decider's right, of which `check_organisation` raises.

    `fields`: the part of the proposed fields that is taken; None: all. `corrections`: arguments decided otherwise.
    """
    item = await _open(session, item_id)
    operation = await _restored(session, item, fields, corrections)
    locate, apply = TABLE[item.kind]
    place = await locate(session, operation)
    await check_organisation(place.organisation_id)
    if place.version is not None and place.version != current_version:
        raise errors.ItemChanged(place.version)
    day = sync_rules.effective_day(operation.effective_on, now.date(), backdating_days)
    run = Run(day, now, transfer_days, subject, decider, decided=True)
    result = await apply(session, operation, run)
    item.version = result.version
    item.member_id = result.member_id or item.member_id
    item.transfer_id = result.transfer_id or item.transfer_id
    item.applied_fields = sorted({*item.applied_fields, *result.applied_fields})
    return await _decide(session, item, "accepted", subject, None, now)


async def drop_item(
    session: AsyncSession, item_id: UUID, *, subject: str, reason: str | None, now: datetime
) -> SyncOperation:
    """Leave everything as it is; the sender reads the reason."""
    return await _decide(session, await _open(session, item_id), "declined", subject, reason, now)


async def _open(session: AsyncSession, item_id: UUID) -> SyncOperation:
    item = await locked(session, SyncOperation, item_id)
    if item.state != "open":
        raise errors.ItemDecided
    return item


async def _restored(
    session: AsyncSession, item: SyncOperation, fields: Collection[str] | None, corrections: dict[str, Any]
) -> bodies.Operation:
    """The operation as it was sent, with its personal data out of the proposal, less what is not taken."""
    arguments = {**item.arguments, "operation_id": item.operation_id}
    person = await session.get(Person, item.person_id) if item.person_id else None
    if fields is not None and not (fields and set(fields) <= set(item.fields)):
        raise errors.NotConflicting
    if item.kind == "change_member":
        taken = set(item.fields if fields is None else fields)
        changes = {name: value for name, value in arguments["changes"].items() if name in taken}
        personal = taken & bodies.ChangeMember.personal
        if personal and person is None:
            raise errors.ValuesForgotten
        if person is not None:
            changes |= person.model_dump(include=set(personal))
        arguments |= {"changes": changes, "base": changes}
    elif item.kind == "admit_member":
        if person is None:
            raise errors.ValuesForgotten
        # Its own organisation may have closed: then the one that the item has come to takes the member.
        arguments |= {
            "organisation_id": item.organisation_id,
            **person.model_dump(include=set(bodies.AdmitMember.personal)),
        }
    known = _FIELDS[item.kind]
    return _OPERATION.validate_python({**arguments, **{k: v for k, v in corrections.items() if k in known}})


async def _decide(
    session: AsyncSession, item: SyncOperation, state: str, subject: str, reason: str | None, now: datetime
) -> SyncOperation:
    proposal = await session.get(Person, item.person_id) if item.person_id else None
    item.state, item.person_id = state, None
    item.decided_at, item.decided_by, item.reason = now, subject, reason
    await session.flush()
    if proposal is not None:
        await session.delete(proposal)
    return item
