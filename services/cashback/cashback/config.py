"""Settings of the cashback service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class CashbackSettings(Settings):
    pairwise_key_file: Path
    """File with at least 32 random bytes: the key of the pseudonyms that partners see."""
    ledger_key_file: Path
    """PEM file with the Ed25519 private key that seals the ledger's daily checkpoints."""
    payout_minimum: int = Field(default=10_000, ge=1)
    """Kopecks. A smaller payout costs more than it brings."""
    click_days: int = Field(default=30, ge=1, le=365)
    """For how many days after a click its purchases earn."""
    payable_days: int = Field(default=365, ge=0, le=3650)
    """For how many days after participation has ended the balance is still paid out."""
    unused_days: int = Field(default=0, ge=0, le=3650)
    """After how many days an available amount that was not asked for expires; 0: never."""
    refused_days: int = Field(default=90, ge=1, le=3650)
    """For how long a partner may read why a message of its topic or file was refused."""
    partner_topics: list[str] = Field(default_factory=list)
    """Codes of the partners whose topic `partner.CODE.purchases.v1` is listened to."""
