"""The service's keys: one for the pseudonyms that partners see, one that seals the ledger."""

import base64
import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

if TYPE_CHECKING:
    from fastapi import FastAPI

_FILE, _LEDGER_FILE = "pairwise.key", "ledger.pem"
_SHORTEST = 32


def ensure(folder: Path) -> dict[str, str]:
    """Make the key files in `folder` (mode 600) where there are none; returns the environment that names them.

    Losing the pairwise key changes every pseudonym at every partner, so it belongs in the backup of secrets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sealing = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "UNION_PAIRWISE_KEY_FILE": str(_made_once(folder, _FILE, secrets.token_bytes(_SHORTEST))),
        "UNION_LEDGER_KEY_FILE": str(_made_once(folder, _LEDGER_FILE, sealing)),
    }


def _made_once(folder: Path, name: str, content: bytes) -> Path:
    path = folder.absolute() / name
    if not path.exists():
        draft = folder / f"{name}.{secrets.token_hex(8)}.tmp"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        try:
            # A link, unlike a rename, never replaces: of two processes starting at once, the first key stays.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path


def ledger_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file. Raises TypeError when it is of another kind."""
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("The ledger is sealed with an Ed25519 key; make one: openssl genpkey -algorithm ed25519")
    return key


def ledger_public_keys(path: Path) -> list[Ed25519PublicKey]:
    """The public keys of a PEM file, which may hold several, after a change of keys, or the private one itself."""
    content = path.read_bytes()
    end = b"-----END PUBLIC KEY-----"
    blocks = [block + end for block in content.split(end)[:-1]]
    if not blocks:
        return [ledger_key(path).public_key()]
    keys = [load_pem_public_key(block.strip()) for block in blocks]
    return [key for key in keys if isinstance(key, Ed25519PublicKey)]


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def prepare(app: "FastAPI", settings: Any) -> None:
    """Read the key once, into `app.state.pairwise_key`. Raises ValueError when it is too short to hide anyone."""
    app.state.pairwise_key = pairwise_key(settings.pairwise_key_file)


@lru_cache(maxsize=4)
def pairwise_key(path: Path) -> bytes:
    """Raises ValueError when it is too short to hide anyone."""
    key = path.read_bytes()
    if len(key) < _SHORTEST:
        raise ValueError(f"The pairwise key needs at least {_SHORTEST} bytes of randomness; make a new file.")
    return key


def pseudonym(key: bytes, partner: str, member_id: UUID) -> str:
    """What `partner` calls this member: the same each time, unlike every other partner's, 22 URL-safe characters."""
    digest = hmac.new(key, partner.encode() + b"\x00" + member_id.bytes, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def device(key: bytes, device_id: str) -> bytes:
    """What stands for a device here: its own id is kept nowhere."""
    # No code of a partner begins with a NUL, so this is nobody's pseudonym.
    return hmac.new(key, b"\x00device\x00" + device_id.encode(), hashlib.sha256).digest()


def webhook_secret(key: bytes, webhook_id: UUID, number: int) -> bytes:
    """The secret of an address, derived: a copy of the database does not have it."""
    return hmac.new(key, b"\x00webhook\x00" + webhook_id.bytes + number.to_bytes(4), hashlib.sha256).digest()
