"""An operation is undone as if it had not been: only as long as nothing that came later depends on it."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.errors import BusinessError
from common.events.registry import (
    OrganisationChanged,
    OrganisationClosed,
    OrganisationEvent,
    OrganisationMoved,
    OrganisationRenamed,
    OrganisationReopened,
)
from registry import errors
from registry.commands.effects import Change, Effects
from registry.commands.head_counts import COUNTS, take_back_count
from registry.commands.loading import locked
from registry.commands.operations.members import move_members_back
from registry.commands.operations.reshaping import hand_application
from registry.commands.organisations import check_place, check_unused
from registry.commands.timeline import change_from, state_on
from registry.models import Organisation, OrganisationOperation

_STILL_WAITING = sa.text(
    "select application_id from application where application_id = any(:ids) and status = 'submitted'"
    " and organisation_id = :into order by application_id"
).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))
_WAITING_UNDO = sa.text(
    "select exists (select from organisation_operation where undoes = :id and status = 'awaiting_approval')"
)
_TRANSFERS_BACK = sa.text(
    "update transfer set to_organisation_id = :source, version = version + 1"
    " where transfer_id = any(:ids) and status = 'released' and from_organisation_id <> :source"
).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))


async def check_undoable(session: AsyncSession, operation_id: UUID) -> OrganisationOperation:
    """It is done, not undone, and no undoing of it waits. The row is locked."""
    operation = await locked(session, OrganisationOperation, operation_id)
    if operation.status != "done" or operation.kind == "undo":
        raise errors.NotToUndo(operation.status)
    if await session.scalar(_WAITING_UNDO, {"id": operation_id}):
        raise errors.NotToUndo("about to be undone")
    return operation


async def undo(session: AsyncSession, operation_id: UUID, reason: str | None, now: datetime) -> Effects:
    """Take back what the operation did, last things first. Refused with what stands in the way.

    The tree is locked, and the operation checked by check_undoable.
    """
    operation = await locked(session, OrganisationOperation, operation_id)
    assert operation.effects is not None
    done, undone = Effects.of(operation.effects), Effects()
    for change in reversed(done.changes):
        await _restore(session, change, reason, undone)
        if not change.after.keys().isdisjoint(COUNTS):
            await take_back_count(session, change.organisation_id, change.day, done.corrected_count)
    await move_members_back(session, operation_id)
    undone.members = done.members
    if operation.organisation_id is not None:
        await _hand_back(session, operation.organisation_id, done, now)
    for created in reversed(done.created):
        await _unmake(session, created, reason, undone)
    operation.status, operation.version = "undone", operation.version + 1
    return undone


async def _restore(session: AsyncSession, change: Change, reason: str | None, undone: Effects) -> None:
    organisation = await locked(session, Organisation, change.organisation_id)
    now_believed = await state_on(session, organisation, change.day)
    if any(now_believed[name] != value for name, value in change.after.items()):
        raise errors.UndoRefused(f"organisation {organisation.code} was changed again for that day")
    before = change.before
    try:
        place = before.get("parent_id", organisation.parent_id)
        stands = before.get("status", "active") == "active"
        if place is not None and stands and ("parent_id" in before or "status" in before):
            await check_place(session, organisation, place, change.day)
        if before.get("status") == "closed":
            await check_unused(session, organisation.organisation_id, change.day)
        undone.changes.append(await change_from(session, organisation, _event(change), before, change.day, reason))
    except BusinessError as refusal:
        raise errors.UndoRefused(f"organisation {organisation.code}: {refusal.detail}") from refusal


def _event(change: Change) -> type[OrganisationEvent]:
    before, after = change.before, change.after
    changed = {name for name in before if before[name] != after[name]}
    if "status" in changed:
        return OrganisationReopened if before["status"] == "active" else OrganisationClosed
    if "parent_id" in changed:
        return OrganisationMoved
    return OrganisationRenamed if "name" in changed else OrganisationChanged


async def _unmake(session: AsyncSession, created: UUID, reason: str | None, undone: Effects) -> None:
    """What was created is closed from its first day on; its code stays taken."""
    organisation = await locked(session, Organisation, created)
    try:
        await check_unused(session, created, organisation.opened_on)
        changes = {"status": "closed"}
        change = await change_from(
            session, organisation, OrganisationClosed, changes, organisation.opened_on, reason
        )
    except BusinessError as refusal:
        raise errors.UndoRefused(f"organisation {organisation.code}: {refusal.detail}") from refusal
    undone.changes.append(change)


async def _hand_back(session: AsyncSession, source: UUID, done: Effects, now: datetime) -> None:
    """What still waits for a decision waits for the first organisation's again."""
    for into in set(done.applications.values()):
        ids = [key for key, value in done.applications.items() if value == into]
        for application_id in (await session.scalars(_STILL_WAITING, {"ids": ids, "into": into})).all():
            await hand_application(session, application_id, source, now.date())
    await session.execute(_TRANSFERS_BACK, {"ids": done.transfers, "source": source})
