"""The status list: two bits a card (IETF Token Status List)."""

import zlib
from dataclasses import dataclass
from datetime import datetime

from union_card_verifier.cose import IAT, STATUS_LIST, STATUS_LIST_TYPE, TTL, KeySet, NotTrusted

VALID, INVALID, SUSPENDED, NOT_ACTIVE = 0, 1, 2, 3
"""The registered values, and one of our own: a card that has not reached its holder yet."""

CLOCK_SKEW_SECONDS = 300
_LARGEST_LIST = 64 * 1024 * 1024


@dataclass(frozen=True)
class StatusList:
    """Which cards are not valid, and until when that may be relied on."""

    issued_at: int
    ttl: int
    bits: bytes

    @classmethod
    def read(cls, message: bytes, keys: KeySet) -> "StatusList":
        """Read the signed list. Raises NotTrusted."""
        claims = keys.open(message, STATUS_LIST_TYPE)
        body = claims.get(STATUS_LIST)
        times = [claims.get(IAT), claims.get(TTL)]
        if not all(type(value) is int and 0 <= value < 2**40 for value in times):
            raise NotTrusted("unreadable")
        if not isinstance(body, dict) or body.get("bits") != 2 or not isinstance(body.get("lst"), bytes):
            raise NotTrusted("unreadable")
        stream = zlib.decompressobj()
        try:
            bits = stream.decompress(body["lst"], _LARGEST_LIST)
        except zlib.error:
            raise NotTrusted("unreadable") from None
        if not stream.eof:
            raise NotTrusted("unreadable")
        return cls(claims[IAT], claims[TTL], bits)

    def status(self, index: int) -> int | None:
        """The card's two bits; None past the list's end (a card made after the list)."""
        byte, place = divmod(index, 4)
        return self.bits[byte] >> 2 * place & 3 if byte < len(self.bits) else None

    def is_fresh(self, now: datetime) -> bool:
        return -CLOCK_SKEW_SECONDS <= now.timestamp() - self.issued_at <= self.ttl
