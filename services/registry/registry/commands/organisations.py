"""The tree of organisations changes."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.errors import BusinessError
from common.events.registry import (
    OrganisationChanged,
    OrganisationClosed,
    OrganisationCreated,
    OrganisationEvent,
    OrganisationMoved,
    OrganisationRenamed,
    OrganisationReopened,
)
from common.outbox import publish
from registry import errors, rules
from registry.commands.effects import Change, Effects
from registry.commands.loading import lock_tree, locked
from registry.commands.offices import end_offices_at
from registry.commands.timeline import change_from
from registry.models import Organisation

# Upwards from the new parent through every period that overlaps the days of the move: reaching the moved
# organisation with days left is a cycle on those days, be it in the past or now.
_CYCLE = sa.text(
    """
    with recursive above(organisation_id, during) as (
        select cast(:parent as uuid), daterange(:day, null)
        union
        select period.parent_id, above.during * daterange(period.valid_from, period.valid_to)
        from above join organisation_period period
          on period.organisation_id = above.organisation_id
         and period.superseded_at is null
         and daterange(period.valid_from, period.valid_to) && above.during
        where period.parent_id is not null and above.organisation_id <> :moved
    )
    select exists (select from above where organisation_id = :moved)
    """
).bindparams(sa.bindparam("day", type_=sa.Date), sa.bindparam("parent", type_=sa.Uuid))

_USES = {
    "organisations under it on that day or later": sa.text(
        "select exists (select from organisation_period where parent_id = :id and status = 'active'"
        " and superseded_at is null and (valid_to is null or valid_to > :day))"
    ),
    "members on that day or later": sa.text(
        "select exists (select from member_period where organisation_id = :id and status = 'member'"
        " and superseded_at is null and (valid_to is null or valid_to > :day))"
    ),
    "applications to decide": sa.text(
        "select exists (select from application where organisation_id = :id and status = 'submitted')"
    ),
    "transfers to decide": sa.text(
        "select exists (select from transfer where to_organisation_id = :id and status = 'released')"
    ),
}
_NOT_ACTIVE_SINCE = sa.text(
    "select not exists (select from organisation_period where organisation_id = :id and superseded_at is null"
    "  and valid_from <= :day)"
    " or exists (select from organisation_period where organisation_id = :id and superseded_at is null"
    "  and status <> 'active' and (valid_to is null or valid_to > :day))"
)


async def create_organisation(
    session: AsyncSession,
    *,
    kind: str,
    code: str,
    name: str,
    parent_id: UUID | None,
    opened_on: date,
    now: datetime,
    effects: Effects | None = None,
    **institution: Any,
) -> Organisation:
    """`institution` may hold short_name, institution_type, institution_name, address, inn, employed and students."""
    rules.check_date(opened_on, "effective_on", now.date())
    await lock_tree(session)
    parent = await _parent(session, parent_id, opened_on) if parent_id else None
    rules.check_placement(kind, parent.kind if parent else None)
    organisation = Organisation(
        organisation_id=uuid7(),
        parent_id=parent_id,
        kind=kind,
        code=code,
        name=name,
        search_name=rules.search_name(name, institution.get("short_name"), institution.get("institution_name")),
        opened_on=opened_on,
        **institution,
    )
    statement = insert(Organisation).values(organisation.model_dump()).on_conflict_do_nothing()
    created = await session.scalar(statement.returning(Organisation.organisation_id))  # type: ignore[call-overload]
    if created is None:
        raise await _taken(session, kind)
    session.add(organisation.period(opened_on))
    publish(session, OrganisationCreated(**organisation.public_state(opened_on)))
    if effects is not None:
        effects.created.append(organisation.organisation_id)
    return await locked(session, Organisation, organisation.organisation_id)


async def change_organisation(
    session: AsyncSession,
    organisation_id: UUID,
    changes: dict[str, Any],
    effective_on: date,
    now: datetime,
    reason: str | None = None,
    effects: Effects | None = None,
) -> Organisation:
    """`changes` may hold the name and what create_organisation's `institution` may. What changes nothing is none."""
    rules.check_date(effective_on, "effective_on", now.date())
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_active(organisation)
    changes = {field: value for field, value in changes.items() if getattr(organisation, field) != value}
    if not changes:
        return organisation
    event = OrganisationRenamed if "name" in changes else OrganisationChanged
    _note(effects, await change_from(session, organisation, event, changes, effective_on, reason))
    return organisation


