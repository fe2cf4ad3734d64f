"""The AsyncAPI document holds together, and the headers in it are those that are sent."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator

from common.app import Service
from common.db import Database
from common.events import EVENTS, TOPICS
from common.events.base import Event, Topic
from common.testing import Client, TestIssuer
from common.topics import topic_config
from tests.kernel import toy
from union import asyncapi
from union.contracts import ASYNCAPI, EVENT_DOCS, EXAMPLES

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / ASYNCAPI).read_text())

by_type = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
TEMPLATES = sorted({event.topic for event in EVENTS if event.topic.is_template}, key=lambda topic: topic.name)
by_topic = pytest.mark.parametrize("topic", [*TOPICS, *TEMPLATES], ids=lambda topic: topic.name)


def channel_of(topic: Topic) -> str:
    return topic.name.replace("{partner}", "PARTNER")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    found = json.loads((ROOT / EVENT_DOCS / file).read_text()) if file else DOCUMENT
    for part in pointer.split("/")[1:]:
        found = found[part]
    return found


def test_the_document_has_the_parts_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT.keys() <= {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    assert DOCUMENT["components"].keys() <= {"messages", "schemas"}
    for name in (*DOCUMENT["components"]["messages"], *DOCUMENT["components"]["schemas"]):
        assert re.fullmatch(r"[\w.-]+", name)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 2 * len(EVENTS)
    for reference in found:
        assert resolve(reference)


@by_topic
def test_a_channel_is_a_topic_with_its_events_and_settings(topic: Topic) -> None:
    assert set(DOCUMENT["channels"]) == {channel_of(topic) for topic in (*TOPICS, *TEMPLATES)}
    channel = DOCUMENT["channels"][channel_of(topic)]
    assert channel["address"] == topic.name
    assert ("partner" in channel.get("parameters", {})) == topic.is_template
    assert set(channel["messages"]) == {event.event_type for event in EVENTS if event.topic == topic}
    for name, message in channel["messages"].items():
        assert resolve(message["$ref"])["name"] == name
    binding = channel["bindings"]["kafka"]
    assert binding["topic"] == topic.name
    assert binding["partitions"] >= 1
    configuration = binding["topicConfiguration"]
    assert {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in configuration.items()
    } == topic_config(topic)
    assert channel["tags"] == [{"name": topic.owner}]


@by_topic
def test_the_owner_of_a_topic_sends_all_its_messages(topic: Topic) -> None:
    [operation] = [
        o for o in DOCUMENT["operations"].values() if resolve(o["channel"]["$ref"])["address"] == topic.name
    ]
    assert operation["action"] == ("receive" if topic.owner == "partner" else "send")
    assert operation["tags"] == [{"name": topic.owner}]
    sent = {resolve(message["$ref"])["$ref"].rpartition("/")[2] for message in operation["messages"]}
    assert sent == set(DOCUMENT["channels"][channel_of(topic)]["messages"])


@by_type
def test_a_message_has_its_body_key_and_headers(event: type[Event]) -> None:
    message = DOCUMENT["components"]["messages"][event.event_type]
    body = resolve(message["payload"]["$ref"])
    assert body["$id"] == event.schema_id()
    key = message["bindings"]["kafka"]["key"]
    assert (key["type"], key.get("format")) == ("string", body["properties"][event.key_field].get("format"))
    validator = headers_validator(message)
    headers = json.loads((ROOT / EXAMPLES / f"{event.event_type}.json").read_text())["headers"]
    validator.validate(headers)
    for name in ("ce_id", "ce_type", "ce_source", "ce_sequence", "ce_dataschema"):
        assert not validator.is_valid({k: v for k, v in headers.items() if k != name})
    assert not validator.is_valid({**headers, "ce_type": "another.type.v1"})


def headers_validator(message: dict[str, Any]) -> Draft202012Validator:
    whole = {"components": DOCUMENT["components"], **message["headers"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_header_names_are_cloudevents_attributes_in_kafka() -> None:
    names = {header.name for header in asyncapi.HEADERS}
    assert {"ce_specversion", "ce_id", "ce_source", "ce_type"} <= names
    for name in names - {"content-type", "traceparent"}:
        assert re.fullmatch(r"ce_[a-z0-9]{1,20}", name)


class TestHeadersAsSent:
    @pytest.fixture
    def service(self) -> Service:
        return toy.service

    async def test_published_headers_fit_the_document(
        self, client: Client, issuer: TestIssuer, database: Database
    ) -> None:
        body = {"counter_id": str(uuid4()), "name": "a counter", "value": 1}
        answer = await client.post("/v1/counters", json=body, headers=issuer.bearer("federal_staff"))
        assert answer.status_code == 201
        async with database.sessions() as session:
            row = (await session.execute(sa.text("select key, headers from outbox"))).one()
        Draft202012Validator(
            asyncapi.headers_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER
        ).validate(row.headers)
        assert row.headers.keys() <= {header.name for header in asyncapi.HEADERS}
        assert asyncapi.headers_of(toy.Created).items() <= row.headers.items()
        assert row.headers["ce_subject"] == row.key
        moment = datetime.fromisoformat(row.headers["ce_time"])
        assert moment.utcoffset() is not None
        assert not moment.utcoffset()
