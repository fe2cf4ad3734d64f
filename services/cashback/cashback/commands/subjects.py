"""Whose purchase a message is about, and what is kept of a message that was taken."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from cashback.commands.movements import PurchaseAccounts
from cashback.models import CampaignTerms, Purchase
from cashback.rules.rewards import Cap


@dataclass(frozen=True)
class Clicked:
    """The click that a first report leads to."""

    click_id: UUID
    clicked_at: datetime
    hold_days: int
    day: date
    """Of the purchase."""
    takes_part: bool
    """Whether the member took part on the day of the purchase."""
    card_id: UUID | None
    device: bytes | None
    related: bool
    """Whether the member is one of the partner's own people."""


@dataclass(frozen=True)
class Subject:
    """Whose purchase, by which terms: what a line of an order is judged and booked by."""

    partner: str
    member_id: UUID
    terms: CampaignTerms
    caps: tuple[Cap, ...]
    accounts: PurchaseAccounts
    sandbox: bool
    clicked: Clicked | None
    """None for a purchase that is known already."""


@dataclass(frozen=True)
class Taken:
    """A message as it is kept: its content's hash, and the purchase as it stood after it."""

    input_hash: bytes
    purchase_id: UUID
    status: str
    amount: int
    cashback: int
    purchase_version: int


def as_it_stood(purchase: Purchase, taken: Taken) -> Purchase:
    """The purchase of a first answer; a copy that no session knows."""
    return Purchase(
        **{
            **purchase.model_dump(),
            "status": taken.status,
            "amount": taken.amount,
            "cashback": taken.cashback,
            "version": taken.purchase_version,
        }
    )
