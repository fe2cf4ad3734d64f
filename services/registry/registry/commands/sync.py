"""What phones did offline arrives: each operation once, each with one outcome, nothing dropped silently."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.db import is_transient
from common.errors import BusinessError, NotFound
from registry import errors, rules, sync_rules
from registry.commands.audit import record_access
from registry.commands.sync_places import Place
from registry.commands.sync_table import TABLE, Result, Run, person_to_enter
from registry.models import Member, Person, SyncOperation
from registry.schemas import sync_operations as bodies

_SENDER_LOCK = 0x73796E63
"""First half of an advisory lock's key; the second is the sender: one batch of a sender at a time."""

_LOCK_MEMBERS = sa.text(
    """
    select from member where member_id = any(:members)
      or member_id in (select member_id from transfer where transfer_id = any(:transfers))
    order by member_id for update
    """
).bindparams(sa.bindparam("members", type_=sa.ARRAY(sa.Uuid)), sa.bindparam("transfers", type_=sa.ARRAY(sa.Uuid)))

_INHERITED = sa.text(
    """
    with recursive heir(organisation_id) as (
        select unnest(:held) union
        select unnest(organisation.successor_ids) from organisation join heir using (organisation_id)
    )
    select exists (select from heir where organisation_id = :here)
    """
).bindparams(sa.bindparam("held", type_=sa.ARRAY(sa.Uuid)), sa.bindparam("here", type_=sa.Uuid))


@dataclass(frozen=True)
class Sender:
    """Who sends, with what rights now, and which organisations the phone was given in its life."""

    subject: str
    device_id: UUID
    root_id: UUID | None
    scope: frozenset[UUID]
    held: frozenset[UUID]
    transfer_days: int
    backdating_days: int | None
    """How far back the bearer may date an operation; None: as far as the rules let."""
    decider: UUID | None
    """The organisation for which the bearer decides about transfers; None: for the whole union."""


@dataclass(frozen=True)
class Received:
    operation: SyncOperation
    repeated: bool


async def receive_batch(
    session: AsyncSession, sender: Sender, operations: Sequence[bodies.Operation], now: datetime
) -> list[Received]:
    """Apply each operation by itself, in the order given; what came before is answered as it was then.

    A failure of the database fails the whole batch, which is then sent again.
    """
    await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_SENDER_LOCK, sa.func.hashtext(sender.subject))))
    # All members in one order before any other row: batches of two phones cannot wait for each other.
    await session.execute(
        _LOCK_MEMBERS,
        {
            "members": [key for o in operations if (key := getattr(o, "member_id", None))],
            "transfers": [key for o in operations if (key := getattr(o, "transfer_id", None))],
        },
    )
    return [await _receive(session, sender, operation, now) for operation in operations]


async def _receive(session: AsyncSession, sender: Sender, operation: bodies.Operation, now: datetime) -> Received:
    digest = sync_rules.request_hash(operation.operation_id, operation.model_dump_json())
    statement = sa.select(SyncOperation).where(
        col(SyncOperation.subject) == sender.subject, col(SyncOperation.operation_id) == operation.operation_id
    )
    before = await session.scalar(statement)
    if before is not None and before.request_hash == digest:
        return Received(before, True)
    row = SyncOperation(
        item_id=uuid7(),
        subject=sender.subject,
        device_id=sender.device_id,
        operation_id=operation.operation_id,
        request_hash=digest,
        kind=operation.kind,
        arguments=operation.arguments(),
        made_at=operation.made_at,
        arrived_at=now,
        organisation_id=sender.root_id,
        member_id=getattr(operation, "member_id", None),
        application_id=getattr(operation, "application_id", None),
        transfer_id=getattr(operation, "transfer_id", None),
        outcome="refused",
        state="open",
    )
    if before is not None:
        # The first operation with this id stands; this one is refused without a trace, as it has no id of its own.
        _refuse(row, errors.OperationIdReused())
        return Received(row, False)
    await _carry_out(session, sender, operation, row, now)
    session.add(row)
    await session.flush()
    _audit(session, row, now)
    return Received(row, False)


