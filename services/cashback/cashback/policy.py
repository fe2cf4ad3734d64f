"""What the intake of partners' reports goes by."""

from dataclasses import dataclass

from cashback import keys
from cashback.config import CashbackSettings


@dataclass(frozen=True)
class Policy:
    click_days: int
    """For how many days after a click its purchases earn."""
    pairwise_key: bytes
    """Of the pseudonyms that partners are told."""


def policy_of(settings: CashbackSettings) -> Policy:
    return Policy(settings.click_days, keys.pairwise_key(settings.pairwise_key_file))
