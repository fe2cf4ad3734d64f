"""An operation is asked for, tried out, and done: now, on its day, or once a second person has approved it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.auth import Principal, second_person
from common.errors import BusinessError
from registry import errors, rules
from registry.commands.effects import Effects
from registry.commands.loading import lock_tree, locked
from registry.commands.operations.impact import count_touched, is_mass, with_effects
from registry.commands.operations.performing import perform, touched
from registry.commands.operations.undoing import check_undoable
from registry.models import OrganisationOperation

_MAY_BE_MENDED = frozenset({"organisation_in_use", "members_left"})
"""Refusals of a trial that may be no more when the operation's day comes."""

_AT_A_TIME = 10
"""Operations done in one transaction of the worker."""


@dataclass(frozen=True)
class Asked:
    """What is wanted, of whom, from which day on."""

    kind: str
    organisation_id: UUID | None
    arguments: dict[str, Any]
    effective_on: date
    reason: str | None
    undoes: UUID | None = None


@dataclass(frozen=True)
class Limits:
    """Above these a second person approves."""

    members: int
    organisations: int


async def ask_operation(
    session: AsyncSession,
    asked: Asked,
    by: str,
    limits: Limits,
    now: datetime,
    *,
    dry_run: bool = False,
    at_once: bool = False,
) -> OrganisationOperation:
    """Do it, or keep it for its day or for a second person; its status tells which.

    It is always carried out first, as of its day, and taken back where it has to wait: what is told of its
    impact, and what refuses it, is what the doing gave. A dry run keeps nothing and raises nothing: the row that is
    returned has the status that the operation would get. `at_once`: what needs a second person is refused.
    """
    await lock_tree(session)
    operation = _new(asked, by, now)
    undone = await check_undoable(session, asked.undoes) if asked.undoes else None
    kind = undone.kind if undone else asked.kind
    later = asked.effective_on > now.date() and not at_once
    rules.check_horizon(asked.effective_on, now.date())
    on_its_day = _on_its_day(asked.effective_on, now)
    try:
        async with session.begin_nested() as trial:
            operation.status, operation.done_at = "done", now
            await _do(session, operation, on_its_day)
            if is_mass(kind, operation.impact, limits.members, limits.organisations):
                operation.status = "awaiting_approval"
            elif later:
                operation.status = "scheduled"
            if dry_run or operation.status != "done":
                session.expunge_all()
                await trial.rollback()
    except BusinessError as refusal:
        session.expunge_all()
        if later and refusal.code in _MAY_BE_MENDED:
            operation.status = "scheduled"
            operation.impact = {**operation.impact, "stands_in_the_way": refusal.detail}
        elif not dry_run:
            raise
        else:
            operation.status = "refused"
            operation.refusal_code, operation.refusal_detail = refusal.code, refusal.detail
    if operation.status == "done":
        return operation
    if at_once:
        raise errors.ApprovalNeeded
    waiting = OrganisationOperation(**{**operation.model_dump(), "done_at": None, "effects": None})
    if not dry_run:
        waiting.organisation_id = asked.organisation_id
        session.add(waiting)
    return waiting


async def approve_operation(
    session: AsyncSession, operation_id: UUID, principal: Principal, now: datetime
) -> OrganisationOperation:
    """By another than the one who asked. Done at once, or kept for its day. Refused if it cannot be done any more."""
    await lock_tree(session)
    operation = await locked(session, OrganisationOperation, operation_id)
    if operation.status != "awaiting_approval":
        raise errors.OperationDecided(operation.status)
    second_person(principal, operation.requested_by)
    operation.approved_by, operation.approved_at = principal.subject, now
    operation.version += 1
    if operation.effective_on > now.date():
        operation.status = "scheduled"
    else:
        operation.status, operation.done_at = "done", now
        await _do(session, operation, now)
    return operation


async def cancel_operation(session: AsyncSession, operation_id: UUID, by: str) -> OrganisationOperation:
    """Before it is done; nothing of it happens."""
    operation = await locked(session, OrganisationOperation, operation_id)
    if operation.status not in ("awaiting_approval", "scheduled"):
        raise errors.OperationDecided(operation.status)
    operation.status, operation.cancelled_by, operation.version = "cancelled", by, operation.version + 1
    return operation


async def carry_out_due(session: AsyncSession, now: datetime) -> Sequence[OrganisationOperation]:
    """Do what has come due, in the order of the days; what cannot be done any more is refused, with the reason."""
    statement = (
        sa.select(OrganisationOperation)
        .where(
            col(OrganisationOperation.status) == "scheduled",
            col(OrganisationOperation.effective_on) <= now.date(),
        )
        .order_by(col(OrganisationOperation.effective_on), col(OrganisationOperation.operation_id))
        .limit(_AT_A_TIME)
    )
    due = [operation.operation_id for operation in await session.scalars(statement)]
    if due:
        await lock_tree(session)
    return [await _carry_out(session, operation_id, now) for operation_id in due]


async def _carry_out(session: AsyncSession, operation_id: UUID, now: datetime) -> OrganisationOperation:
    try:
        async with session.begin_nested():
            operation = await locked(session, OrganisationOperation, operation_id)
            operation.status, operation.done_at, operation.version = "done", now, operation.version + 1
            await _do(session, operation, now)
            return operation
    except BusinessError as refusal:
        session.expunge_all()
        operation = await locked(session, OrganisationOperation, operation_id)
        operation.status, operation.version = "refused", operation.version + 1
        operation.refusal_code, operation.refusal_detail = refusal.code, refusal.detail
        return operation


async def _do(session: AsyncSession, operation: OrganisationOperation, now: datetime) -> None:
    """Carry it out and keep what it touched; the row is there before what refers to it."""
    session.add(operation)
    await session.flush()
    if operation.undoes is not None:
        undone = await locked(session, OrganisationOperation, operation.undoes)
        operation.impact = {**undone.impact}
    elif operation.kind == "change":
        operation.impact = with_effects({}, Effects())
    else:
        below, others = touched(operation)
        operation.impact = with_effects(await count_touched(session, below, others, now.date()), Effects())
    effects = await perform(session, operation, now)
    operation.impact = with_effects(operation.impact, effects)
    operation.effects = effects.as_json()
    if effects.created and operation.kind == "create":
        operation.organisation_id = effects.created[0]
    await session.flush()


def _new(asked: Asked, by: str, now: datetime) -> OrganisationOperation:
    return OrganisationOperation(
        operation_id=uuid7(),
        kind=asked.kind,
        organisation_id=asked.organisation_id,
        arguments=asked.arguments,
        effective_on=asked.effective_on,
        reason=asked.reason,
        status="done",
        requested_by=by,
        requested_at=now,
        undoes=asked.undoes,
        impact={},
    )


def _on_its_day(effective_on: date, now: datetime) -> datetime:
    """The operation's day when it lies ahead: a trial is made as if it had come."""
    ahead = effective_on > now.date() + timedelta(days=1)
    return datetime.combine(effective_on, time(), UTC) if ahead else now
