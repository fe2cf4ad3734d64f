"""Head counts of institutions: dated rows, each correction beside what it corrects."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.events.registry import OrganisationChanged
from registry import rules
from registry.commands.effects import Effects
from registry.commands.loading import locked
from registry.commands.timeline import change_from
from registry.models import HeadCount, Organisation

COUNTS = ("employed", "students")
_NEXT = sa.text(
    "select min(counted_on) from head_count"
    " where organisation_id = :id and superseded_at is null and counted_on > :day"
)
_SUPERSEDE = sa.text(
    "update head_count set superseded_at = clock_timestamp() where organisation_id = :id and counted_on = :day"
    " and superseded_at is null returning superseded_at, employed, students, recorded_by"
)


async def record_head_count(
    session: AsyncSession,
    organisation_id: UUID,
    counted_on: date,
    employed: int | None,
    students: int | None,
    by: str,
    now: datetime,
) -> HeadCount:
    """The count of a day, or its correction. It holds in the organisation up to the next count."""
    organisation = await locked(session, Organisation, organisation_id)
    rules.check_date(counted_on, "counted_on", now.date(), organisation.opened_on)
    values = {"id": organisation_id, "day": counted_on}
    until = await session.scalar(_NEXT, values)
    count, _ = await _keep(session, organisation_id, counted_on, employed, students, by)
    changes = {"employed": employed, "students": students}
    await change_from(session, organisation, OrganisationChanged, changes, counted_on, until=until)
    return count


async def record_with_organisation(
    session: AsyncSession, organisation: Organisation, fields: dict[str, Any], day: date, by: str, effects: Effects
) -> None:
    """A count that came with the organisation's other fields is a head count of that day."""
    if any(fields.get(name) is not None for name in COUNTS):
        counts = (organisation.employed, organisation.students)
        _, effects.corrected_count = await _keep(session, organisation.organisation_id, day, *counts, by)


async def take_back_count(
    session: AsyncSession, organisation_id: UUID, day: date, corrected: dict[str, Any] | None
) -> None:
    """The count of the day is not believed any more; the one that it corrected is again."""
    if corrected is None:
        await session.execute(_SUPERSEDE, {"id": organisation_id, "day": day})
    else:
        await _keep(session, organisation_id, day, **corrected)


async def _keep(
    session: AsyncSession, organisation_id: UUID, day: date, employed: int | None, students: int | None, by: str
) -> tuple[HeadCount, dict[str, Any] | None]:
    """The count, and the one that it corrects as arguments of this function."""
    old = (await session.execute(_SUPERSEDE, {"id": organisation_id, "day": day})).one_or_none()
    count = HeadCount(
        organisation_id=organisation_id, counted_on=day, employed=employed, students=students, recorded_by=by
    )
    if old is not None:
        count.recorded_at = old.superseded_at
    session.add(count)
    await session.flush()
    return count, {"employed": old.employed, "students": old.students, "by": old.recorded_by} if old else None
