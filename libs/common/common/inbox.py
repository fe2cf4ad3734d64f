"""Effects happen once: each claims its event in the transaction of the effect."""

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from common.db import fetch

# One row comes back: nearly always all are new, and to name each would cost as much as to write it.
_CLAIM = """
    with claimed as (
        insert into inbox (consumer, event_id) select $1, unnest($2::uuid[]) on conflict do nothing returning event_id
    )
    select case when count(*) < cardinality($2::uuid[]) then array_agg(event_id) end as some, count(*) as number
    from claimed
"""
_INTEGER = attrgetter("int")


async def claim(session: AsyncSession, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """The ids that `consumer` has not had before; they are its own once the transaction commits.

    A concurrent claim of the same id waits for the other transaction and then yields nothing.
    """
    # Sorted, so that two workers with overlapping batches wait instead of deadlocking.
    ids = sorted(set(event_ids), key=_INTEGER)
    [claimed] = await fetch(session, _CLAIM, consumer, ids)
    return set(ids) if claimed["number"] == len(ids) else set(claimed["some"] or ())
