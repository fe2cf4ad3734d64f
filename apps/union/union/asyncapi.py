"""The AsyncAPI document of the platform's topics, and the CloudEvents headers of every record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from common.events.base import Event, Topic
from common.settings import Settings
from common.topics import topic_config

_BINDING = "0.5.0"
_HEADERS = "CloudEventsHeaders"


@dataclass(frozen=True)
class Header:
    """A header of every record: its JSON Schema, and what it tells."""

    name: str
    schema: dict[str, Any]
    tells: str
    required: bool = True


HEADERS: tuple[Header, ...] = (
    Header("ce_specversion", {"const": "1.0"}, "The version of CloudEvents."),
    Header(
        "ce_id",
        {"format": "uuid"},
        "The event's id. A record delivered again, or republished, keeps it: act once per id.",
    ),
    Header("ce_type", {"minLength": 1}, "What happened, with the version of the body's shape."),
    Header("ce_source", {"format": "uri", "minLength": 1}, "The service that owns the aggregate."),
    Header("ce_subject", {"minLength": 1}, "The aggregate's id; the record's key is the same."),
    Header("ce_time", {"format": "date-time"}, "When the change was recorded (UTC)."),
    Header(
        "ce_sequence",
        {"pattern": "^[0-9]+$"},
        "The aggregate's version, one more with every change: a lower one than you have seen is old.",
    ),
    Header("ce_dataschema", {"format": "uri", "minLength": 1}, "The `$id` of the body's JSON Schema."),
    Header("content-type", {"const": "application/json"}, "The body is JSON in UTF-8."),
    Header(
        "traceparent",
        {"pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        "W3C trace context of the request that caused the change, where there is one.",
        required=False,
    ),
)


def document(events: Sequence[type[Event]]) -> dict[str, Any]:
    """AsyncAPI 3.0 seen from the platform: it sends, each operation's tag names the owner.

    Bodies are references to the schema files beside the document.
    """
    topics = {event.topic.name: event.topic for event in events}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Union platform: events",
            "version": "1.0.0",
            "description": (
                "CloudEvents 1.0 in binary mode over Kafka. Each event carries its aggregate's whole public state "
                "and version. Ignore properties and types that you do not know. No event holds personal data."
            ),
            "tags": _tags(topics.values()),
        },
        "defaultContentType": "application/json",
        "channels": {_id(topic): _channel(topic, _on(topic, events)) for topic in topics.values()},
        "operations": {
            f"{_action(topic)}.{_id(topic)}": _operation(topic, _on(topic, events)) for topic in topics.values()
        },
        "components": {
            "messages": {event.event_type: _message(event) for event in events},
            "schemas": {_HEADERS: headers_schema()},
        },
    }


def headers_schema() -> dict[str, Any]:
    """What holds for the headers of every event."""
    return {
        "type": "object",
        "properties": {
            header.name: {"type": "string", **header.schema, "description": header.tells} for header in HEADERS
        },
        "required": sorted(header.name for header in HEADERS if header.required),
    }


def headers_of(event: type[Event]) -> dict[str, str]:
    """The headers that are the same in every record of this type."""
    return {"ce_type": event.event_type, "ce_source": event.source, "ce_dataschema": event.schema_id()}


def _on(topic: Topic, events: Iterable[type[Event]]) -> list[type[Event]]:
    return [event for event in events if event.topic == topic]


def _tags(topics: Iterable[Topic]) -> list[dict[str, str]]:
    return [{"name": owner} for owner in sorted({topic.owner for topic in topics})]


def _id(topic: Topic) -> str:
    """A name without braces: tools take it for a key."""
    return topic.name.replace("{partner}", "PARTNER")


def _action(topic: Topic) -> str:
    return "receive" if topic.owner == "partner" else "send"


def _channel(topic: Topic, events: Sequence[type[Event]]) -> dict[str, Any]:
    kept = (
        "Compacted: it keeps at least the last state of each key for ever."
        if topic.compacted
        else f"Kept for {topic.retention_days} days."
    )
    settings = topic_config(topic)
    configuration: dict[str, Any] = {
        name: int(value) if value.isdigit() else value for name, value in settings.items()
    }
    configuration["cleanup.policy"] = settings["cleanup.policy"].split(",")
    return {
        "address": topic.name,
        **({"parameters": {"partner": {"description": "The partner's code."}}} if topic.is_template else {}),
        "title": topic.name,
        "description": f"Owned by {topic.owner}. The partitions are the default: count them in your cluster. {kept}",
        "messages": {event.event_type: {"$ref": f"#/components/messages/{event.event_type}"} for event in events},
        "tags": _tags([topic]),
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": Settings.model_fields["topic_partitions"].default,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(topic: Topic, events: Sequence[type[Event]]) -> dict[str, Any]:
    return {
        "action": _action(topic),
        "channel": {"$ref": f"#/channels/{_id(topic)}"},
        "summary": f"{topic.owner} tells of every change, in order per key, at least once.",
        "messages": [{"$ref": f"#/channels/{_id(topic)}/messages/{event.event_type}"} for event in events],
        "tags": _tags([topic]),
    }


def _message(event: type[Event]) -> dict[str, Any]:
    key = event.model_json_schema(mode="serialization")["properties"][event.key_field]
    return {
        "name": event.event_type,
        "title": event.__name__,
        "summary": (event.__doc__ or event.__name__).splitlines()[0],
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": f"#/components/schemas/{_HEADERS}"},
                {
                    "type": "object",
                    "properties": {name: {"const": value} for name, value in headers_of(event).items()},
                },
            ]
        },
        "payload": {"$ref": f"./{event.event_type}.json"},
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    **({"format": key["format"]} if "format" in key else {}),
                    "description": f"`{event.key_field}` of the body.",
                },
                "bindingVersion": _BINDING,
            }
        },
        "tags": _tags([event.topic]),
    }
