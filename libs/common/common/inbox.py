"""Effects happen once: each claims its event in the transaction of the effect."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

_CLAIM = sa.text(
    "insert into inbox (consumer, event_id) select :consumer, unnest(cast(:ids as uuid[]))"
    " on conflict do nothing returning event_id"
)


async def claim(session: AsyncSession, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """The ids that `consumer` has not had before; they are its own once the transaction commits.

    A concurrent claim of the same id waits for the other transaction and then yields nothing.
    """
    # Sorted, so that two workers with overlapping batches wait instead of deadlocking.
    rows = await session.execute(_CLAIM, {"consumer": consumer, "ids": sorted(set(event_ids))})
    return {row.event_id for row in rows}
