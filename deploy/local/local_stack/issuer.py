"""A development token issuer: it stands where an OpenID Connect provider stands in production."""

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import encode
from jwt.algorithms import ECAlgorithm

ISSUER = "https://issuer.local.invalid"
AUDIENCE = "union-platform"
ALGORITHM = "ES256"


class Issuer:
    """Signs tokens with a P-256 key, made once in `<data>/issuer/` with mode 600, beside its jwks.json."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.absolute() / "issuer"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._key = _load_or_create(self._folder / "key.pem")
        public = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        self._kid = _thumbprint(public)
        jwks = {"keys": [{**public, "kid": self._kid, "alg": ALGORITHM, "use": "sig"}]}
        self._write_public(json.dumps(jwks, indent=1))

    @property
    def jwks_path(self) -> Path:
        return self._folder / "jwks.json"

    @property
    def jwks_url(self) -> str:
        """A file:// address."""
        return self.jwks_path.as_uri()

    def mint(
        self,
        subject: str,
        roles: Sequence[str],
        *,
        organisation_id: uuid.UUID | str | None = None,
        member_id: uuid.UUID | str | None = None,
        partner: str | None = None,
        powers_until: date | None = None,
        ttl: timedelta = timedelta(hours=8),
        now: datetime | None = None,
    ) -> str:
        """A signed JWT; claims that are None are absent. `now` must carry a time zone."""
        issued = now or datetime.now(UTC)
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "jti": str(uuid.uuid4()),
            "iat": int(issued.timestamp()),
            "exp": int((issued + ttl).timestamp()),
            "roles": list(roles),
        }
        scope = {
            "organisation_id": organisation_id,
            "member_id": member_id,
            "partner": partner,
            "powers_until": powers_until,
        }
        claims |= {name: str(value) for name, value in scope.items() if value is not None}
        return self.sign(claims)

    def sign(self, claims: Mapping[str, object]) -> str:
        """A JWT with exactly these claims, such as an id token."""
        return encode(dict(claims), self._key, algorithm=ALGORITHM, headers={"kid": self._kid})

    def _write_public(self, text: str) -> None:
        if self.jwks_path.exists() and self.jwks_path.read_text() == text:
            return
        draft = self._folder / f"jwks.{uuid.uuid4().hex}.tmp"
        draft.write_text(text)
        draft.chmod(0o644)
        draft.replace(self.jwks_path)


def _thumbprint(public: dict[str, str]) -> str:
    """RFC 7638: an identifier that follows from the key, so it changes when and only when the key does."""
    needed = {name: public[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _load_or_create(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        draft = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        try:
            # A link, unlike a rename, never replaces: of two processes starting at once, the first key stays.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic-curve key; remove it and a new one is made.")
    return key