async def _carry_out(
    session: AsyncSession, sender: Sender, operation: bodies.Operation, row: SyncOperation, now: datetime
) -> None:
    """Give the operation its outcome. What does not succeed leaves nothing behind but the row."""
    locate, apply = TABLE[operation.kind]
    known = False
    try:
        place = await locate(session, operation)
        known = place.organisation_id in sender.scope or await _had(session, sender, row, place)
        if not known:
            raise NotFound(operation.kind, operation.operation_id)
        row.organisation_id = place.organisation_id
        if place.organisation_id not in sender.scope or place.moved:
            await _reroute(session, operation, row)
        else:
            day = sync_rules.effective_day(operation.effective_on, now.date(), sender.backdating_days)
            run = Run(day, now, sender.transfer_days, sender.subject, sender.decider)
            async with session.begin_nested():
                _settle(row, await apply(session, operation, run))
                await session.flush()
    except BusinessError as error:
        _refuse(row, error)
    except DBAPIError as error:
        if is_transient(error):
            raise
        row.outcome, row.code = "refused", "conflicts_with_existing"
        row.detail = "This conflicts with what exists already; read it and try again."
    if row.outcome not in ("applied", "merged") and known:
        await keep_proposal(session, operation, row)


async def _had(session: AsyncSession, sender: Sender, row: SyncOperation, place: Place) -> bool:
    """The phone was given the row: it was in an organisation that the phone had, or came from one by a merge.

    Of a member the stays tell it; what else a merge moves keeps no trace, so the organisation's heirs count.
    """
    if place.been & sender.held:
        return True
    if row.member_id is not None:
        return False
    return bool(await session.scalar(_INHERITED, {"held": sorted(sender.held), "here": place.organisation_id}))


async def _reroute(session: AsyncSession, operation: bodies.Operation, row: SyncOperation) -> None:
    if row.member_id is not None:
        member = await session.get(Member, row.member_id)
        assert member is not None
        rules.check_in_force(member)
    row.outcome, row.state, row.fields = "rerouted", "open", operation.fields


def _settle(row: SyncOperation, result: Result) -> None:
    row.outcome = result.outcome
    row.state = "open" if result.outcome == "conflict" else "done"
    row.version, row.fields, row.applied_fields = result.version, result.fields, result.applied_fields
    row.member_id = result.member_id or row.member_id
    row.transfer_id = result.transfer_id or row.transfer_id
    if result.outcome == "conflict":
        row.code, row.detail = "fields_changed", "Both sides changed these fields; compare them and decide."


def _refuse(row: SyncOperation, error: BusinessError) -> None:
    row.state, row.code, row.detail = "open", error.code, error.detail
    if isinstance(error, errors.AlreadyMember):
        row.outcome = "duplicate"
    else:
        row.outcome = "conflict" if isinstance(error, errors.OtherSince) else "refused"


async def keep_proposal(session: AsyncSession, operation: bodies.Operation, row: SyncOperation) -> None:
    """Keep the names and contacts that wait for a decision where personal data live, until it is made."""
    row.fields = row.fields or operation.fields
    proposal: Person | None = None
    if isinstance(operation, bodies.AdmitMember):
        proposal = person_to_enter(operation)
    elif isinstance(operation, bodies.ChangeMember) and operation.personal.intersection(row.fields):
        member = await session.get(Member, operation.member_id)
        if member is not None and member.status not in ("erased", "merged", "retracted"):
            person = await session.get(Person, member.person_id)
            assert person is not None
            proposed = {
                name: operation.changes.given[name] for name in operation.personal.intersection(row.fields)
            }
            proposal = Person(**{**person.model_dump(), **proposed, "person_id": uuid7(), "match_keys": None})
    if proposal is not None:
        # Nobody's record: no double of the person whom it is about is to be looked for.
        proposal.examined_at = row.arrived_at
        session.add(proposal)
        await session.flush()
        row.person_id = proposal.person_id


def _audit(session: AsyncSession, row: SyncOperation, now: datetime) -> None:
    action = f"sync_{row.kind}_{row.outcome}"
    if row.member_id is not None:
        record_access(session, row.subject, action, "member", [row.member_id], None, now)
    elif row.application_id is not None:
        record_access(session, row.subject, action, "application", [row.application_id], None, now)
