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
    payout_four_eyes_limit: int = Field(default=500_000, ge=0)
    """Kopecks. Two people approve a larger payout."""
    payout_tax_free: int = Field(default=400_000, ge=0)
    """Kopecks that a person may be paid in a calendar year without tax (Tax Code of Russia, article 217, point 28)."""
    bank_certificate_file: Path | None = None
    """PEM of the bank's X.509 certificate (RSA): files with payouts are encrypted for its key."""
    bank_answer_days: int = Field(default=3, ge=0, le=60)
    """After how many days without a word of the bank a payout's outcome is called unknown."""
    registry_url: str = "http://127.0.0.1:8001"
    """Where names are asked for, with the caller's own token, at the moment a file is made."""
    click_days: int = Field(default=30, ge=1, le=365)
    """For how many days after a click its purchases earn."""
    payable_days: int = Field(default=365, ge=0, le=3650)
    """For how many days after participation has ended the balance is still paid out."""
    unused_days: int = Field(default=0, ge=0, le=3650)
    """After how many days an available amount that was not asked for expires; 0: never."""
    webhook_disable_days: int = Field(default=5, ge=1, le=60)
    """After how many days of nothing but failures an address of a partner is told nothing more."""
    webhook_days: int = Field(default=30, ge=1, le=365)
    """For how long what partners were told is kept, to be read and sent again."""
    webhook_local_targets: bool = False
    """Whether a partner's address may be http:// and within our own network: for tests and for one machine."""
    refused_days: int = Field(default=90, ge=1, le=3650)
    """For how long a partner may read why a message of its topic or file was refused."""
    partner_topics: list[str] = Field(default_factory=list)
    """Codes of the partners whose topic `partner.CODE.purchases.v1` is listened to."""
