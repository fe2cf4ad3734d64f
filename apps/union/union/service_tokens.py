"""Tokens of the services themselves, on one machine: what an OpenID Connect provider gives them elsewhere."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local_stack.issuer import Issuer

_LIVES = timedelta(days=400)
_RENEWED_AFTER = timedelta(days=1)
"""By whatever computes the stack's environment: its start, and each command of the operator."""


def ensure(data_dir: Path, service: str) -> dict[str, str]:
    """Make or renew the service's token file, mode 600; returns the environment for it."""
    file = data_dir.absolute() / "keys" / f"{service}.token"
    now = datetime.now(UTC)
    if not file.exists() or now.timestamp() - file.stat().st_mtime > _RENEWED_AFTER.total_seconds():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}.tmp")
        draft.touch(0o600)
        draft.write_text(Issuer(data_dir).mint(f"service:{service}", ["internal_app"], ttl=_LIVES, now=now))
        # Replaced whole: the service may be reading it.
        os.replace(draft, file)
    return {"UNION_SERVICE_TOKEN_FILE": str(file)}
