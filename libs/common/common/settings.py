"""Settings that every process has. Read once, in `main.py`; secrets have no default."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables, prefix `UNION_`; an empty variable counts as absent."""

    model_config = SettingsConfigDict(env_prefix="UNION_", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr
    """postgresql+asyncpg://user:password@host:port/database"""
    database_pool: int = Field(default=10, ge=1, le=200)

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_idempotent: bool = True
    """False only for a broker without the idempotent producer (the embedded one)."""
    kafka_fetch_wait_ms: int = Field(default=500, ge=10, le=5000)
    """How long the broker may hold an empty fetch. It ends when data come, but not on the embedded broker."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = None
    kafka_cert_file: Path | None = None
    kafka_key_file: Path | None = None
    topic_partitions: int = Field(default=6, ge=1, le=256)
    topic_replication: int = Field(default=1, ge=1, le=5)

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    max_body_bytes: int = Field(default=1_048_576, ge=1024)

    idempotency_days: int = Field(default=7, ge=1, le=365)
    """How long a POST may be repeated with its key for the first answer."""

    trusted_proxies: str = "127.0.0.1"
    """Addresses, comma-separated, whose X-Forwarded-For is believed: the ingress."""
    rate_limits: dict[str, tuple[int, float]] = Field(default_factory=dict)
    """Other limits than the built-in ones: {"applications": [times, seconds]}."""

    job_lease_seconds: float = Field(default=30.0, gt=0)
    """A job whose worker has not been heard of for so long is taken up by another."""
    job_file_days: int = Field(default=7, ge=1, le=90)
    """How long files that were given to a job or made by it are kept."""

    jwks_url: str
    """Where the issuer publishes its keys: https://…, http://… or file:///…"""
    token_issuer: str = "https://issuer.local.invalid"  # noqa: S105 (an address, not a secret)
    token_audience: str = "union-platform"  # noqa: S105

    service_token_file: Path | None = None
    """A file with this service's own bearer token, read at each use: whoever renews the token replaces the file."""
    service_token_url: str | None = None
    """The issuer's token endpoint: it gives this service its own token for its client credentials."""
    service_client_id: str | None = None
    service_client_secret: SecretStr | None = None

    outbox_shards: int = Field(default=4, ge=1, le=64)
    """The number of relay loops; changing it needs a drained outbox."""
    relay_batch: int = Field(default=1000, ge=1, le=10_000)
    consumer_batch: int = Field(default=500, ge=1, le=10_000)
    shutdown_seconds: float = Field(default=8.0, gt=0)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = None
    """OTLP over HTTP, e.g. http://collector:4318; absent: spans are made and passed on, not exported."""
