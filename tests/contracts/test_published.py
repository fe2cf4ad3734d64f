"""The committed documents are what the code says today."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.app import openapi_of
from common.events import EVENTS
from common.events.base import Event
from common.http import PROBLEM
from tests.kernel import toy
from union.contracts import API_DOCS, check, event_schema, generate, schema_path, write

ROOT = Path(__file__).parents[2]


def test_the_committed_documents_agree_with_the_code() -> None:
    # In a process of its own: what the code says is not what other tests have made of it.
    asked = [sys.executable, "-m", "union", "contracts", "--check", "--root", str(ROOT)]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_same_code_gives_the_same_bytes() -> None:
    files = generate([toy.service])
    assert files == generate([toy.service])
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in files.values())


def test_a_missing_a_changed_and_a_stale_document_are_told_apart(tmp_path: Path) -> None:
    files = generate([toy.service])
    write(tmp_path, files)
    assert check(tmp_path, files) == []
    api, readme, stale = API_DOCS / "toy.json", Path("docs/events/README.md"), API_DOCS / "gone.json"
    (tmp_path / api).unlink()
    (tmp_path / readme).write_text("by hand")
    (tmp_path / stale).write_text("{}")
    told = check(tmp_path, files)
    assert [sentence.split(": ")[0] for sentence in told] == [
        f"{readme} differs from the code",
        f"{api} is missing",
        f"{stale} describes nothing in the code",
    ]
    assert set(write(tmp_path, files)) == {api, readme, stale}
    assert check(tmp_path, files) == []


def test_examples_are_nobodys_to_rewrite(tmp_path: Path) -> None:
    example = tmp_path / "docs/events/examples/registry.member_admitted.v1.json"
    example.parent.mkdir(parents=True)
    example.write_text("by hand")
    write(tmp_path, generate([]))
    assert example.read_text() == "by hand"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_a_schema_is_open_named_and_explained(event: type[Event]) -> None:
    schema = event_schema(event)
    assert schema["$id"] == f"urn:union:events:{event.event_type}"
    assert schema["title"] == event.__name__
    assert event.__dict__["__doc__"], f"{event.__name__} says when it happens in its docstring"
    assert schema["description"].startswith(inspect.cleandoc(event.__doc__ or "-"))
    assert schema.get("additionalProperties", True) is True
    assert re.fullmatch(r"[a-z]+\.[a-z_]+\.v[1-9]\d*", event.event_type)
    assert schema_path(event.event_type).name == f"{event.event_type}.json"
    assert event.event_type.split(".")[0] == event.topic.owner
    assert event.key_field in schema["required"]
    assert schema["properties"]["version"]["description"]


def test_no_two_events_share_a_type() -> None:
    assert len({event.event_type for event in EVENTS}) == len(EVENTS)


def test_a_document_of_an_api_needs_no_settings_and_no_resources() -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("resources are for a running process")

    document = openapi_of(dataclasses.replace(toy.service, prepare=unwanted))
    assert document["openapi"].startswith("3.1")
    assert "/v1/counters" in document["paths"]


def test_an_api_documents_its_refusals_as_problems() -> None:
    for path in openapi_of(toy.service)["paths"].values():
        for operation in path.values():
            assert list(operation["responses"]["default"]["content"]) == [PROBLEM]
