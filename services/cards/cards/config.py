"""Settings of the cards service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class CardsSettings(Settings):
    card_signing_key_file: Path
    """PEM file of the private key (P-256 or Ed25519) that signs card QR codes, or a folder of such files: which
    of them signs, and which are trusted, the database says (`union card keys`). No private key is in it."""
    card_root_key_file: Path | None = None
    """PEM file of the root key, for `union card keys certify` alone: no process that serves needs it."""
    card_keys_refresh_seconds: float = Field(default=2.0, ge=0)
    """How soon a process hears of a rotation."""
    card_number_key_file: Path
    """File with at least 16 random bytes: the key of the permutation that hides the card counter.
    Another key could give a number twice, so it is never changed while its cards are kept."""
    card_number_prefix: str = Field(default="9", pattern=r"^[0-9]{1,6}$")
    card_number_length: int = Field(default=16, ge=12, le=19)
    card_years: int = Field(default=5, ge=1, le=20)
    card_status_list_ttl_seconds: int = Field(default=12 * 3600, ge=60)
    """How long a verifier without a network may trust the status list that it has."""
    card_device_code_days: int = Field(default=30, ge=1, le=366)
    """How long a code that is bound to a device lives; the app fetches the next one in time."""
    card_plain_code_seconds: int = Field(default=300, ge=30, le=86_400)
    """How long a virtual card's code without a device lives: a screenshot of it is worth nothing soon after."""
    card_status_list_refresh_seconds: float = Field(default=2.0, ge=0)
    """How old the published status list may be: what an online verifier waits for a blocked card to turn red."""

    registry_url: str = "http://127.0.0.1:8001"
    """Where names are asked for, with the caller's own token, at the moment they are printed."""
    card_factory_certificate_file: Path | None = None
    """PEM of the card factory's X.509 certificate (RSA): personalisation files are encrypted for its key."""
