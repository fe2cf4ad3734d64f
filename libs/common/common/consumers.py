"""What a service does with events: projections, facts and effects, declared per topic."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from opentelemetry import propagate, trace
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from common import telemetry
from common.events.base import Envelope, Event, Topic
from common.parking import Record
from common.projections import Facts, Projection

E = TypeVar("E", bound=Event)
BulkEffect = Callable[[AsyncSession, Sequence["Delivery"]], Awaitable[None]]


class Unreadable(Exception):
    """A record that is not a readable event: it is parked, never skipped."""

    code = "unreadable"


@dataclass(frozen=True)
class Delivery:
    """A record that was read: the envelope, the event and the moment of this processing."""

    record: Record
    envelope: Envelope
    event: Event
    now: datetime


@dataclass(frozen=True)
class Effect:
    name: str
    events: tuple[type[Event], ...]
    run: BulkEffect


class Subscription:
    """What one service does with the events of one topic.

    `consumer` names it in metrics, in the inbox and among parked records; the consumer group is the
    same name. Within a batch projections come first, then facts, then effects in the order of their declaration,
    all in one transaction. An effect may be called again after a rollback, so it touches only the
    session that it is given.
    """

    def __init__(self, service: str, topic: Topic) -> None:
        self.topic = topic
        self.consumer = f"{service}.{topic.name}"
        self.projections: list[tuple[Projection, tuple[type[Event], ...]]] = []
        self.facts: list[tuple[Facts, tuple[type[Event], ...]]] = []
        self.effects: list[Effect] = []
        self.known: dict[str, type[Event]] = {}

    def projects(self, projection: Projection, *events: type[Event]) -> None:
        """Keep `projection` up to date with these events."""
        self._know(events)
        self.projections.append((projection, events))

    def records(self, facts: Facts, *events: type[Event]) -> None:
        """Keep every state that these events tell of."""
        self._know(events)
        self.facts.append((facts, events))

    def effect(
        self, *events: type[E]
    ) -> Callable[[Callable[[AsyncSession, E, Delivery], Awaitable[None]]], Callable[..., Awaitable[None]]]:
        """Declare a function that is to act once on each of these events, in their order."""

        def declare(
            function: Callable[[AsyncSession, E, Delivery], Awaitable[None]],
        ) -> Callable[..., Awaitable[None]]:
            name = function.__name__

            async def one_by_one(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
                for delivery in deliveries:
                    context = propagate.extract({"traceparent": delivery.envelope.traceparent or ""})
                    with telemetry.tracer.start_as_current_span(
                        name,
                        context=context,
                        kind=trace.SpanKind.CONSUMER,
                        attributes={
                            "messaging.system": "kafka",
                            "messaging.destination.name": self.topic.name,
                        },
                        record_exception=False,
                        set_status_on_exception=False,
                    ):
                        await function(session, delivery.event, delivery)  # type: ignore[arg-type]

            self.bulk_effect(*events)(_named(one_by_one, name))
            return function

        return declare

    def bulk_effect(self, *events: type[Event]) -> Callable[[BulkEffect], BulkEffect]:
        """Declare a function that acts once on each of these events, given a batch's worth at a time."""

        def declare(function: BulkEffect) -> BulkEffect:
            self._know(events)
            self.effects.append(Effect(function.__name__, events, function))
            return function

        return declare

    def _know(self, events: Sequence[type[Event]]) -> None:
        for event in events:
            if event.topic.name not in (self.topic.name, self.topic.template):
                raise TypeError(f"{event.event_type} does not travel on {self.topic.name}")
            self.known[event.event_type] = event


def _named(function: BulkEffect, name: str) -> BulkEffect:
    function.__name__ = name
    return function


def read(record: Record, known: dict[str, type[Event]], now: datetime) -> Delivery | None:
    """Read a record. None: a type that this service does not use. Raises Unreadable with the reason."""
    try:
        headers = {name: value.decode() for name, value in record.headers if value is not None}
        event_type = headers["ce_type"]
        if event_type not in known:
            return None
        envelope = Envelope(
            id=UUID(headers["ce_id"]),
            type=event_type,
            source=headers["ce_source"],
            subject=headers["ce_subject"],
            time=datetime.fromisoformat(headers["ce_time"]),
            sequence=int(headers["ce_sequence"]),
            traceparent=headers.get("traceparent"),
        )
        event = known[event_type].model_validate_json(record.payload or b"")
    except KeyError as error:
        raise Unreadable(f"the header {error.args[0]} is missing") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in error.errors(include_input=False)[:5]
        )
        raise Unreadable(f"the body does not fit its type: {wrong}") from None
    except (ValueError, UnicodeDecodeError):
        raise Unreadable("a CloudEvents header cannot be read") from None
    if envelope.time.tzinfo is None:
        raise Unreadable("the header ce_time has no zone")
    if event.key != record.key:
        raise Unreadable("the record's key is not the aggregate's id")
    return Delivery(record, envelope, event, now)
