"""The catalogue of events and topics: the public contract, declared once by each owner."""

from common.events import cards, cashback, partners, registry, reports
from common.events.base import Event, Topic

EVENTS: tuple[type[Event], ...] = (
    *registry.EVENTS,
    *cards.EVENTS,
    *cashback.EVENTS,
    *reports.EVENTS,
    *partners.EVENTS,
)

TOPICS: tuple[Topic, ...] = tuple(
    sorted({event.topic for event in EVENTS if not event.topic.is_template}, key=lambda topic: topic.name)
)
