"""Unusual reading of personal data is noticed; the log of it is kept as long as it must be, and no longer."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common import telemetry
from registry import errors
from registry.commands.loading import locked
from registry.config import RegistrySettings
from registry.models import ReadingAlarm

ALARMS = Counter("personal_data_reading_alarms", "Unusual mass reading of personal data", ["kind"])

_HABIT_DAYS = 30
_HABIT_HOURS = 10
"""A habit is known after so many hours with reading in the last days; before, the limit alone speaks."""

# Whole clock hours, in UTC: the present one and the one before, for what was read in its last seconds.
_UNUSUAL = sa.text(
    """
    with hours as (
        select subject, date_trunc('hour', at) as hour, sum(count)::integer as persons
        from access_log where at >= :since and subject = any(
            select distinct subject from access_log where at >= :recent)
        group by subject, hour
    ), habits as (
        select subject, avg(persons)::integer * :times as allowed from hours
        where hour < :recent group by subject having count(*) >= :hours
    )
    select subject, hour, persons, 'limit' as kind, :limit as expected from hours
    where hour >= :recent and persons > :limit
    union all
    select subject, hour, persons, 'habit', allowed from hours join habits using (subject)
    where hour >= :recent and persons > allowed and persons >= :least
    """
)
_RAISE = sa.text(
    "insert into reading_alarm (alarm_id, subject, hour, kind, persons, expected, raised_at, version)"
    " values (:alarm_id, :subject, :hour, :kind, :persons, :expected, :now, 1)"
    " on conflict on constraint reading_alarm_once do nothing returning alarm_id"
)
_FORGET = sa.text(
    "delete from access_log where access_id in (select access_id from access_log"
    " where at < cast(:now as timestamptz) - make_interval(years => :years) order by at limit 10000)"
)


async def watch_reading(session: AsyncSession, now: datetime, settings: RegistrySettings) -> None:
    """A round: who read of more people than the limit, or far more than is their habit, within an hour."""
    recent = (now - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    rows = await session.execute(
        _UNUSUAL,
        {
            "since": recent - timedelta(days=_HABIT_DAYS),
            "recent": recent,
            "times": settings.reading_habit_times,
            "hours": _HABIT_HOURS,
            "limit": settings.reading_limit,
            "least": settings.reading_habit_least,
        },
    )
    for row in rows.all():
        values: dict[str, Any] = {"alarm_id": uuid7(), "now": now, **row._mapping}
        if await session.scalar(_RAISE, values) is not None:
            ALARMS.labels(row.kind).inc()
            # The subject may be somebody's name: who looks after the alarm reads it under its number.
            telemetry.log().warning("personal_data_reading_alarm", alarm_id=str(values["alarm_id"]), kind=row.kind)


async def close_alarm(
    session: AsyncSession, alarm_id: UUID, subject: str, conclusion: str, now: datetime
) -> ReadingAlarm:
    alarm = await locked(session, ReadingAlarm, alarm_id)
    if alarm.closed_at is not None:
        raise errors.AlarmClosed
    alarm.closed_at, alarm.closed_by, alarm.conclusion = now, subject, conclusion
    alarm.version += 1
    return alarm


async def forget_accesses(session: AsyncSession, years: int, now: datetime) -> None:
    await session.execute(sa.text("set local registry.task = 'retention'"))
    await session.execute(_FORGET, {"now": now, "years": years})
    await session.execute(sa.text("set local registry.task = ''"))
