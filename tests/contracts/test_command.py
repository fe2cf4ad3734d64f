"""`union contracts` on a repository of its own: what it writes, refuses and says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from common.events.registry import MemberAdmitted
from union.contracts import schema_path
from union.main import app

SCHEMA = schema_path(MemberAdmitted.event_type)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").touch()
    assert run(tmp_path).exit_code == 0
    return tmp_path


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["contracts", "--root", str(root), *arguments])


def publish_with(repository: Path, extra: str) -> None:
    """As if the published event had one more required property."""
    schema = json.loads((repository / SCHEMA).read_text())
    schema["properties"][extra] = {"type": "string"}
    schema["required"].append(extra)
    (repository / SCHEMA).write_text(json.dumps(schema))


def test_what_was_written_agrees(repository: Path) -> None:
    for service in ("registry", "cards", "cashback", "reports"):
        assert (repository / f"docs/openapi/{service}.json").is_file()
    assert run(repository, "--check").exit_code == 0
    assert "Nothing to change." in run(repository).output


def test_a_difference_ends_the_check_with_1(repository: Path) -> None:
    (repository / "docs/openapi/cards.json").unlink()
    result = run(repository, "--check")
    assert result.exit_code == 1
    assert "docs/openapi/cards.json is missing: run `make contracts` and commit it." in result.output


def test_a_breaking_change_is_refused_until_it_is_accepted_by_name(repository: Path) -> None:
    publish_with(repository, "branch")
    published = (repository / SCHEMA).read_text()
    for arguments in ((), ("--check",), ("--accept-breaking", "registry.member_left.v1")):
        result = run(repository, *arguments)
        assert result.exit_code == 1
        assert "branch is absent, the reader needs it" in result.output
        assert "publish registry.member_admitted.v2 beside it" in result.output
        assert (repository / SCHEMA).read_text() == published
    assert run(repository, "--accept-breaking", MemberAdmitted.event_type).exit_code == 0
    assert run(repository, "--check").exit_code == 0


def test_elsewhere_than_in_a_repository_it_writes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == 2
    assert list(tmp_path.iterdir()) == []