async def move_organisation(
    session: AsyncSession,
    organisation_id: UUID,
    parent_id: UUID,
    reason: str | None,
    effective_on: date,
    now: datetime,
    effects: Effects | None = None,
) -> Organisation:
    rules.check_date(effective_on, "effective_on", now.date())
    await lock_tree(session)
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_active(organisation)
    await check_place(session, organisation, parent_id, effective_on)
    changes = {"parent_id": parent_id}
    _note(effects, await change_from(session, organisation, OrganisationMoved, changes, effective_on, reason))
    return organisation


async def close_organisation(
    session: AsyncSession,
    organisation_id: UUID,
    reason: str | None,
    effective_on: date,
    now: datetime,
    effects: Effects | None = None,
    event: type[OrganisationEvent] = OrganisationClosed,
    successor_ids: Sequence[UUID] = (),
) -> Organisation:
    """Close what has nothing left: no organisation under it, no member, nothing to decide."""
    rules.check_date(effective_on, "effective_on", now.date())
    await lock_tree(session)
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_active(organisation)
    await check_unused(session, organisation_id, effective_on)
    changes = {"status": "closed", "successor_ids": list(successor_ids)}
    _note(effects, await change_from(session, organisation, event, changes, effective_on, reason))
    await end_offices_at(session, organisation_id, effective_on - timedelta(days=1), "organisation_closed")
    return organisation


async def reopen_organisation(
    session: AsyncSession,
    organisation_id: UUID,
    parent_id: UUID | None,
    reason: str | None,
    effective_on: date,
    now: datetime,
    effects: Effects | None = None,
) -> Organisation:
    """What was closed is active again, under its parent or another one; nobody comes back by that."""
    rules.check_date(effective_on, "effective_on", now.date())
    await lock_tree(session)
    organisation = await locked(session, Organisation, organisation_id)
    if organisation.status != "closed":
        raise errors.OrganisationActive
    place = parent_id or organisation.parent_id
    if place is not None:
        await check_place(session, organisation, place, effective_on)
    changes: dict[str, Any] = {"status": "active", "successor_ids": [], "parent_id": place}
    _note(effects, await change_from(session, organisation, OrganisationReopened, changes, effective_on, reason))
    return organisation


async def check_place(session: AsyncSession, organisation: Organisation, parent_id: UUID, day: date) -> None:
    """The organisation may stand under the parent from that day on: by its kind, and without a cycle."""
    parent = await _parent(session, parent_id, day)
    rules.check_placement(organisation.kind, parent.kind)
    values = {"parent": parent_id, "moved": organisation.organisation_id, "day": day}
    if await session.scalar(_CYCLE, values):
        raise errors.CycleRefused


async def check_unused(session: AsyncSession, organisation_id: UUID, day: date) -> None:
    await session.flush()
    for what, used in _USES.items():
        values = {"id": organisation_id, "day": day} if ":day" in used.text else {"id": organisation_id}
        if await session.scalar(used, values):
            raise errors.OrganisationInUse(what)


async def check_active_since(session: AsyncSession, organisation_id: UUID, day: date) -> None:
    """The organisation was there on that day, and is active from it on."""
    await session.flush()
    if await session.scalar(_NOT_ACTIVE_SINCE, {"id": organisation_id, "day": day}):
        raise errors.ParentNotThere


def _note(effects: Effects | None, change: Change) -> None:
    if effects is not None:
        effects.changes.append(change)


async def _parent(session: AsyncSession, parent_id: UUID, day: date) -> Organisation:
    """The parent, which is there and active from that day on."""
    parent = await locked(session, Organisation, parent_id, read=True)
    await check_active_since(session, parent_id, day)
    return parent


async def _taken(session: AsyncSession, kind: str) -> BusinessError:
    roots = sa.text("select exists (select from organisation where kind = 'federal')")
    root = kind == "federal" and await session.scalar(roots)
    return errors.RootExists() if root else errors.CodeTaken()
