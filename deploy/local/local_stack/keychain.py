"""Secrets of one machine's stack: generated once, kept in one file that only its owner reads."""

import fcntl
import json
import os
import secrets
from pathlib import Path


class Keychain:
    """`<data>/secrets.json`, mode 600. Safe to use from several processes at once."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "secrets.json"

    def secret(self, name: str) -> str:
        """The secret of this name, made now if there is none: URL-safe, 256 bits."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # One process at a time: two that made a secret each would disagree on it for ever.
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read()
            known: dict[str, str] = json.loads(text) if text else {}
            if name not in known:
                known[name] = secrets.token_urlsafe(32)
                file.seek(0)
                file.write(json.dumps(known, indent=1, sort_keys=True))
                file.flush()
                os.fsync(file.fileno())
            return known[name]
