"""What happens by itself when a deadline comes near or passes: reminders, and the level above is asked."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.config import RegistrySettings

AT_ONCE = 1000
"""Rows of one round; the rest waits for the next."""

_REMIND = sa.text(
    """
    update application set reminded_at = :now, version = version + 1
    where application_id in (
        select application_id from application
        where status = 'submitted' and reminded_at is null and deadline between :today and :soon
        order by deadline limit :at_once for update skip locked
    )
    """
).bindparams(sa.bindparam("today", type_=sa.Date), sa.bindparam("soon", type_=sa.Date))

_REMIND_OF_TRANSFERS = sa.text(
    """
    update transfer set reminded_at = :now, version = version + 1
    where transfer_id in (
        select transfer_id from transfer
        where status = 'released' and reminded_at is null and escalated_to is null
          and deadline between :today and :soon
        order by deadline limit :at_once for update skip locked
    )
    """
).bindparams(sa.bindparam("today", type_=sa.Date), sa.bindparam("soon", type_=sa.Date))

# The root is the last to be asked: what it leaves lying stays in its queue.
_ESCALATE_APPLICATIONS = sa.text(
    """
    with late as (
        select application_id, asked.parent_id as above from application
        join organisation asked on asked.organisation_id = coalesce(escalated_to, application.organisation_id)
        where application.status = 'submitted' and deadline < :today and asked.parent_id is not null
        order by deadline limit :at_once for update of application skip locked
    )
    update application
    set escalated_to = late.above, escalated_at = :now, deadline = :deadline, reminded_at = null,
        version = version + 1
    from late where application.application_id = late.application_id
    """
).bindparams(sa.bindparam("today", type_=sa.Date), sa.bindparam("deadline", type_=sa.Date))

# The nearest organisation above both ends: the lowest one that is on both ways up.
_ESCALATE_TRANSFERS = sa.text(
    """
    with recursive late as materialized (
        select transfer_id, from_organisation_id, to_organisation_id from transfer
        where status = 'released' and escalated_to is null and deadline < :today
          and (cast(:only as uuid) is null or transfer_id = :only)
        order by deadline limit :at_once for update skip locked
    ),
    above(transfer_id, side, organisation_id, height) as (
        select late.transfer_id, side.name, parent_id, 1
        from late
        cross join lateral (values ('from', from_organisation_id), ('to', to_organisation_id)) as side(name, id)
        join organisation on organisation.organisation_id = side.id
        union all
        select transfer_id, side, organisation.parent_id, height + 1
        from above join organisation using (organisation_id)
        where organisation.parent_id is not null
    ),
    nearest as (
        select distinct on (a.transfer_id) a.transfer_id, a.organisation_id
        from above a join above b using (transfer_id, organisation_id)
        where a.side = 'from' and b.side = 'to'
        order by a.transfer_id, a.height
    )
    update transfer set escalated_to = nearest.organisation_id, escalated_at = :now, version = version + 1
    from nearest where transfer.transfer_id = nearest.transfer_id
    """
).bindparams(sa.bindparam("today", type_=sa.Date), sa.bindparam("only", type_=sa.Uuid))


async def watch_applications(session: AsyncSession, now: datetime, settings: RegistrySettings) -> None:
    """Past the deadline the organisation above is asked, and has time of its own; near it, it is marked."""
    today = now.date()
    deadline = today + timedelta(days=settings.escalation_days)
    await session.execute(
        _ESCALATE_APPLICATIONS, {"now": now, "today": today, "deadline": deadline, "at_once": AT_ONCE}
    )
    soon = today + timedelta(days=settings.reminder_days)
    await session.execute(_REMIND, {"now": now, "today": today, "soon": soon, "at_once": AT_ONCE})


async def watch_transfers(session: AsyncSession, now: datetime, settings: RegistrySettings) -> None:
    """Near its deadline a transfer is marked for the receiving organisation; past it those above both are asked."""
    await escalate_transfers(session, now)
    today = now.date()
    soon = today + timedelta(days=settings.reminder_days)
    await session.execute(_REMIND_OF_TRANSFERS, {"now": now, "today": today, "soon": soon, "at_once": AT_ONCE})


async def escalate_transfers(session: AsyncSession, now: datetime, only: UUID | None = None) -> None:
    """Ask the nearest organisation above both ends about transfers past their deadline, or about one alone."""
    values = {"now": now, "today": now.date(), "only": only, "at_once": AT_ONCE}
    await session.execute(_ESCALATE_TRANSFERS, values)
