"""The catalogue of events and topics: the public contract, declared once by each owner."""

from common.events import cards, cashback, registry, reports
from common.events.base import Event, Topic

EVENTS: tuple[type[Event], ...] = (*registry.EVENTS, *cards.EVENTS, *cashback.EVENTS, *reports.EVENTS)

TOPICS: tuple[Topic, ...] = tuple(sorted({event.topic for event in EVENTS}, key=lambda topic: topic.name))
