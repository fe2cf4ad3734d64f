"""Effects happen once: each claims its event in the transaction of the effect."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from common.db import fetch

_CLAIM = """
    insert into inbox (consumer, event_id) select $1, unnest($2::uuid[]) on conflict do nothing returning event_id
"""


async def claim(session: AsyncSession, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """The ids that `consumer` has not had before; they are its own once the transaction commits.

    A concurrent claim of the same id waits for the other transaction and then yields nothing.
    """
    # Sorted, so that two workers with overlapping batches wait instead of deadlocking.
    rows = await fetch(session, _CLAIM, consumer, sorted(set(event_ids)))
    return {row["event_id"] for row in rows}
