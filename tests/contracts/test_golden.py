"""Each event has an example, written once: what was published then is read by today's code and schema."""

import json
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator

from common.consumers import read
from common.events import EVENTS
from common.events.base import Event
from common.events.registry import OrganisationEvent
from tests.contracts.golden import ROOT, example, record_of
from tests.contracts.personal import names_in, personal
from union.contracts import EXAMPLES, schema_path

by_type = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)


def test_every_example_is_of_an_event_in_the_catalogue() -> None:
    known = {event.event_type for event in EVENTS}
    assert {path.stem for path in (ROOT / EXAMPLES).iterdir()} <= known


@by_type
def test_the_example_fits_the_committed_schema(event: type[Event]) -> None:
    schema = json.loads((ROOT / schema_path(event.event_type)).read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(example(event)["data"])


@by_type
def test_todays_code_reads_the_example_whole(event: type[Event]) -> None:
    data = example(event)["data"]
    read_back = json.loads(event.model_validate_json(json.dumps(data)).model_dump_json())
    assert {name: read_back[name] for name in data} == data


@by_type
def test_a_consumer_reads_the_example_as_a_record(event: type[Event]) -> None:
    golden = example(event)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    delivery = read(record_of(golden), {event.event_type: event}, now)
    assert delivery is not None
    assert delivery.event == event.model_validate(golden["data"])
    assert str(delivery.envelope.id) == golden["headers"]["ce_id"]
    assert (delivery.envelope.type, delivery.envelope.source) == (event.event_type, event.source)
    assert delivery.envelope.sequence == delivery.event.version
    assert delivery.envelope.time < now


@by_type
def test_a_reader_ignores_what_a_later_release_may_add(event: type[Event]) -> None:
    golden = example(event)
    later = {**golden, "data": {**golden["data"], "added_later": {"unknown": [1]}}}
    delivery = read(record_of(later), {event.event_type: event}, datetime.now(UTC))
    assert delivery is not None
    assert delivery.event == event.model_validate(golden["data"])


@by_type
def test_no_event_and_no_example_has_a_field_of_personal_data(event: type[Event]) -> None:
    allowed = {"name", "institution_name"} if issubclass(event, OrganisationEvent) else set()
    fields = {*names_in(example(event)["data"]), *event.model_fields}
    assert [name for name in sorted(fields) if personal(name) and name not in allowed] == []


@pytest.mark.parametrize(
    "name", ["name", "last_name", "phone", "email", "birth_date", "card_number", "home_address"]
)
def test_the_list_of_personal_names_knows(name: str) -> None:
    assert personal(name)
