"""Rules of a card's life and of a batch's, and who may have a card. Pure: no session, no clock."""

from collections.abc import Collection
from datetime import date, timedelta

from cards.errors import (
    BatchStepNotAllowed,
    CardNotLive,
    MemberNotEntitled,
    PlasticNotReplaceable,
    StepNotAllowed,
)
from cards.models import LIVE, Card, Member, PlasticBatch

FOLLOWERS: dict[str, frozenset[str]] = {
    "requested": frozenset({"issued", "blocked", "expired"}),
    "issued": frozenset({"active", "blocked", "expired"}),
    "active": frozenset({"blocked", "replaced", "expired"}),
    # Ended, all three: what follows a lost card is another card.
    "blocked": frozenset({"replaced"}),
    "replaced": frozenset(),
    "expired": frozenset(),
}
"""Which status may follow which. No way leads from an ended status to a live one."""

BLOCK_REASONS = (
    "lost",
    "stolen",
    "membership_ended",
    "consent_withdrawn",
    "spoiled",
    "missing",
    "order_cancelled",
)
REPLACEABLE_REASONS = ("lost", "stolen")

BATCH_FOLLOWERS: dict[str, frozenset[str]] = {
    "ordered": frozenset({"approved", "cancelled"}),
    "approved": frozenset({"sent", "cancelled"}),
    "sent": frozenset({"produced"}),
    "produced": frozenset({"dispatched"}),
    "dispatched": frozenset({"delivered"}),
    "delivered": frozenset({"handed_over"}),
    "handed_over": frozenset(),
    "cancelled": frozenset(),
}
STAGE_FOLLOWERS = {"ordered": {"produced", "spoiled"}, "produced": {"dispatched"}}
"""What the factory may say of a piece of plastic. Nothing leads from spoiled: its serial and number are gone."""
LARGEST_BATCH = 10_000


def check_can_become(card: Card, status: str) -> None:
    if status not in FOLLOWERS[card.status]:
        raise StepNotAllowed(card.status, status)


def check_can_replace(card: Card) -> None:
    """A virtual card that is active, or was blocked as lost or stolen, and has no successor yet."""
    if card.form != "virtual":
        raise PlasticNotReplaceable
    check_can_become(card, "replaced")
    if card.status == "blocked" and card.reason not in REPLACEABLE_REASONS:
        raise StepNotAllowed(card.status, "replaced")


def check_has_qr(card: Card) -> None:
    if card.status not in LIVE:
        raise CardNotLive(card.status)


def is_entitled(status: str, consents: Collection[str]) -> bool:
    """A member of the union who consented to the card."""
    return status == "member" and "cards" in consents


def check_entitled(member: Member | None) -> None:
    if member is None or not is_entitled(member.status, member.consents):
        raise MemberNotEntitled


def check_batch_can_become(batch: PlasticBatch, status: str) -> None:
    if status not in BATCH_FOLLOWERS[batch.status]:
        raise BatchStepNotAllowed(batch.status, status)


def check_batch_is_sent(batch: PlasticBatch) -> None:
    """The file with names is to be had while the factory works, and neither before nor after."""
    if batch.status != "sent":
        raise BatchStepNotAllowed(batch.status, "personalised")


def check_takes_responses(batch: PlasticBatch) -> None:
    if batch.status not in ("sent", "produced"):
        raise BatchStepNotAllowed(batch.status, "answered by the factory")


def valid_through(expires_on: date) -> str:
    """MM/YY as cards show it: the last month of validity. `expires_on` is a first of a month."""
    last = expires_on - timedelta(days=1)
    return f"{last:%m/%y}"


def expiry(issued_on: date, years: int) -> date:
    """The first day without validity: the first of the month after `years` years.

    Whole months, as on other cards; the day of joining cannot be told from it.
    """
    month = issued_on.month % 12 + 1
    return date(issued_on.year + years + (month == 1), month, 1)


def status_bits(status: str) -> int:
    """A card's two bits in the status list (Token Status List: 0 valid, 1 invalid, 2 suspended)."""
    if status == "active":
        return 0
    return 2 if status in LIVE else 1
