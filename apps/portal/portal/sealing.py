"""Texts that only the portal can read and make: what a browser keeps for it between two requests."""

import base64
import binascii
import json
import os
import zlib
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_MOST_OPENED = 64 * 1024


class Seal:
    """AES-256-GCM; a key of its own for each `purpose`, so that no sealed text passes for another kind."""

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        self._keys = [AESGCM(_key(secret, purpose)) for secret in secrets]

    def close(self, content: dict[str, Any]) -> str:
        """URL-safe letters. Raises nothing for JSON's types."""
        nonce = os.urandom(_NONCE)
        packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
        return base64.urlsafe_b64encode(nonce + self._keys[0].encrypt(nonce, packed, None)).decode().rstrip("=")

    def open(self, text: str) -> dict[str, Any] | None:
        """What was sealed; None for anything that we did not seal for this purpose."""
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return None
        for key in self._keys:
            try:
                packed = key.decrypt(data[:_NONCE], data[_NONCE:], None)
            except (InvalidTag, ValueError):
                continue
            content = json.loads(zlib.decompressobj().decompress(packed, _MOST_OPENED))
            return content if isinstance(content, dict) else None
        return None


def _key(secret: str, purpose: str) -> bytes:
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"portal {purpose}".encode())
    return derivation.derive(secret.encode())
