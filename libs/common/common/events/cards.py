"""Events of the cards service. No card number: it is a bearer's secret."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from common.events.base import Event, Topic

SOURCE = "urn:union:cards"

BatchStatus = Literal[
    "ordered", "approved", "sent", "produced", "dispatched", "delivered", "handed_over", "cancelled"
]

CARDS = Topic("cards.card.v1", owner="cards")
BATCHES = Topic("cards.plastic_batch.v1", owner="cards")


class CardEvent(Event):
    """A card's whole public state."""

    topic: ClassVar[Topic] = CARDS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "card_id"

    card_id: UUID
    member_id: UUID
    form: Literal["virtual", "plastic"]
    status: Literal["requested", "issued", "active", "blocked", "replaced", "expired"]
    reason: str | None
    """Why it is blocked: lost, stolen, membership_ended, consent_withdrawn; before it reached its member: spoiled (in
    production), missing (at delivery), order_cancelled."""
    expires_on: date
    """The first day on which it is not valid."""


class CardRequested(CardEvent):
    """A plastic card was ordered; the factory has not made it yet."""

    event_type: ClassVar[str] = "cards.card_requested.v1"


class CardIssued(CardEvent):
    """A virtual card is active at once; a plastic one is on its way to the member."""

    event_type: ClassVar[str] = "cards.card_issued.v1"


class CardActivated(CardEvent):
    """A plastic card reached its member and may be used."""

    event_type: ClassVar[str] = "cards.card_activated.v1"


class CardBlocked(CardEvent):
    """For good: a blocked card never comes alive again."""

    event_type: ClassVar[str] = "cards.card_blocked.v1"


class CardReplaced(CardEvent):
    """Another card took its place; a reason that is set says why it was blocked before."""

    event_type: ClassVar[str] = "cards.card_replaced.v1"


class CardExpired(CardEvent):
    """Its day has come."""

    event_type: ClassVar[str] = "cards.card_expired.v1"


CARD_EVENTS: tuple[type[CardEvent], ...] = (
    CardRequested,
    CardIssued,
    CardActivated,
    CardBlocked,
    CardReplaced,
    CardExpired,
)


class BatchEvent(Event):
    """A plastic batch's whole public state."""

    topic: ClassVar[Topic] = BATCHES
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "batch_id"

    batch_id: UUID
    organisation_id: UUID
    reference: str
    status: BatchStatus
    cards: int
    """How many were ordered."""
    spoiled: int = 0
    """How many of them the factory spoiled."""


class PlasticBatchOrdered(BatchEvent):
    """Somebody ordered the cards; another person has yet to approve it."""

    event_type: ClassVar[str] = "cards.plastic_batch_ordered.v1"


class PlasticBatchApproved(BatchEvent):
    """A second person approved the order."""

    event_type: ClassVar[str] = "cards.plastic_batch_approved.v1"


class PlasticBatchCancelled(BatchEvent):
    """The order was called off before it was sent; its cards ended."""

    event_type: ClassVar[str] = "cards.plastic_batch_cancelled.v1"


class PlasticBatchSent(BatchEvent):
    """The factory may have the personalisation file."""

    event_type: ClassVar[str] = "cards.plastic_batch_sent.v1"


class PlasticBatchProduced(BatchEvent):
    """The factory has made or spoiled every card of the batch."""

    event_type: ClassVar[str] = "cards.plastic_batch_produced.v1"


class PlasticBatchDispatched(BatchEvent):
    """The batch is on its way to the organisation."""

    event_type: ClassVar[str] = "cards.plastic_batch_dispatched.v1"


class PlasticBatchDelivered(BatchEvent):
    """The organisation has counted the cards that reached it."""

    event_type: ClassVar[str] = "cards.plastic_batch_delivered.v1"


class PlasticBatchHandedOver(BatchEvent):
    """Every card that was to be handed over is in its member's hands."""

    event_type: ClassVar[str] = "cards.plastic_batch_handed_over.v1"


BATCH_EVENTS: tuple[type[BatchEvent], ...] = (
    PlasticBatchOrdered,
    PlasticBatchApproved,
    PlasticBatchCancelled,
    PlasticBatchSent,
    PlasticBatchProduced,
    PlasticBatchDispatched,
    PlasticBatchDelivered,
    PlasticBatchHandedOver,
)

EVENTS: tuple[type[Event], ...] = (*CARD_EVENTS, *BATCH_EVENTS)
