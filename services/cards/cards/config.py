"""Settings of the cards service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class CardsSettings(Settings):
    card_signing_key_file: Path
    """PEM file of the P-256 private key that signs card QR codes; its public half is at /.well-known/jwks.json."""
    card_number_prefix: str = Field(default="9", pattern=r"^[0-9]{1,6}$")
    card_number_key_file: Path
    """File with at least 16 random bytes: the key of the permutation that hides the card counter."""
    card_years: int = Field(default=5, ge=1, le=20)
