"""The golden examples: what was published once, as it was."""

import json
from pathlib import Path
from typing import Any

from common.events import EVENTS
from common.events.base import Event
from common.parking import Record
from union.contracts import EXAMPLES

ROOT = Path(__file__).parents[2]
_TOPICS = {event.event_type: event.topic.name for event in EVENTS}


def example(event: type[Event]) -> dict[str, Any]:
    path = EXAMPLES / f"{event.event_type}.json"
    assert (ROOT / path).is_file(), f"write {path}: the headers and the data of a likely event"
    found: dict[str, Any] = json.loads((ROOT / path).read_text())
    return found


def record_of(example: dict[str, Any]) -> Record:
    """The example as a record of its topic."""
    headers = example["headers"]
    return Record(
        _TOPICS[headers["ce_type"]],
        0,
        0,
        headers["ce_subject"].encode(),
        json.dumps(example["data"]).encode(),
        tuple((name, value.encode()) for name, value in headers.items()),
    )


def beginnings() -> list[Record]:
    """The first two versions of each aggregate in the examples, in time: all is alive, nothing has ended."""
    found = [example(event) for event in EVENTS]
    young = [golden for golden in found if golden["data"]["version"] <= 2]
    return [record_of(golden) for golden in sorted(young, key=lambda golden: golden["headers"]["ce_time"])]
