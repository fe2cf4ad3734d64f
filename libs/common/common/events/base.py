"""How an event is declared: CloudEvents 1.0 attributes around a flat, frozen, versioned body."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

SCHEMA_BASE = "urn:union:events:"
"""`ce_dataschema` is this and the event's type; the schema itself is docs/events/TYPE.json."""


@dataclass(frozen=True)
class Topic:
    """A Kafka topic: one per aggregate, keyed by the aggregate's id.

    `compacted` topics keep at least the last state of each key for ever, so a projection can be
    rebuilt from the topic alone; the others are kept for `retention_days`.
    """

    name: str
    owner: str
    compacted: bool = True
    retention_days: int = 30
    template: str | None = None
    """The name that this one was made of, with `{partner}` in the place of the partner's code."""

    @property
    def is_template(self) -> bool:
        """Stands for a topic of each partner, and is none itself."""
        return "{partner}" in self.name

    def of(self, partner: str) -> "Topic":
        """The topic of one partner."""
        return replace(self, name=self.name.replace("{partner}", partner), template=self.name)


class Event(BaseModel):
    """The whole public state of one aggregate after a change, and its version.

    Subclasses set the class variables. No personal data: ids, kinds, dates, counts, sex, birth year.
    A shape never changes; a new need is a new type with the next `.vN`, published beside the old one.
    """

    # Docstrings of fields are descriptions in the published schemas.
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    event_type: ClassVar[str]
    topic: ClassVar[Topic]
    source: ClassVar[str]
    key_field: ClassVar[str]

    version: int
    """The aggregate's version: 1 at its creation, one more with every change."""
    effective_on: date
    """The day from which the change holds (may be before the day it was recorded)."""

    @property
    def key(self) -> str:
        return str(getattr(self, self.key_field))

    @classmethod
    def schema_id(cls) -> str:
        return f"{SCHEMA_BASE}{cls.event_type}"


@dataclass(frozen=True)
class Envelope:
    """What travels beside the body: the CloudEvents attributes, as strings on the wire."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    sequence: int
    traceparent: str | None = None
