"""Offline verification of a card's QR code: keys and a status list fetched before, no network, no database.

The QR text is `UC1:` and the base45 of a COSE_Sign1 message (RFC 9052) with a CWT (RFC 8392) in it.
This module imports nothing of the platform, so a partner's till can carry it.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import base45
import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

PREFIX = "UC1:"
LONGEST_TEXT = 600

# COSE header labels and CWT claims, by their registered numbers; the two below -65536 are private use.
ALG, KID, TYP = 1, 4, 16
EXP, IAT, CTI = 4, 6, 7
TTL, STATUS_LIST = 65534, 65533
STATUS_INDEX, TIER = -65537, -65538
STATUS_LIST_TYPE = "application/statuslist+cwt"

ESP256, ED25519 = -9, -19
"""The allow-list: fully specified algorithms of RFC 9864, nothing that leaves the curve or the hash open."""

_SIGN1 = b"\xd2"
_LARGEST_LIST = 64 * 1024 * 1024
_CLOCK_SKEW_SECONDS = 300

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class NotTrusted(ValueError):
    """A message that is not signed by a key of the set, or is not what it should be; `args[0]` is the reason."""


@dataclass(frozen=True)
class Verdict:
    """green: serve; amber: genuine, but what was blocked lately is not known; red: refuse."""

    colour: Literal["green", "amber", "red"]
    reason: str
    """A stable snake_case word: valid, status_unknown, status_stale, expired, blocked, not_active, …"""
    reference: str | None = None
    """The card's random reference in hex: nothing else of the card or its holder is in the code."""
    tier: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class KeySet:
    """Trusted public keys by their key id, each bound to the one algorithm that it may verify."""

    keys: Mapping[bytes, tuple[int, PublicKey]]

    @classmethod
    def read(cls, jwks: Any) -> "KeySet":
        """Read a JWKS document. Keys of other kinds are left out; raises ValueError when it is no JWKS."""
        if not isinstance(jwks, Mapping) or not isinstance(jwks.get("keys"), list):
            raise ValueError("this is not a JWKS document: it needs a list named keys")  # noqa: TRY004
        keys: dict[bytes, tuple[int, PublicKey]] = {}
        for jwk in jwks["keys"]:
            try:
                kid = _base64url(jwk["kid"])
                if (jwk["kty"], jwk["crv"]) == ("EC", "P-256"):
                    x, y = (int.from_bytes(_base64url(jwk[name]), "big") for name in ("x", "y"))
                    keys[kid] = ESP256, ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
                elif (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"):
                    keys[kid] = ED25519, ed25519.Ed25519PublicKey.from_public_bytes(_base64url(jwk["x"]))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise ValueError("a key of the JWKS document cannot be read") from error
        return cls(keys)

    def open(self, message: bytes, typ: str | None = None) -> dict[Any, Any]:
        """The claims of a COSE_Sign1 message. Raises NotTrusted; never anything else, whatever the bytes.

        Only one encoding of a message is taken (the deterministic one): no doubled key, no trailing
        byte, no unprotected header, so what was signed is what is read.
        """
        if not message.startswith(_SIGN1):
            raise NotTrusted("unreadable")
        parts = _decoded(message[1:], list)
        if len(parts) != 4 or not all(isinstance(part, bytes) for part in (parts[0], parts[2], parts[3])):
            raise NotTrusted("unreadable")
        protected, unprotected, payload, signature = parts
        header = _decoded(protected, dict)
        expected = {ALG, KID} if typ is None else {ALG, KID, TYP}
        if unprotected != {} or header.keys() != expected or header.get(TYP) != typ:
            raise NotTrusted("unreadable")
        algorithm, kid = header[ALG], header[KID]
        if algorithm not in (ESP256, ED25519):
            raise NotTrusted("algorithm_refused")
        if not isinstance(kid, bytes) or kid not in self.keys:
            raise NotTrusted("unknown_key")
        bound, key = self.keys[kid]
        if algorithm != bound:
            raise NotTrusted("algorithm_refused")
        try:
            _check(key, signature, to_be_signed(protected, payload))
        except (InvalidSignature, ValueError):
            raise NotTrusted("signature_wrong") from None
        claims: dict[Any, Any] = _decoded(payload, dict)
        return claims


@dataclass(frozen=True)
class StatusList:
    """Two bits a card: 0 valid, 1 invalid for good, 2 not valid now (IETF Token Status List)."""

    issued_at: int
    ttl: int
    bits: bytes

    @classmethod
    def read(cls, message: bytes, keys: KeySet) -> "StatusList":
        """Read the signed list. Raises NotTrusted."""
        claims = keys.open(message, STATUS_LIST_TYPE)
        body = claims.get(STATUS_LIST)
        times = [claims.get(IAT), claims.get(TTL)]
        if not all(type(value) is int and value >= 0 for value in times):
            raise NotTrusted("unreadable")
        if not isinstance(body, dict) or body.get("bits") != 2 or not isinstance(body.get("lst"), bytes):
            raise NotTrusted("unreadable")
        try:
            bits = zlib.decompressobj().decompress(body["lst"], _LARGEST_LIST)
        except zlib.error:
            raise NotTrusted("unreadable") from None
        return cls(claims[IAT], claims[TTL], bits)

    def status(self, index: int) -> int | None:
        """The card's two bits; None past the list's end (a card made after the list)."""
        byte, place = divmod(index, 4)
        return self.bits[byte] >> 2 * place & 3 if byte < len(self.bits) else None

    def is_fresh(self, now: datetime) -> bool:
        return -_CLOCK_SKEW_SECONDS <= now.timestamp() - self.issued_at <= self.ttl


def verify(qr_text: str, jwks: KeySet, now: datetime, status_list: StatusList | None) -> Verdict:
    """Judge the text of a card's QR code at `now` (with a time zone). Never raises on any text.

    Green needs a status list that is no older than its ttl and knows the card.
    """
    try:
        claims = jwks.open(_unwrapped(qr_text))
    except NotTrusted as error:
        return Verdict("red", str(error))
    reference: Any = claims.get(CTI)
    numbers: list[Any] = [claims.get(name) for name in (EXP, STATUS_INDEX, TIER)]
    if not isinstance(reference, bytes) or not all(type(n) is int and 0 <= n < 2**40 for n in numbers):
        return Verdict("red", "unreadable")
    expires, index, tier = numbers
    try:
        expires_at = datetime.fromtimestamp(expires, UTC)
    except (ValueError, OverflowError, OSError):
        return Verdict("red", "unreadable")
    about = (reference.hex(), tier, expires_at)
    if now >= expires_at:
        return Verdict("red", "expired", *about)
    if status_list is None:
        return Verdict("amber", "status_unknown", *about)
    status = status_list.status(index)
    if status:
        # Even from an old list: what was blocked stays blocked.
        return Verdict("red", "blocked" if status == 1 else "not_active", *about)
    if not status_list.is_fresh(now):
        return Verdict("amber", "status_stale", *about)
    if status is None:
        return Verdict("amber", "status_unknown", *about)
    return Verdict("green", "valid", *about)


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4, without external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def _unwrapped(qr_text: str) -> bytes:
    if len(qr_text) > LONGEST_TEXT or not qr_text.startswith(PREFIX):
        raise NotTrusted("not_a_card")
    text = qr_text.removeprefix(PREFIX)
    try:
        message: bytes = base45.b45decode(text)
        if base45.b45encode(message).decode() != text:
            raise NotTrusted("unreadable")
    except (ValueError, UnicodeError):
        raise NotTrusted("unreadable") from None
    return message


def _decoded(data: bytes, kind: type[Any]) -> Any:
    """Foreign CBOR in its one deterministic encoding, of the type `kind`; else NotTrusted."""
    try:
        value = cbor2.loads(data, max_depth=4, allow_indefinite=False, allow_duplicate_keys=False)
        if type(value) is kind and cbor2.dumps(value, canonical=True) == data:
            return value
    except Exception:  # noqa: S110  # a decoder of foreign bytes raises what it likes; all of it means the same
        pass
    raise NotTrusted("unreadable")


def _check(key: PublicKey, signature: bytes, message: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
        return
    if len(signature) != 64:
        raise InvalidSignature
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def _base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
