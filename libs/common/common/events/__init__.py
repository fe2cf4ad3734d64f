"""The catalogue of events and topics: the public contract, declared once by each owner."""

from collections.abc import Iterable

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

TEMPLATES: tuple[Topic, ...] = tuple(
    sorted({event.topic for event in EVENTS if event.topic.is_template}, key=lambda topic: topic.name)
)
"""Each stands for a topic of every partner."""


def partner_topics(partners: Iterable[str]) -> list[Topic]:
    """The topics of these partners, both what they tell and what they are told."""
    return [template.of(partner) for partner in partners for template in TEMPLATES]


def topic_of_partner(name: str) -> Topic | None:
    """The topic of one partner that has this name; None for every other name."""
    for template in TEMPLATES:
        before, after = template.name.split("{partner}")
        partner = name.removeprefix(before).removesuffix(after)
        if partner and before + partner + after == name:
            return template.of(partner)
    return None
