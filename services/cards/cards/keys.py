"""The keys of the cards service in their files: those that sign, the root that vouches for them, the counter's."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from union_card_verifier.cose import ALG, ED25519, ESP256, KID, bstr

_KID_BYTES = 8
_ECDSA = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class SigningKey:
    """A key that signs COSE messages: on P-256 as ESP256, or as Ed25519 (RFC 9864)."""

    private: PrivateKey
    kid: bytes
    """The first 8 bytes of the key's RFC 7638 thumbprint: it changes when and only when the key does."""
    jwk: dict[str, str]
    """The public half, as it is published."""
    algorithm: int

    @classmethod
    def load(cls, file: Path) -> "SigningKey":
        """Read a PEM file. Raises ValueError when it holds anything but an unencrypted private key of these kinds."""
        private = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return cls.of(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
            return cls.of(private)
        raise ValueError("a card signing key must be an elliptic-curve key on P-256, or an Ed25519 key")

    @classmethod
    def of(cls, private: PrivateKey) -> "SigningKey":
        if isinstance(private, ed25519.Ed25519PrivateKey):
            raw = _base64url(private.public_key().public_bytes_raw())
            public, name, algorithm = {"crv": "Ed25519", "kty": "OKP", "x": raw}, "EdDSA", ED25519
        else:
            point = private.public_key().public_numbers()
            x, y = (_base64url(value.to_bytes(32, "big")) for value in (point.x, point.y))
            public, name, algorithm = {"crv": "P-256", "kty": "EC", "x": x, "y": y}, "ES256", ESP256
        canonical = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
        kid = hashlib.sha256(canonical).digest()[:_KID_BYTES]
        return cls(private, kid, public | {"kid": _base64url(kid), "alg": name, "use": "sig"}, algorithm)

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Deterministic (RFC 6979, RFC 8032): the same message has the same signature."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        return _plain(self.private.sign(message, _ECDSA))

    @cached_property
    def protected(self) -> bytes:
        """The protected header of a card's code."""
        return cbor2.dumps({ALG: self.algorithm, KID: self.kid}, canonical=True)

    @cached_property
    def openings(self) -> tuple[bytes, bytes]:
        """How every code of this key begins: the message, and what of it is signed."""
        protected = bstr(self.protected)
        return b"".join((b"\xd2\x84", protected, b"\xa0")), b"".join((b"\x84\x6aSignature1", protected, b"\x40"))

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}


def load_all(place: Path) -> dict[bytes, SigningKey]:
    """The signing keys of a PEM file, or of every PEM file in a folder, by their key ids."""
    files = sorted(place.glob("*.pem")) if place.is_dir() else [place]
    if not files:
        raise ValueError(f"{place} has no PEM file with a card signing key")
    return {key.kid: key for key in map(SigningKey.load, files)}


def new_private(algorithm: int) -> PrivateKey:
    return (
        ed25519.Ed25519PrivateKey.generate() if algorithm == ED25519 else ec.generate_private_key(ec.SECP256R1())
    )


def pem_of(private: PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def ensure(folder: Path) -> dict[str, str]:
    """Make the keys of one machine in `folder`, mode 600, where they are missing; returns the environment for them.

    For one machine and for tests; an operator's keys come from the operator's secret store, and the root key
    stays away from the servers. May be called by several processes at once: the first file made stays.
    """
    folder = folder.absolute()
    signing, number, root = folder / "card-signing", folder / "card-number.key", folder / "card-root-key.pem"
    signing.mkdir(parents=True, exist_ok=True)
    if not any(signing.glob("*.pem")):
        write_once(signing / "first.pem", lambda: pem_of(new_private(ESP256)))
    write_once(number, lambda: secrets.token_bytes(32))
    write_once(root, lambda: pem_of(new_private(ESP256)))
    return {
        "UNION_CARD_SIGNING_KEY_FILE": str(signing),
        "UNION_CARD_NUMBER_KEY_FILE": str(number),
        "UNION_CARD_ROOT_KEY_FILE": str(root),
    }


def write_once(file: Path, make: Callable[[], bytes]) -> None:
    """Write a secret, mode 600, unless the file is there."""
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


def _plain(signature: bytes) -> bytes:
    """r and s of an ECDSA signature on P-256, 32 bytes each, as COSE writes them.

    In DER they are two integers of at most 33 bytes in a sequence (RFC 3279, section 2.2.3): cut out where they stand,
    without numbers in between.
    """
    second = 4 + signature[3]
    r, s = signature[4:second], signature[second + 2 :]
    return r[-32:].rjust(32, b"\0") + s[-32:].rjust(32, b"\0")


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
