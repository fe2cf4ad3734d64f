"""Merge and split: members, organisations below, applications and transfers go on in the successors."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.events.registry import ApplicationSubmitted, OrganisationMerged, OrganisationSplit
from common.outbox import publish
from registry import errors, rules
from registry.commands.effects import Effects
from registry.commands.loading import lock_tree, locked
from registry.commands.operations.members import Choice, move_members
from registry.commands.organisations import (
    check_active_since,
    close_organisation,
    create_organisation,
    move_organisation,
)
from registry.commands.timeline import change_from
from registry.models import Application, Organisation


@dataclass(frozen=True)
class Part:
    """Whom one successor takes, and which of the organisations below; `new` is made for it, like `into` is there."""

    into: UUID | None
    choice: Choice
    new: dict[str, Any] | None = None
    unit_ids: list[UUID] = field(default_factory=list)


# What stands below, and since when: a move may be dated before one of them came.
_BELOW = sa.text(
    "select organisation_id, greatest(cast(:day as date), opened_on, (select max(valid_to) from organisation_period p"
    "  where p.organisation_id = o.organisation_id and p.superseded_at is null"
    "  and p.parent_id is distinct from o.parent_id)) as since"
    " from organisation o where parent_id = :source and status = 'active' order by organisation_id"
)
_LEFT = sa.text("select count(*) from member where organisation_id = :source and status = 'member'")
_TRANSFERS = sa.text(
    "update transfer set to_organisation_id = :into, version = version + 1"
    " where to_organisation_id = :source and status = 'released' and from_organisation_id <> :into"
    " returning transfer_id"
)
_ARRIVED = sa.text(
    "update transfer set status = 'refused', reason = 'organisations_joined', decided_on = :today,"
    " version = version + 1 where to_organisation_id = :source and status = 'released' returning transfer_id"
)


async def merge_organisation(
    session: AsyncSession,
    operation_id: UUID,
    source_id: UUID,
    into_id: UUID,
    parts: list[Part],
    reason: str | None,
    day: date,
    now: datetime,
    effects: Effects,
) -> None:
    """The source is closed; all that it has goes on in `into`. `parts` take some members to other organisations."""
    source = await _source(session, source_id, day, now)
    into = await locked(session, Organisation, into_id)
    rules.check_active(into)
    rules.check_mergeable(source, into)
    await check_active_since(session, into_id, day)
    for row in (await session.execute(_BELOW, {"source": source_id, "day": day})).all():
        await move_organisation(session, row.organisation_id, into_id, reason, row.since, now, effects)
    for part in [*parts, Part(into_id, Choice(rest=True))]:
        assert part.into is not None
        await move_members(session, operation_id, source_id, part.into, part.choice, day, now.date(), effects)
    await _hand_over(session, source_id, into_id, day, now, effects)
    await close_organisation(
        session, source_id, reason, day, now, effects, event=OrganisationMerged, successor_ids=[into_id]
    )


async def split_organisation(
    session: AsyncSession,
    operation_id: UUID,
    source_id: UUID,
    parts: list[Part],
    close: bool,
    reason: str | None,
    day: date,
    now: datetime,
    effects: Effects,
) -> None:
    """Each part takes its members and organisations below; what is left stays, or nothing may be when it closes."""
    source = await _source(session, source_id, day, now)
    below = {
        row.organisation_id: row.since for row in await session.execute(_BELOW, {"source": source_id, "day": day})
    }
    successors: list[UUID] = []
    for part in parts:
        into = part.into or await _made(session, source, part.new or {}, day, now, effects)
        if into == source_id:
            raise errors.SameOrganisation
        successors.append(into)
        for unit in part.unit_ids:
            if unit not in below:
                raise errors.NotBelow
            await move_organisation(session, unit, into, reason, below[unit], now, effects)
        await move_members(session, operation_id, source_id, into, part.choice, day, now.date(), effects)
    if not close:
        source = await locked(session, Organisation, source_id)
        changes = {"successor_ids": successors}
        effects.changes.append(await change_from(session, source, OrganisationSplit, changes, day, reason))
        return
    left = await session.scalar(_LEFT, {"source": source_id})
    if left:
        raise errors.MembersLeft(left)
    await _hand_over(session, source_id, successors[0], day, now, effects)
    await close_organisation(
        session, source_id, reason, day, now, effects, event=OrganisationSplit, successor_ids=successors
    )


async def hand_application(session: AsyncSession, application_id: UUID, to: UUID, day: date) -> None:
    """Another organisation decides it now."""
    application = await locked(session, Application, application_id)
    application.organisation_id, application.version = to, application.version + 1
    publish(session, ApplicationSubmitted(**application.public_state(day)))


async def _source(session: AsyncSession, source_id: UUID, day: date, now: datetime) -> Organisation:
    rules.check_date(day, "effective_on", now.date())
    await lock_tree(session)
    source = await locked(session, Organisation, source_id)
    rules.check_active(source)
    rules.check_not_root(source)
    return source


async def _made(
    session: AsyncSession, source: Organisation, new: dict[str, Any], day: date, now: datetime, effects: Effects
) -> UUID:
    """A successor of the source's kind under the source's parent, where nothing else is asked."""
    fields = {"kind": source.kind, "parent_id": source.parent_id, **new}
    made = await create_organisation(session, **fields, opened_on=day, now=now, effects=effects)
    return made.organisation_id


async def _hand_over(
    session: AsyncSession, source_id: UUID, into: UUID, day: date, now: datetime, effects: Effects
) -> None:
    """What waits for the source's decision waits for the successor's."""
    waiting = await session.scalars(
        sa.select(col(Application.application_id))
        .where(col(Application.organisation_id) == source_id, col(Application.status) == "submitted")
        .order_by(col(Application.application_id))
    )
    for application_id in waiting.all():
        await hand_application(session, application_id, into, now.date())
        effects.applications[application_id] = into
    transfers = await session.execute(_TRANSFERS, {"source": source_id, "into": into})
    effects.transfers += list(transfers.scalars())
    arrived = await session.execute(_ARRIVED, {"source": source_id, "today": now.date()})
    effects.ended_transfers += len(arrived.all())
