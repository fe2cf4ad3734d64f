"""The two keys of the cards service: the one that signs, and the one that hides the counter."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

_KID_BYTES = 8


@dataclass(frozen=True)
class SigningKey:
    """A P-256 key that signs COSE messages as ESP256 (RFC 9864)."""

    private: ec.EllipticCurvePrivateKey
    kid: bytes
    """The first 8 bytes of the key's RFC 7638 thumbprint: it changes when and only when the key does."""
    jwk: dict[str, str]
    """The public half, as it is published."""

    @classmethod
    def load(cls, file: Path) -> "SigningKey":
        """Read a PEM file. Raises ValueError when it holds anything but an unencrypted P-256 private key."""
        private = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("the card signing key must be an elliptic-curve key on P-256")  # noqa: TRY004
        point = private.public_key().public_numbers()
        public = {
            "crv": "P-256",
            "kty": "EC",
            "x": _base64url(point.x.to_bytes(32, "big")),
            "y": _base64url(point.y.to_bytes(32, "big")),
        }
        canonical = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
        kid = hashlib.sha256(canonical).digest()[:_KID_BYTES]
        return cls(private, kid, public | {"kid": _base64url(kid), "alg": "ES256", "use": "sig"})

    def sign(self, message: bytes) -> bytes:
        """r and s, 32 bytes each. Deterministic (RFC 6979): the same message has the same signature."""
        der = self.private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}


def ensure(folder: Path) -> dict[str, str]:
    """Make the two key files in `folder`, mode 600, where they are missing; returns the environment for them.

    For one machine and for tests; an operator's keys come from the operator's secret store. May be
    called by several processes at once: the first file made stays.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    signing, number = folder / "card-signing-key.pem", folder / "card-number.key"
    _write_once(
        signing,
        lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    _write_once(number, lambda: secrets.token_bytes(32))
    return {"UNION_CARD_SIGNING_KEY_FILE": str(signing), "UNION_CARD_NUMBER_KEY_FILE": str(number)}


def _write_once(file: Path, make: Callable[[], bytes]) -> None:
    if file.exists():
        return
    draft = file.with_suffix(f".{secrets.token_hex(8)}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(make())
    try:
        # A link, unlike a rename, never replaces.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
