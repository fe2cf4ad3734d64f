"""The status list: two bits a card, compressed and signed, public for every verifier."""

import asyncio
import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import deflate
import sqlalchemy as sa

from cards import queries
from cards.cose import sign1
from cards.keyring import KeyRing
from cards.keys import SigningKey
from cards.numbers import SEGMENT
from cards.rules import status_bits
from common.db import Database
from union_card_verifier.cose import IAT, STATUS_LIST, STATUS_LIST_TYPE, TTL

_HARDEST = 12
_FORGOTTEN_AFTER = timedelta(days=2)
"""What is past its expiry by more than any clock is wrong needs no place in the list: its code is red by itself."""


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
    # libdeflate's best search makes sparse bits a tenth smaller than zlib's, in half of its time.
    packed = bytes(deflate.zlib_compress(bits, _HARDEST))
    claims = {IAT: int(now.timestamp()), TTL: ttl, STATUS_LIST: {"bits": 2, "lst": packed}}
    return sign1(claims, key, STATUS_LIST_TYPE)


@dataclass(frozen=True)
class Signed:
    """A signed list and what it was made from."""

    message: bytes
    etag: str
    bits: bytes
    kid: bytes
    kid_text: str
    """As in a JWKS."""
    issued_at: datetime


class StatusListPublisher:
    """Keeps the signed list and looks for changes when it has not for `refresh` seconds: however many ask,
    the database is read once in that time by each process.

    An unchanged list keeps its signature, and so its ETag, for a quarter of its ttl.
    """

    def __init__(self, keys: KeyRing, ttl: int, refresh: float) -> None:
        self._keys, self._ttl, self.refresh = keys, ttl, refresh
        self._signed: Signed | None = None
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self, database: Database, now: datetime) -> Signed:
        async with self._lock:
            asked = time.monotonic()
            if self._signed is None or asked - self._looked > self.refresh:
                self._signed = await self._made(database, now)
                self._looked = asked
            return self._signed

    async def _made(self, database: Database, now: datetime) -> Signed:
        key = await self._keys.current(database)
        async with database.sessions.begin() as session:
            await session.execute(sa.text("set transaction isolation level repeatable read, read only"))
            highest = await queries.highest_status_index(session)
            rows = await queries.cards_not_active(session, now.date() - _FORGOTTEN_AFTER)
        bits = build(highest, ((index, status_bits(status)) for index, status in rows))
        last = self._signed
        if last and (last.bits, last.kid) == (bits, key.kid):
            age = (now - last.issued_at).total_seconds()
            if 0 <= age < self._ttl / 4:
                return last
        message = await asyncio.to_thread(signed, bits, key, self._ttl, now)
        return Signed(message, f'"{hashlib.sha256(message).hexdigest()[:32]}"', bits, key.kid, key.jwk["kid"], now)
