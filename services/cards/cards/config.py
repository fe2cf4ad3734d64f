"""Settings of the cards service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class CardsSettings(Settings):
    card_signing_key_file: Path
    """PEM file of the P-256 private key that signs card QR codes; its public half is at /.well-known/jwks.json."""
    card_number_key_file: Path
    """File with at least 16 random bytes: the key of the permutation that hides the card counter.
    Another key could give a number twice, so it is never changed while its cards are kept."""
    card_number_prefix: str = Field(default="9", pattern=r"^[0-9]{1,6}$")
    card_number_length: int = Field(default=16, ge=12, le=19)
    card_years: int = Field(default=5, ge=1, le=20)
    card_status_list_ttl_seconds: int = Field(default=12 * 3600, ge=60)
    """How long a verifier without a network may trust the status list that it has."""
    card_status_list_refresh_seconds: float = Field(default=2.0, ge=0)
    """How old the published status list may be: what an online verifier waits for a blocked card to turn red."""

    registry_url: str = "http://127.0.0.1:8001"
    """Where names are asked for, with the caller's own token, at the moment they are printed."""
    card_factory_certificate_file: Path | None = None
    """PEM of the card factory's X.509 certificate (RSA): personalisation files are encrypted for its key."""
