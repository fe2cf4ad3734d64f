"""`union manifests` from the command line: it writes what is missing, names what differs, refuses elsewhere."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from union import manifests
from union.main import app
from union.platform import services

SERVICES = services()

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    schema = tmp_path / manifests.SCHEMA
    schema.parent.mkdir(parents=True)
    schema.write_text((ROOT / manifests.SCHEMA).read_text())
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["manifests", *arguments])
    return result.exit_code, result.output


def test_it_writes_what_differs_and_says_which(repository: Path) -> None:
    assert run("--check", "--root", str(repository))[0] == 1
    code, told = run("--root", str(repository))
    assert code == 0
    assert str(manifests.CATALOGUE) in told

    assert run("--check", "--root", str(repository))[0] == 0
    topics = repository / manifests.KAFKA / "topics.yaml"
    assert topics.read_text() == (ROOT / manifests.KAFKA / "topics.yaml").read_text()
    topics.write_text(topics.read_text().replace("partitions: 12", "partitions: 3"))
    code, told = run("--check", "--root", str(repository))
    assert (code, str(manifests.KAFKA / "topics.yaml") in told) == (1, True)


def test_a_setting_that_is_withdrawn_from_the_schema_is_missed(repository: Path) -> None:
    manifests.write(repository)
    schema = repository / manifests.SCHEMA
    schema.write_text(schema.read_text().replace('"transfer_days"', '"transfer_hours"'))

    [told] = manifests.check(repository)
    assert str(manifests.SCHEMA) in told


def test_elsewhere_it_refuses(tmp_path: Path) -> None:
    assert run("--root", str(tmp_path))[0] == 2


def test_a_file_that_nobody_has_decided_about_stops_it() -> None:
    with pytest.raises(LookupError, match="which processes read the file of the setting dowry_file"):
        manifests.file_facts(SERVICES[0], "dowry_file")
