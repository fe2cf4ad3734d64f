"""What phones no longer need is forgotten."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.config import RegistrySettings

_SLOWEST = timedelta(days=1)
"""A transaction notes its changes when it makes them, and a cursor may name it until it ends."""

_CHANGES = sa.text("delete from sync_change where created_at < :before")
# The last cursor of a phone stays: it tells which organisations the phone was given.
_CURSORS = sa.text(
    """
    delete from sync_cursor as old where created_at < :before and exists (
        select from sync_cursor as newer
        where newer.subject = old.subject and newer.device_id = old.device_id
          and (newer.created_at, newer.cursor_id) > (old.created_at, old.cursor_id)
    )
    """
)


async def forget_sync(session: AsyncSession, now: datetime, settings: RegistrySettings) -> None:
    """Drop changes and cursors older than phones may stay away (`sync_days`); such a phone loads everything anew."""
    before = now - timedelta(days=settings.sync_days)
    await session.execute(_CHANGES, {"before": before - _SLOWEST})
    await session.execute(_CURSORS, {"before": before})
