"""Base45 (RFC 9285), strict: every text that can be read has one spelling, so a code cannot be spelt anew."""

import functools
import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

_ABSENT = 255
_VALUES = bytearray([_ABSENT] * 256)
for _value, _letter in enumerate(ALPHABET):
    _VALUES[ord(_letter)] = _value
_TABLE = bytes(_VALUES)


@functools.cache
def _triples() -> list[str]:
    """The three letters of every number of two bytes, the least first."""
    pairs = [first + second for second in ALPHABET for first in ALPHABET]
    return [pair + third for third in ALPHABET for pair in pairs][: 2**16]


def encode(data: bytes) -> str:
    triples, whole = _triples(), len(data) // 2
    text = "".join([triples[number] for number in struct.unpack(f">{whole}H", data[: 2 * whole])])
    return text + triples[data[-1]][:2] if len(data) % 2 else text


def decode(text: str) -> bytes:
    """Raises ValueError for a letter outside the alphabet, a length of 3n + 1, a number too large."""
    values = text.encode("latin-1").translate(_TABLE)
    whole, rest = divmod(len(values), 3)
    if _ABSENT in values or rest == 1:
        raise ValueError("this is not base45")
    # All numbers at once, a lane of four bytes for each, as one long integer.
    sums = 0
    for place, weight in enumerate((1, 45, 2025)):
        lanes = bytearray(4 * whole)
        lanes[3::4] = values[place : 3 * whole : 3]
        sums += weight * int.from_bytes(lanes, "big")
    numbers = sums.to_bytes(4 * whole, "big")
    last = values[-2] + 45 * values[-1] if rest else 0
    if any(numbers[1::4]) or last > _ABSENT:
        raise ValueError("this is not base45")
    data = bytearray(2 * whole)
    data[::2], data[1::2] = numbers[2::4], numbers[3::4]
    return bytes(data) + bytes((last,)) if rest else bytes(data)
