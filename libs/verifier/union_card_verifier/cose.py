"""COSE_Sign1 messages (RFC 9052) and the keys that may sign them. Nothing here trusts a byte of a message."""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

# COSE header labels and CWT claims, by their registered numbers.
ALG, KID, TYP = 1, 4, 16
EXP, IAT, CTI, CNF = 4, 6, 7, 8
TTL, STATUS_LIST = 65534, 65533
# Private use.
STATUS_INDEX, TIER, CARD_CODE, KEYS = -65537, -65538, -65539, -65540

STATUS_LIST_TYPE = "application/statuslist+cwt"
KEYS_TYPE = "application/union-card-keys+cwt"

ESP256, ED25519 = -9, -19
"""The allow-list: fully specified algorithms of RFC 9864, nothing that leaves the curve or the hash open."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_SIGN1, _NO_UNPROTECTED = b"\xd2\x84", 0xA0
"""Tag 18 and an array of four; an empty map."""
_ECDSA = ec.ECDSA(hashes.SHA256())


class NotTrusted(ValueError):
    """A message that is not signed by a key of the set, or is not what it should be; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class KeySet:
    """Trusted public keys by their key id, each bound to the one algorithm that it may verify."""

    keys: Mapping[bytes, tuple[int, PublicKey]]
    expires_at: int | None = None
    """Unix seconds after which nobody vouches for the set; None for a set fetched as JWKS."""

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

        No unprotected header, no trailing byte, no doubled key, no second spelling of a length: what was
        signed is what is read.
        """
        protected, payload, signature = split(message)
        algorithm, kid, told = header(protected)
        if told != typ or kid is None:
            raise NotTrusted("unreadable")
        if algorithm not in (ESP256, ED25519):
            raise NotTrusted("algorithm_refused")
        known = self.keys.get(kid)
        if known is None:
            raise NotTrusted("unknown_key")
        bound, key = known
        if algorithm != bound:
            raise NotTrusted("algorithm_refused")
        check(key, signature, to_be_signed(protected, payload))
        claims: dict[Any, Any] = decoded(payload, dict)
        return claims


def split(message: bytes) -> tuple[bytes, bytes, bytes]:
    """(protected header, payload, signature) of a tagged COSE_Sign1 message. Raises NotTrusted."""
    try:
        if message[:2] != _SIGN1:
            raise NotTrusted("unreadable")
        protected, at = _bstr_at(message, 2)
        if message[at] != _NO_UNPROTECTED:
            raise NotTrusted("unreadable")
        payload, at = _bstr_at(message, at + 1)
        signature, at = _bstr_at(message, at)
    except IndexError:
        raise NotTrusted("unreadable") from None
    if at != len(message):
        raise NotTrusted("unreadable")
    return protected, payload, signature


def _bstr_at(data: bytes, at: int) -> tuple[bytes, int]:
    """The CBOR byte string there, its length in the shortest form, and where it ends. Raises IndexError, NotTrusted."""
    head = data[at] - 0x40
    if 0 <= head < 24:
        size, at = head, at + 1
    elif 24 <= head <= 26:
        width = 1 << head - 24
        size, at = int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width
        if size < (24, 2**8, 2**16)[head - 24]:
            raise NotTrusted("unreadable")
    else:
        raise NotTrusted("unreadable")
    if at + size > len(data):
        raise NotTrusted("unreadable")
    return data[at : at + size], at + size


@functools.lru_cache(maxsize=64)
def header(protected: bytes) -> tuple[Any, bytes | None, str | None]:
    """(alg, kid, typ) of a protected header, which holds nothing else. Raises NotTrusted."""
    labels = decoded(protected, dict)
    if cbor2.dumps(labels, canonical=True) != protected:
        raise NotTrusted("unreadable")
    kid, typ = labels.get(KID), labels.get(TYP)
    if not labels.keys() <= {ALG, KID, TYP} or ALG not in labels:
        raise NotTrusted("unreadable")
    if (KID in labels and type(kid) is not bytes) or (TYP in labels and type(typ) is not str):
        raise NotTrusted("unreadable")
    algorithm = labels[ALG]
    # -9.0 and True are equal to whole numbers and are none.
    return algorithm if type(algorithm) is int else None, kid, typ


def check(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Raises NotTrusted when `signature` is not the key's over `message`."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
            return
        if len(signature) != 64:
            raise NotTrusted("signature_wrong")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(utils.encode_dss_signature(r, s), message, _ECDSA)
    except (InvalidSignature, ValueError):
        raise NotTrusted("signature_wrong") from None


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4, without external data."""
    return b"".join((b"\x84\x6aSignature1", bstr(protected), b"\x40", bstr(payload)))


def bstr(data: bytes) -> bytes:
    """A CBOR byte string."""
    size = len(data)
    if size < 24:
        return bytes((0x40 | size,)) + data
    if size < 256:
        return bytes((0x58, size)) + data
    return b"\x59" + size.to_bytes(2, "big") + data if size < 65536 else b"\x5a" + size.to_bytes(4, "big") + data


def decoded(data: bytes, kind: type[Any]) -> Any:
    """Foreign CBOR, of the type `kind`, in preferred encoding and without doubled keys; else NotTrusted."""
    try:
        value = cbor2.loads(data, max_depth=5, allow_indefinite=False, allow_duplicate_keys=False)
        if type(value) is kind and cbor2.dumps(value) == data:
            return value
    except Exception:  # noqa: S110  # a decoder of foreign bytes raises what it likes; all of it means the same
        pass
    raise NotTrusted("unreadable")


def device_point(cnf: Any) -> bytes:
    """The compressed point in a `cnf` claim (RFC 8747): a COSE_Key on P-256 with the sign of y. Raises NotTrusted."""
    try:
        key = cnf[1]
        if cnf.keys() == {1} and key.keys() == {1, -1, -2, -3} and (key[1], key[-1]) == (2, 1):
            x, odd = key[-2], key[-3]
            if type(x) is bytes and len(x) == 32 and type(odd) is bool:
                return (b"\x03" if odd else b"\x02") + x
    except (KeyError, TypeError, AttributeError):
        pass
    raise NotTrusted("unreadable")


def cnf_of(point: bytes) -> dict[int, Any]:
    """The `cnf` claim for a compressed point of P-256 (33 bytes)."""
    return {1: {1: 2, -1: 1, -2: point[1:], -3: point[0] == 3}}


def _base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
