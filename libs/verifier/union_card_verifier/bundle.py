"""The offline bundle: the cards' keys, certified by the root key, and the status list, signed with one of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from union_card_verifier.cose import (
    ED25519,
    ESP256,
    EXP,
    IAT,
    KEYS,
    KEYS_TYPE,
    KeySet,
    NotTrusted,
    PublicKey,
    decoded,
)
from union_card_verifier.status import StatusList

BUNDLE_TYPE = "application/union-card-bundle+cbor"


@dataclass(frozen=True)
class Bundle:
    """All that a verifier without a network needs, from one download."""

    keys: KeySet
    status_list: StatusList

    @classmethod
    def read(cls, data: bytes, root: KeySet, now: datetime) -> "Bundle":
        """Read what `GET /v1/verification/bundle` answered. `root` holds the pinned root key alone.

        Raises NotTrusted: `keys_expired` when the root's word is too old, else as for any message.
        """
        parts = decoded(data, list)
        if len(parts) != 2 or not all(type(part) is bytes for part in parts):
            raise NotTrusted("unreadable")
        statement, listed = parts
        keys = read_keys(statement, root)
        assert keys.expires_at is not None
        if now.timestamp() >= keys.expires_at:
            raise NotTrusted("keys_expired")
        return cls(keys, StatusList.read(listed, keys))


def read_keys(statement: bytes, root: KeySet) -> KeySet:
    """The keys that the root key vouches for. Raises NotTrusted."""
    claims = root.open(statement, KEYS_TYPE)
    times, listed = [claims.get(IAT), claims.get(EXP)], claims.get(KEYS)
    if not all(type(value) is int and 0 <= value < 2**40 for value in times) or not isinstance(listed, list):
        raise NotTrusted("unreadable")
    return KeySet(dict(map(_key, listed)), expires_at=claims[EXP])


def _key(key: Any) -> tuple[bytes, tuple[int, PublicKey]]:
    """A COSE_Key (RFC 9052, section 7) with kty, kid, alg and the public half."""
    try:
        kid, kind = key[2], (key[1], key[3], key[-1])
        if type(kid) is bytes and kind == (2, ESP256, 1):
            x, y = (int.from_bytes(key[name], "big") for name in (-2, -3))
            return kid, (ESP256, ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
        if type(kid) is bytes and kind == (1, ED25519, 6):
            return kid, (ED25519, ed25519.Ed25519PublicKey.from_public_bytes(key[-2]))
    except (KeyError, TypeError, AttributeError, ValueError):
        pass
    raise NotTrusted("unreadable")


__all__ = ["BUNDLE_TYPE", "Bundle", "read_keys"]
