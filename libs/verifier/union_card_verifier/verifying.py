"""The judgement of a card's QR code: keys and a status list fetched before, no network, no database."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from union_card_verifier import base45
from union_card_verifier.cose import (
    CARD_CODE,
    CNF,
    CTI,
    ESP256,
    EXP,
    IAT,
    STATUS_INDEX,
    TIER,
    KeySet,
    NotTrusted,
    check,
    decoded,
    device_point,
    header,
    split,
    to_be_signed,
)
from union_card_verifier.status import INVALID, SUSPENDED

PREFIX = "UC1:"
"""A card's code as the union signed it."""
PROOF_PREFIX = "UP1:"
"""The same with a device's proof around it."""
LONGEST_TEXT = 800

PROOF_SECONDS = 60
"""How long a device's proof is good."""
PROOF_AHEAD_SECONDS = 30
"""How far the device's clock may be ahead of the verifier's."""

_LARGEST_NUMBER = 2**40
_CLAIMS = {EXP, CTI, STATUS_INDEX, TIER}


@dataclass(frozen=True, slots=True)
class Verdict:
    """green: serve; amber: genuine, but what was blocked lately is not known; red: refuse."""

    colour: Literal["green", "amber", "red"]
    reason: str
    """A stable snake_case word; docs/cards/format.md lists them."""
    reference: str | None = None
    """The card's random reference in hex: nothing else of the card or its holder is in the code."""
    tier: int | None = None
    expires_at: datetime | None = None
    """When the code ends; the card may live longer."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a genuine code says."""

    reference: bytes
    expires_at: datetime
    status_index: int
    tier: int
    device: bytes | None = None
    """The compressed public key of the device that the code is bound to."""
    proved_at: int | None = None
    """When the device proved that it is there, by its own clock, in Unix seconds."""


class Statuses(Protocol):
    """A status list, or something that knows as much."""

    def status(self, index: int, /) -> int | None: ...

    def is_fresh(self, now: datetime, /) -> bool: ...


class Refused(Exception):
    """A code to be refused: `reason`, and what it says when it is genuine."""

    def __init__(self, reason: str, code: Code | None = None) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class SeenProofs:
    """The proofs that one till has taken within their time: the same one again is a copy.

    Known by device and second, not by their bytes: of one signature anybody makes a second that is as good.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._seen: OrderedDict[tuple[bytes | None, int | None], float] = OrderedDict()
        self._most = most

    def first(self, code: Code, now: datetime) -> bool:
        """True the first time."""
        moment, proof = now.timestamp(), (code.device, code.proved_at)
        while self._seen and moment - next(iter(self._seen.values())) > PROOF_SECONDS + PROOF_AHEAD_SECONDS:
            self._seen.popitem(last=False)
        if proof in self._seen:
            return False
        if len(self._seen) >= self._most:
            self._seen.popitem(last=False)
        self._seen[proof] = moment
        return True


def verify(
    qr_text: str, keys: KeySet, now: datetime, statuses: Statuses | None, seen: SeenProofs | None = None
) -> Verdict:
    """Judge the text of a card's QR code at `now` (with a time zone). Never raises on any text.

    Green needs a status list that is no older than its ttl and knows the card. With `seen` the same proof
    of a device is taken once.
    """
    try:
        code = examine(qr_text, keys, now)
    except Refused as refused:
        return _verdict("red", refused.reason, refused.code)
    if seen is not None and code.device and not seen.first(code, now):
        return _verdict("red", "replayed", code)
    return judge(code, keys, now, statuses)


def judge(code: Code, keys: KeySet, now: datetime, statuses: Statuses | None) -> Verdict:
    """Judge a code that was examined before."""
    status = statuses.status(code.status_index) if statuses is not None else None
    if status:
        # Even from an old list: what was blocked stays blocked.
        reason = {INVALID: "blocked", SUSPENDED: "suspended"}.get(status, "not_active")
        return _verdict("red", reason, code)
    if statuses is None:
        return _verdict("amber", "status_unknown", code)
    if keys.expires_at is not None and now.timestamp() >= keys.expires_at:
        return _verdict("amber", "keys_expired", code)
    if not statuses.is_fresh(now):
        return _verdict("amber", "status_stale", code)
    if status is None:
        return _verdict("amber", "status_unknown", code)
    return _verdict("green", "valid", code)


def examine(qr_text: str, keys: KeySet, now: datetime) -> Code:
    """What the code says, if it is genuine, not expired and, bound to a device, shown by it now. Raises Refused."""
    try:
        message, proof = _unwrapped(qr_text)
        code = _code(keys.open(message))
    except NotTrusted as error:
        raise Refused(error.reason) from None
    if (code.device is None) != (proof is None):
        # A bound code alone is a copy of what the app keeps; a proof around an unbound one proves nothing.
        raise Refused("proof_missing" if proof is None else "proof_wrong", code)
    if proof is not None:
        code = replace(code, proved_at=proof.at)
        _check_proof(code, code.device, proof, now)
    if now >= code.expires_at:
        raise Refused("expired", code)
    return code


@dataclass(frozen=True, slots=True)
class _Proof:
    protected: bytes
    payload: bytes
    signature: bytes
    at: int


def _check_proof(code: Code, device: bytes | None, proof: _Proof, now: datetime) -> None:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device or b"")
        check(key, proof.signature, to_be_signed(proof.protected, proof.payload))
    except ValueError:  # NotTrusted is one, and so is a point that is not on the curve
        raise Refused("proof_wrong", code) from None
    age = now.timestamp() - proof.at
    if age > PROOF_SECONDS:
        raise Refused("screenshot", code)
    if age < -PROOF_AHEAD_SECONDS:
        raise Refused("clock_ahead", code)


def _unwrapped(qr_text: str) -> tuple[bytes, _Proof | None]:
    """The message that the union signed, and the proof around it. Raises NotTrusted."""
    if len(qr_text) > LONGEST_TEXT or not qr_text.startswith((PREFIX, PROOF_PREFIX)):
        raise NotTrusted("not_a_card")
    try:
        message = base45.decode(qr_text[len(PREFIX) :])
    except ValueError:
        raise NotTrusted("unreadable") from None
    if qr_text.startswith(PREFIX):
        return message, None
    protected, payload, signature = split(message)
    if header(protected) != (ESP256, None, None):
        raise NotTrusted("algorithm_refused")
    claims = decoded(payload, dict)
    card, at = claims.get(CARD_CODE), claims.get(IAT)
    if claims.keys() != {IAT, CARD_CODE} or type(card) is not bytes or not _is_number(at):
        raise NotTrusted("unreadable")
    return card, _Proof(protected, payload, signature, at)


def _code(claims: dict[Any, Any]) -> Code:
    """Raises NotTrusted when a claim is missing or of a wrong kind. Claims of a later day are passed over."""
    if not claims.keys() >= _CLAIMS:
        raise NotTrusted("unreadable")
    reference, expires, index, tier = claims[CTI], claims[EXP], claims[STATUS_INDEX], claims[TIER]
    if type(reference) is not bytes or not (_is_number(expires) and _is_number(index) and _is_number(tier)):
        raise NotTrusted("unreadable")
    try:
        expires_at = datetime.fromtimestamp(expires, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotTrusted("unreadable") from None
    device = device_point(claims[CNF]) if CNF in claims else None
    return Code(reference, expires_at, index, tier, device)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST_NUMBER


def _verdict(colour: Literal["green", "amber", "red"], reason: str, code: Code | None) -> Verdict:
    if code is None:
        return Verdict(colour, reason)
    return Verdict(colour, reason, code.reference.hex(), code.tier, code.expires_at)
