"""The pairwise key: one member is a different pseudonym at every partner."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI

_FILE = "pairwise.key"
_SHORTEST = 32


def ensure(folder: Path) -> dict[str, str]:
    """Make the key file in `folder` (mode 600) when there is none; returns the environment that names it.

    Losing the key changes every pseudonym at every partner, so it belongs in the backup of secrets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.absolute() / _FILE
    if not path.exists():
        draft = folder / f"{_FILE}.{secrets.token_hex(8)}.tmp"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SHORTEST))
        try:
            # A link, unlike a rename, never replaces: of two processes starting at once, the first key stays.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return {"UNION_PAIRWISE_KEY_FILE": str(path)}


def prepare(app: FastAPI, settings: Any) -> None:
    """Read the key once, into `app.state.pairwise_key`. Raises ValueError when it is too short to hide anyone."""
    key = Path(settings.pairwise_key_file).read_bytes()
    if len(key) < _SHORTEST:
        raise ValueError(f"The pairwise key needs at least {_SHORTEST} bytes of randomness; make a new file.")
    app.state.pairwise_key = key


def pseudonym(key: bytes, partner: str, member_id: UUID) -> str:
    """What `partner` calls this member: the same each time, unlike every other partner's, 22 URL-safe characters."""
    digest = hmac.new(key, partner.encode() + b"\x00" + member_id.bytes, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
