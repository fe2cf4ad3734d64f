"""Settings of the portal. Read once, in `main.py`; secrets have no default."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SHORTEST_SECRET = 32
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class PortalSettings(BaseSettings):
    """Environment variables, prefix `UNION_`; an empty variable counts as absent."""

    model_config = SettingsConfigDict(env_prefix="UNION_", env_ignore_empty=True, extra="ignore", frozen=True)

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    portal_url: str = "http://127.0.0.1:8000"
    """Where people's browsers find the portal: https, or http on this machine alone."""
    portal_secret: SecretStr
    """Seals the sessions: 32 letters or more. Several, comma-separated: the first seals, all of them open."""
    portal_session_hours: float = Field(default=12, gt=0, le=24 * 30)

    registry_url: str = "http://127.0.0.1:8001"
    cards_url: str = "http://127.0.0.1:8002"
    cashback_url: str = "http://127.0.0.1:8003"
    reports_url: str = "http://127.0.0.1:8004"
    api_seconds: float = Field(default=10.0, gt=0)
    """How long one answer of a service is waited for."""

    jwks_url: str
    token_issuer: str = "https://issuer.local.invalid"  # noqa: S105 (an address, not a secret)
    token_audience: str = "union-platform"  # noqa: S105
    oidc_issuer: str = ""
    """The OpenID Connect provider's address; its discovery document is below it. Absent: the development issuer."""
    oidc_client_id: str = "union-portal"
    oidc_client_secret: SecretStr | None = None
    oidc_scope: str = "openid"
    development_issuer: Path | None = None
    """The data folder of the one-machine stack: anybody may sign in as anybody. On this machine alone."""

    trusted_proxies: str = "127.0.0.1"
    """Addresses, comma-separated, whose X-Forwarded-For is believed: the ingress."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    shutdown_seconds: float = Field(default=8.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = None

    @property
    def secure(self) -> bool:
        return urlsplit(self.portal_url).scheme == "https"

    @property
    def secrets(self) -> list[str]:
        return [part.strip() for part in self.portal_secret.get_secret_value().split(",")]

    @model_validator(mode="after")
    def _safe(self) -> Self:
        address = urlsplit(self.portal_url)
        at_home = address.hostname in _LOOPBACK
        if address.scheme not in ("http", "https") or (address.scheme == "http" and not at_home):
            raise ValueError("UNION_PORTAL_URL must begin with https://, unless it is on this machine")
        if min(map(len, self.secrets)) < _SHORTEST_SECRET:
            raise ValueError(f"UNION_PORTAL_SECRET must have at least {_SHORTEST_SECRET} letters")
        if self.development_issuer is not None and not at_home:
            raise ValueError("UNION_DEVELOPMENT_ISSUER lets anybody in: it is for this machine alone")
        if self.development_issuer is None and not self.oidc_issuer:
            raise ValueError("set UNION_OIDC_ISSUER: people sign in there")
        return self
