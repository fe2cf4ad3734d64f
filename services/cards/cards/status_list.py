"""The status list: two bits a card, compressed and signed, public for every verifier."""

import asyncio
import time
import zlib
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cards import queries
from cards.cose import sign1
from cards.keys import SigningKey
from cards.numbers import SEGMENT
from cards.rules import status_bits
from cards.verify import IAT, STATUS_LIST, STATUS_LIST_TYPE, TTL
from common.db import Database


def build(highest_index: int | None, not_valid: Iterable[tuple[int, int]]) -> bytes:
    """The list's bytes: card `i` has bits 2(i mod 4) and up of byte i div 4. Whole segments, so its length
    tells the number of cards only roughly. `not_valid` gives (index, bits) of the cards that are not 0."""
    segments = 0 if highest_index is None else highest_index // SEGMENT + 1
    bits = bytearray(segments * SEGMENT // 4)
    for index, status in not_valid:
        bits[index >> 2] |= status << 2 * (index & 3)
    return bytes(bits)


def signed(bits: bytes, key: SigningKey, ttl: int, now: datetime) -> bytes:
    """The list as a Status List Token in CWT form (draft-ietf-oauth-status-list)."""
    # Filtered: short runs are coded, not looked up, which makes sparse bits a little smaller.
    packer = zlib.compressobj(9, strategy=zlib.Z_FILTERED)
    claims = {
        IAT: int(now.timestamp()),
        TTL: ttl,
        STATUS_LIST: {"bits": 2, "lst": packer.compress(bits) + packer.flush()},
    }
    return sign1(claims, key, STATUS_LIST_TYPE)


class StatusListPublisher:
    """Keeps the signed list and makes it anew when it is older than `refresh` seconds: however many ask,
    the database is read once in that time by each process."""

    def __init__(self, key: SigningKey, ttl: int, refresh: float) -> None:
        self._key, self._ttl, self.refresh = key, ttl, refresh
        self._message, self._made = b"", float("-inf")
        self._lock = asyncio.Lock()

    async def current(self, database: Database, now: datetime) -> bytes:
        async with self._lock:
            asked = time.monotonic()
            if asked - self._made > self.refresh:
                async with database.sessions.begin() as session:
                    self._message = await self._make(session, now)
                self._made = asked
            return self._message

    async def _make(self, session: AsyncSession, now: datetime) -> bytes:
        await session.execute(sa.text("set transaction isolation level repeatable read, read only"))
        highest = await queries.highest_status_index(session)
        rows = await queries.cards_not_active(session)
        bits = build(highest, ((index, status_bits(status)) for index, status in rows))
        return await asyncio.to_thread(signed, bits, self._key, self._ttl, now)
