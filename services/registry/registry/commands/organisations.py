"""The tree of organisations changes."""

from datetime import date, datetime
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
    OrganisationMoved,
    OrganisationRenamed,
)
from common.outbox import publish
from registry import errors, rules
from registry.commands.loading import lock_tree, locked
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
    "organisations under it on that day": sa.text(
        "select exists (select from organisation_period where parent_id = :id and status = 'active'"
        " and superseded_at is null and (valid_to is null or valid_to > :day))"
    ),
    "members on that day": sa.text(
        "select exists (select from membership where organisation_id = :id and (to_on is null or to_on > :day))"
    ),
    "applications to decide": sa.text(
        "select exists (select from application where organisation_id = :id and status = 'submitted')"
    ),
    "transfers to decide": sa.text(
        "select exists (select from transfer where to_organisation_id = :id and status = 'released')"
    ),
}


async def create_organisation(
    session: AsyncSession,
    *,
    kind: str,
    code: str,
    name: str,
    parent_id: UUID | None,
    opened_on: date,
    now: datetime,
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
        search_name=rules.search_name(name),
        opened_on=opened_on,
        **institution,
    )
    statement = insert(Organisation).values(organisation.model_dump()).on_conflict_do_nothing()
    created = await session.scalar(statement.returning(Organisation.organisation_id))  # type: ignore[call-overload]
    if created is None:
        raise await _taken(session, kind)
    session.add(organisation.period(opened_on))
    publish(session, OrganisationCreated(**organisation.public_state(opened_on)))
    return organisation


async def change_organisation(
    session: AsyncSession, organisation_id: UUID, changes: dict[str, Any], effective_on: date, now: datetime
) -> Organisation:
    """`changes` may hold the name and what create_organisation's `institution` may. What changes nothing is none."""
    rules.check_date(effective_on, "effective_on", now.date())
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_active(organisation)
    changes = {field: value for field, value in changes.items() if getattr(organisation, field) != value}
    if not changes:
        return organisation
    event = OrganisationRenamed if "name" in changes else OrganisationChanged
    await change_from(session, organisation, event, changes, effective_on)
    return organisation


async def move_organisation(
    session: AsyncSession, organisation_id: UUID, parent_id: UUID, reason: str, effective_on: date, now: datetime
) -> Organisation:
    rules.check_date(effective_on, "effective_on", now.date())
    await lock_tree(session)
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_active(organisation)
    parent = await _parent(session, parent_id, effective_on)
    rules.check_placement(organisation.kind, parent.kind)
    if await session.scalar(_CYCLE, {"parent": parent_id, "moved": organisation_id, "day": effective_on}):
        raise errors.CycleRefused
    await change_from(session, organisation, OrganisationMoved, {"parent_id": parent_id}, effective_on, reason)
    return organisation


async def close_organisation(
    session: AsyncSession, organisation_id: UUID, reason: str, effective_on: date, now: datetime
) -> Organisation:
    """Close what has nothing left: no organisation under it, no member, nothing to decide."""
    rules.check_date(effective_on, "effective_on", now.date())
    await lock_tree(session)
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_active(organisation)
    for what, used in _USES.items():
        values = {"id": organisation_id, "day": effective_on} if ":day" in used.text else {"id": organisation_id}
        if await session.scalar(used, values):
            raise errors.OrganisationInUse(what)
    await change_from(session, organisation, OrganisationClosed, {"status": "closed"}, effective_on, reason)
    organisation.closed_on = effective_on
    return organisation


async def _parent(session: AsyncSession, parent_id: UUID, day: date) -> Organisation:
    parent = await locked(session, Organisation, parent_id, read=True)
    if parent.status != "active" or parent.opened_on > day:
        raise errors.ParentNotThere
    return parent


async def _taken(session: AsyncSession, kind: str) -> BusinessError:
    roots = sa.text("select exists (select from organisation where kind = 'federal')")
    root = kind == "federal" and await session.scalar(roots)
    return errors.RootExists() if root else errors.CodeTaken()
