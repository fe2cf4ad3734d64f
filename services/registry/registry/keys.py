"""The erasure key: it keys the hashes of erased persons, and seals the journal that is kept apart."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from registry.config import RegistrySettings
from registry.errors import ErasureKeyMissing

_BYTES = 32


@dataclass(frozen=True)
class ErasureKey:
    secret: bytes = field(repr=False)

    @classmethod
    def load(cls, settings: RegistrySettings) -> "ErasureKey":
        """Raises ErasureKeyMissing without a file of 32 bytes."""
        file = settings.erasure_key_file
        secret = file.read_bytes() if file is not None and file.exists() else b""
        if len(secret) != _BYTES:
            raise ErasureKeyMissing
        return cls(secret)

    def person_hash(self, match_key: str) -> bytes:
        """The same for every spelling of one name and birth date; tells nothing without the key."""
        return self._mac("person", match_key.encode())

    def pseudonym(self, subject: str) -> str:
        """What stands for an erased person's own login in the access log: one login, one pseudonym."""
        return f"erased-{self._mac('subject', subject.encode()).hex()[:16]}"

    def seal(self, line: bytes) -> str:
        return self._mac("journal", line).hex()

    def _mac(self, use: str, message: bytes) -> bytes:
        return hmac.digest(self.secret, use.encode() + b"\x00" + message, hashlib.sha256)


def ensure(folder: Path) -> dict[str, str]:
    """Make the key file in `folder`, mode 600, where it is missing; returns the environment for it.

    For one machine and for tests; an operator's key comes from the operator's secret store and is kept
    apart from the backups. May be called by several processes at once: the first file made stays.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "erasure.key"
    if not file.exists():
        draft = file.with_suffix(f".{secrets.token_hex(8)}.tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(_BYTES))
        try:
            # A link, unlike a rename, never replaces.
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return {"UNION_ERASURE_KEY_FILE": str(file)}
