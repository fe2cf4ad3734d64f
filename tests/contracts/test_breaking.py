"""A published schema is not changed under its readers: what breaks is named, and refused."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.events.cards import PlasticBatchOrdered
from common.events.registry import MemberAdmitted
from union import contracts
from union.compatibility import breaking_changes, lost_history
from union.contracts import BreakingChange, check, event_schema, generate, schema_path, write

Schema = dict[str, Any]
TYPE = MemberAdmitted.event_type


@pytest.fixture
def published() -> Schema:
    return event_schema(MemberAdmitted)


def remove(schema: Schema) -> None:
    del schema["properties"]["sex"]
    schema["required"].remove("sex")


def make_optional(schema: Schema) -> None:
    schema["required"].remove("birth_year")


def change_type(schema: Schema) -> None:
    schema["properties"]["birth_year"]["type"] = "string"


def change_format(schema: Schema) -> None:
    schema["properties"]["joined_on"]["format"] = "date-time"


def add_value(schema: Schema) -> None:
    schema["properties"]["status"]["enum"].append("suspended")


def open_values(schema: Schema) -> None:
    del schema["properties"]["status"]["enum"]


def add_value_in_list(schema: Schema) -> None:
    schema["properties"]["consents"]["items"]["enum"].append("polls")


def allow_null(schema: Schema) -> None:
    schema["properties"]["status"] = {"anyOf": [schema["properties"]["status"], {"type": "null"}]}


def allow_number(schema: Schema) -> None:
    schema["properties"]["version"]["type"] = "number"


def nest(schema: Schema) -> None:
    schema["properties"]["organisation_id"] = {"type": "object", "properties": {"id": {"type": "string"}}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (remove, "sex is absent"),
        (make_optional, "birth_year may be absent"),
        (change_type, "birth_year may be string"),
        (change_format, "joined_on has format date-time"),
        (add_value, "status may be 'suspended'"),
        (open_values, "status may have any value"),
        (add_value_in_list, "consents[] may be 'polls'"),
        (allow_null, "status may be null"),
        (allow_number, "version may be number"),
        (nest, "organisation_id may be object"),
    ],
)
def test_what_breaks_a_reader_is_named(published: Schema, change: Callable[[Schema], None], told: str) -> None:
    changed = copy.deepcopy(published)
    change(changed)
    [sentence] = breaking_changes(published, changed)
    assert told in sentence
    assert breaking_changes(published, published) == []


def test_removing_even_an_optional_property_breaks() -> None:
    old = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"$ref": "#/$defs/B"}},
        "required": ["b"],
    }
    old["$defs"] = {"B": {"type": "object", "properties": {"c": {"type": "integer"}}}}
    new = copy.deepcopy(old)
    del new["properties"]["a"]  # type: ignore[attr-defined]
    assert breaking_changes(old, new) == ["a is removed"]
    new["$defs"]["B"]["properties"] = {}  # type: ignore[index]
    assert breaking_changes(old, new) == ["a is removed", "b.c is removed"]


def test_limits_that_readers_rely_on_may_be_narrowed_but_not_widened() -> None:
    def amount(**limits: int) -> Schema:
        return {"type": "object", "properties": {"amount": {"type": "integer", **limits}}, "required": ["amount"]}

    assert breaking_changes(amount(minimum=0, maximum=10), amount(minimum=1, maximum=9)) == []
    assert len(breaking_changes(amount(minimum=0, maximum=10), amount(minimum=-1, maximum=11))) == 2
    assert len(breaking_changes(amount(minimum=0), amount())) == 1


def test_additions_and_words_break_no_reader(published: Schema) -> None:
    changed = copy.deepcopy(published)
    changed["properties"]["branch"] = {"type": "string"}
    changed["properties"]["status"]["description"] = "In other words."
    changed["title"] = "Another"
    assert breaking_changes(published, changed) == []
    assert lost_history(published, changed) == []
    changed["required"].append("branch")
    assert breaking_changes(published, changed) == []


def test_events_already_published_lack_a_new_required_property(published: Schema) -> None:
    changed = copy.deepcopy(published)
    changed["properties"]["branch"] = {"type": "string"}
    changed["required"].append("branch")
    assert lost_history(published, changed) == ["branch is absent, the reader needs it"]


def test_events_already_published_do_not_fit_what_became_narrower(published: Schema) -> None:
    changed = copy.deepcopy(published)
    changed["properties"]["status"]["enum"].remove("expelled")
    assert breaking_changes(published, changed) == []
    assert lost_history(published, changed) == ["status may be 'expelled', which the reader does not know"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two events published."""
    assert write(tmp_path, generate([], [MemberAdmitted, PlasticBatchOrdered]))
    return tmp_path


def changed_files(change: Callable[[Schema], None]) -> dict[Path, str]:
    files = generate([], [MemberAdmitted, PlasticBatchOrdered])
    schema = json.loads(files[schema_path(TYPE)])
    change(schema)
    return {**files, schema_path(TYPE): json.dumps(schema)}


def test_a_check_says_what_breaks_and_what_to_do(repository: Path) -> None:
    told = "\n".join(check(repository, changed_files(add_value)))
    assert f"{schema_path(TYPE)} differs" in told
    assert f"{TYPE} breaks for readers of the published schema: status may be 'suspended'" in told
    assert "publish registry.member_admitted.v2 beside it" in told


def test_writing_refuses_a_breaking_change_and_writes_nothing(repository: Path) -> None:
    before = {path: path.read_text() for path in repository.rglob("*.*") if path.is_file()}
    files = {**changed_files(remove), contracts.ASYNCAPI: "{}\n"}
    with pytest.raises(BreakingChange, match="sex is absent") as refusal:
        write(repository, files)
    assert list(refusal.value.changes) == [TYPE]
    assert {path: path.read_text() for path in repository.rglob("*.*") if path.is_file()} == before


def test_a_breaking_change_is_written_for_the_accepted_type_alone(repository: Path) -> None:
    files = changed_files(remove)
    with pytest.raises(BreakingChange):
        write(repository, files, accepted=["registry.member_left.v1"])
    assert write(repository, files, accepted=[TYPE]) == [schema_path(TYPE)]
    assert check(repository, files) == []


def test_withdrawing_an_event_breaks_its_readers(repository: Path) -> None:
    files = generate([], [MemberAdmitted])
    with pytest.raises(BreakingChange, match="the event is withdrawn"):
        write(repository, files)
    gone = schema_path(PlasticBatchOrdered.event_type)
    assert gone in write(repository, files, accepted=[PlasticBatchOrdered.event_type])
    assert not (repository / gone).exists()


def test_an_optional_addition_is_written_without_a_word(repository: Path) -> None:
    def add(schema: Schema) -> None:
        schema["properties"]["branch"] = {"type": "string"}

    assert write(repository, changed_files(add)) == [schema_path(TYPE)]
