"""Numbers that tell nothing: card numbers and status indices by keyed permutations of one counter."""

import hmac
from dataclasses import dataclass
from pathlib import Path

SEGMENT_SIDE = 256
SEGMENT = SEGMENT_SIDE * SEGMENT_SIDE
"""Status indices are shuffled within segments of this size, so the list stays dense as it grows.
Which segment a card is in tells when it was made no better than its expiry does."""

_ROUNDS = 10
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class Permutation:
    """A bijection of range(left * right) that cannot be followed without the key.

    An alternating Feistel network with modular addition, as in FF1 (NIST SP 800-38G), with
    HMAC-SHA-256 as its round function. `key` is at least 16 bytes.
    """

    key: bytes
    left: int
    right: int

    def __call__(self, value: int) -> int:
        """Raises ValueError outside the range."""
        if not 0 <= value < self.left * self.right:
            raise ValueError("the value is outside the permutation's range")
        a, b = divmod(value, self.right)
        modulus, other = self.left, self.right
        for round_number in range(_ROUNDS):
            message = round_number.to_bytes(1, "big") + b.to_bytes(16, "big")
            noise = int.from_bytes(hmac.digest(self.key, message, "sha256")[:16], "big")
            a, b = b, (a + noise) % modulus
            modulus, other = other, modulus
        return a * self.right + b


def luhn(digits: str) -> str:
    """The check digit of ISO/IEC 7812-1 for `digits`."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 - position % 2)
        total += doubled - 9 if doubled > 9 else doubled
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
    _index: Permutation

    @classmethod
    def of(cls, key: bytes, prefix: str, length: int) -> "NumberScheme":
        hidden = length - len(prefix) - 1
        if len(key) < _SHORTEST_KEY:
            raise ValueError(f"the key of card numbers needs at least {_SHORTEST_KEY} bytes")
        return cls(
            prefix,
            length,
            Permutation(_derived(key, "card number"), 10 ** (hidden // 2), 10 ** (hidden - hidden // 2)),
            Permutation(_derived(key, "status index"), SEGMENT_SIDE, SEGMENT_SIDE),
        )

    @classmethod
    def load(cls, file: Path, prefix: str, length: int) -> "NumberScheme":
        return cls.of(file.read_bytes(), prefix, length)

    def number(self, counter: int) -> str:
        digits = f"{self.prefix}{self._number(counter):0{self.length - len(self.prefix) - 1}d}"
        return digits + luhn(digits)

    def status_index(self, counter: int) -> int:
        segment, place = divmod(counter, SEGMENT)
        return segment * SEGMENT + self._index(place)


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode(), "sha256")
