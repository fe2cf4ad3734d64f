"""Which key signs and which are trusted: states in the database, private halves in this process's files."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cards.errors import SigningKeyMissing, SigningKeyNotChosen
from cards.keys import SigningKey, load_all
from cards.models import TrustedKey
from common.db import Database
from union_card_verifier.cose import KeySet


class KeyRing:
    """The keys as this process sees them, read again when they are older than `refresh` seconds.

    `place` is a PEM file or a folder of them: a file that came later is found when it is needed. The first
    process ever to sign takes its one key for the current one.
    """

    def __init__(self, place: Path, refresh: float) -> None:
        self._place, self._private, self._refresh = place, load_all(place), refresh
        self._trusted: Sequence[TrustedKey] = ()
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self, database: Database) -> SigningKey:
        """The key to sign with. Raises SigningKeyMissing when it is not among this process's files."""
        for row in await self._rows(database):
            if row.state == "current":
                if row.kid not in self._private:
                    self._private = load_all(self._place)
                if row.kid not in self._private:
                    raise SigningKeyMissing(row.jwk["kid"])
                return self._private[row.kid]
        raise SigningKeyNotChosen

    async def jwks(self, database: Database) -> dict[str, Any]:
        """The public halves of all keys that are trusted."""
        return {"keys": [row.jwk for row in await self._rows(database) if row.state != "revoked"]}

    async def key_set(self, database: Database) -> KeySet:
        return KeySet.read(await self.jwks(database))

    async def _rows(self, database: Database) -> Sequence[TrustedKey]:
        async with self._lock:
            if time.monotonic() - self._read_at > self._refresh:
                async with database.sessions.begin() as session:
                    rows = await trusted_keys(session)
                    if not rows and len(self._private) == 1:
                        await _adopt(session, next(iter(self._private.values())))
                        rows = await trusted_keys(session)
                self._trusted, self._read_at = rows, time.monotonic()
            return self._trusted


async def trusted_keys(session: AsyncSession) -> Sequence[TrustedKey]:
    """Every key there ever was, the oldest first."""
    statement = sa.select(TrustedKey).order_by(col(TrustedKey.created_at), col(TrustedKey.kid))
    return (await session.scalars(statement)).all()


async def _adopt(session: AsyncSession, key: SigningKey) -> None:
    now = datetime.now(UTC)
    row = {"kid": key.kid, "jwk": key.jwk, "state": "current", "created_at": now, "changed_at": now}
    # Two processes may start at once, even with two keys: the first is current, and the other is not trusted.
    await session.execute(insert(TrustedKey).values(row).on_conflict_do_nothing())
