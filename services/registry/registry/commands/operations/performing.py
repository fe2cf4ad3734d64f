"""What each kind of operation does with its arguments, which are those of the API's body, as JSON."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from registry.commands import organisations
from registry.commands.effects import Effects
from registry.commands.head_counts import record_with_organisation
from registry.commands.operations.members import Choice
from registry.commands.operations.reshaping import Part, merge_organisation, split_organisation
from registry.commands.operations.undoing import undo
from registry.models import OrganisationOperation


async def perform(session: AsyncSession, operation: OrganisationOperation, now: datetime) -> Effects:
    """Carry it out as of its day. Raises what the commands refuse with."""
    given, effects = operation.arguments, Effects()
    day, reason, subject = operation.effective_on, operation.reason, operation.organisation_id
    if operation.undoes is not None:
        return await undo(session, operation.undoes, reason, now)
    if operation.kind == "create":
        made = {**given["organisation"], "parent_id": _id(given["organisation"]["parent_id"])}
        organisation = await organisations.create_organisation(
            session, **made, opened_on=day, now=now, effects=effects
        )
        await record_with_organisation(session, organisation, made, day, operation.requested_by, effects)
        return effects
    assert subject is not None
    match operation.kind:
        case "rename" | "change":
            changes = given["changes"]
            organisation = await organisations.change_organisation(
                session, subject, changes, day, now, reason, effects
            )
            if effects.changes:
                await record_with_organisation(
                    session, organisation, changes, day, operation.requested_by, effects
                )
        case "move":
            await organisations.move_organisation(
                session, subject, UUID(given["parent_id"]), reason, day, now, effects
            )
        case "close":
            await organisations.close_organisation(session, subject, reason, day, now, effects)
        case "reopen":
            await organisations.reopen_organisation(
                session, subject, _id(given.get("parent_id")), reason, day, now, effects
            )
        case "merge":
            parts = [_part(part) for part in given.get("parts", [])]
            await merge_organisation(
                session,
                operation.operation_id,
                subject,
                UUID(given["into_id"]),
                parts,
                reason,
                day,
                now,
                effects,
            )
        case "split":
            parts = [_part(part) for part in given["parts"]]
            await split_organisation(
                session, operation.operation_id, subject, parts, given["close"], reason, day, now, effects
            )
    return effects


def touched(operation: OrganisationOperation) -> tuple[list[UUID], list[UUID]]:
    """The organisations that it changes with all below them, and the others that it names."""
    given, subject = operation.arguments, operation.organisation_id
    named = [
        given.get("parent_id"),
        given.get("into_id"),
        *(part.get("into_id") for part in given.get("parts", [])),
    ]
    others = [UUID(key) for key in named if key]
    if operation.kind == "create":
        return [], [subject] if subject else []
    return [subject] if subject else [], others


def _part(given: dict[str, Any]) -> Part:
    choice = Choice(
        given.get("categories") or (),
        [UUID(key) for key in given.get("member_ids") or ()],
        given.get("rest", False),
    )
    new = given.get("new")
    if new is not None and new.get("parent_id"):
        new = {**new, "parent_id": UUID(new["parent_id"])}
    return Part(_id(given.get("into_id")), choice, new, [UUID(key) for key in given.get("unit_ids") or ()])


def _id(value: str | None) -> UUID | None:
    return UUID(value) if value else None
