"""Every change of a member is kept in its history and told: one way for one member and for a hundred thousand."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.events.registry import MemberChanged, MemberEvent
from common.outbox import publish

# The function is the migration's: it keeps the periods and returns the states that hold from the days on.
_RECORD = sa.text("select * from record_members(:ids, :days)").bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)), sa.bindparam("days", type_=sa.ARRAY(sa.Date))
)


async def publish_members(
    session: AsyncSession,
    event: type[MemberEvent],
    days: Mapping[UUID, date],
    extra: Callable[[UUID], dict[str, Any]] = lambda _member_id: {},
) -> dict[UUID, int]:
    """Keep the members' new states from their days on, and publish them; returns their versions.

    The members' rows are locked and written, their versions raised by one. What the row says anew holds from the
    day on; what it says as before keeps its days. Where something else changes later than the day, the states
    that follow are told too, each with its day and a version of its own, so that whoever keeps dated facts of
    the events has the same past as the registry. `extra` gives the fields that `event` has of its own.
    """
    await session.flush()
    ids = sorted(days)
    rows = await session.execute(_RECORD, {"ids": ids, "days": [days[member_id] for member_id in ids]})
    versions: dict[UUID, int] = {}
    for row in rows.mappings():
        member_id = row["member_id"]
        if member_id in versions:
            publish(session, MemberChanged(**row))
        else:
            publish(session, event(**row, **extra(member_id)))
        versions[member_id] = row["version"]
    return versions
