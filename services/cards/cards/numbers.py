"""Numbers that tell nothing: card numbers and status indices by keyed permutations of one counter."""

import functools
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SEGMENT = 65_536
"""Status indices are shuffled within segments of this size, so the list stays dense as it grows.
Which segment a card is in tells when it was made no better than its expiry does."""

_ROUNDS = 10
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class Permutation:
    """A bijection of range(left * right) that cannot be followed without the key.

    An alternating Feistel network with modular addition and AES as its round function, as in FF1
    (NIST SP 800-38G). `key` has 32 bytes; `left` and `right` are below 2**64.
    """

    key: bytes
    left: int
    right: int

    def __call__(self, value: int) -> int:
        """Raises ValueError outside the range."""
        return self.many([value])[0]

    def many(self, values: Sequence[int]) -> list[int]:
        """The same for each of many, a round for all of them at a time: the cipher is asked ten times in all."""
        if values and not 0 <= min(values) <= max(values) < self.left * self.right:
            raise ValueError("the value is outside the permutation's range")
        # AES as a pseudo-random function of (round, half): nothing is encrypted, so ECB hides nothing badly.
        cipher = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()  # noqa: S305
        a, b = [value // self.right for value in values], [value % self.right for value in values]
        modulus, other = self.left, self.right
        count = len(values)
        for round_number in range(_ROUNDS):
            blocks = struct.pack(f">{2 * count}Q", *chain.from_iterable((round_number, half) for half in b))
            noise = struct.unpack(f">{2 * count}Q", cipher.update(blocks))[::2]
            a, b = b, [(half + n) % modulus for half, n in zip(a, noise, strict=True)]
            modulus, other = other, modulus
        return [high * self.right + low for high, low in zip(a, b, strict=True)]


_LUHN_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_LUHN_SINGLE = bytes.maketrans(b"0123456789", bytes(range(10)))


def luhn(digits: str) -> str:
    """The check digit of ISO/IEC 7812-1 for `digits`."""
    letters = digits.encode("ascii")[::-1]
    total = sum(letters[::2].translate(_LUHN_DOUBLED)) + sum(letters[1::2].translate(_LUHN_SINGLE))
    return str(-total % 10)


def mod_97(digits: str) -> str:
    """The two check digits of ISO 7064 MOD 97-10 for `digits`: misses neither swaps nor twin errors."""
    return f"{98 - int(digits) * 100 % 97:02d}"


def batch_reference(year: int, count: int) -> str:
    """A reference for people to read out: PB, the year, a running number, two check digits."""
    digits = f"{year}{count:06d}"
    return f"PB{digits}{mod_97(digits)}"


@dataclass(frozen=True)
class NumberScheme:
    """Makes a card's number and its status index from the counter; the same counter gives the same two.

    A number is `prefix`, hidden digits and a Luhn digit, `length` digits in all.
    """

    prefix: str
    length: int
    _number: Permutation
    _index: bytes

    @classmethod
    def of(cls, key: bytes, prefix: str, length: int) -> "NumberScheme":
        hidden = length - len(prefix) - 1
        if len(key) < _SHORTEST_KEY:
            raise ValueError(f"the key of card numbers needs at least {_SHORTEST_KEY} bytes")
        return cls(
            prefix,
            length,
            Permutation(_derived(key, "card number"), 10 ** (hidden // 2), 10 ** (hidden - hidden // 2)),
            _derived(key, "status index"),
        )

    @classmethod
    def load(cls, file: Path, prefix: str, length: int) -> "NumberScheme":
        return cls.of(file.read_bytes(), prefix, length)

    def number(self, counter: int) -> str:
        return self.numbers([counter])[0]

    def numbers(self, counters: Sequence[int]) -> list[str]:
        width = self.length - len(self.prefix) - 1
        hidden = [f"{self.prefix}{value:0{width}d}" for value in self._number.many(counters)]
        return [digits + luhn(digits) for digits in hidden]

    def status_index(self, counter: int) -> int:
        return self.status_indices([counter])[0]

    def status_indices(self, counters: Sequence[int]) -> list[int]:
        """Each segment is shuffled once in a process, in another order than every other."""
        return [
            counter - counter % SEGMENT + _shuffled(self._index, counter // SEGMENT)[counter % SEGMENT]
            for counter in counters
        ]


@functools.lru_cache(maxsize=4)
def _shuffled(key: bytes, segment: int) -> list[int]:
    """The places of a segment in an order that cannot be followed without the key."""
    counter = segment.to_bytes(8, "big") + bytes(8)
    stream = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(bytes(8 * SEGMENT))
    lots = struct.unpack(f">{SEGMENT}Q", stream)
    return sorted(range(SEGMENT), key=lots.__getitem__)


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode(), "sha256")
