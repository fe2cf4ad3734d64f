import json
from pathlib import Path

import pytest

from tests.integration.cli.shell import OMSK, Operator


def expected(name: str) -> list[int]:
    """The rows of a register that are to be refused."""
    rows = json.loads((OMSK / "expected.json").read_text())["files"][name]["rows"]
    return [row["row"] for row in rows if row["outcome"] == "rejected"]


def test_an_import_reports_every_row_and_annotates_copies(site: Operator, registers: Path, tmp_path: Path) -> None:
    organisations = site.union("import", "organisations", str(registers / "organisations.xlsx"))
    assert organisations.code == 0
    site.quiet()
    report, copies = tmp_path / "deep" / "report.json", tmp_path / "copies"
    members = site.union(
        *("import", "members", str(registers / "members"), "--as-of", "2021-01-01"),
        *("--report", str(report), "--annotated", str(copies)),
    )
    assert members.code == 0, members.told
    files = json.loads(report.read_text())["files"]
    assert set(files) == {"T02.csv", "T04.xls"}
    for name, file in files.items():
        assert [row["row"] for row in file["rows"] if row["outcome"] == "rejected"] == expected(name)
    assert sorted(path.name for path in copies.iterdir()) == ["T02.csv.xlsx", "T04.xls.xlsx"]
    accepted = sum(row["outcome"] == "accepted" for file in files.values() for row in file["rows"])
    assert accepted > 300
    assert f"accepted {accepted}" in members.told
    site.quiet()
    for service in ("registry", "cards", "cashback", "reports"):
        assert site.count(service, "member where status = 'member'") == accepted


def test_a_second_import_has_no_effect(peopled: Operator, registers: Path) -> None:
    before = [peopled.count("registry", table) for table in ("person", "member", "organisation", "event_history")]
    again = peopled.union("import", "members", str(registers / "members"))
    assert again.code == 0
    assert "T02.csv: already imported" in again.told
    assert (
        "already imported" in peopled.union("import", "organisations", str(registers / "organisations.xlsx")).told
    )
    peopled.quiet()
    assert before == [
        peopled.count("registry", table) for table in ("person", "member", "organisation", "event_history")
    ]


@pytest.mark.parametrize("kind", ["organisations", "members"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("noise.xlsx", bytes(range(256)) * 20), ("empty.xlsx", b""), ("letter.csv", "Здравствуйте!".encode())],
)
def test_a_file_that_is_no_register_is_refused_with_the_reason(
    site: Operator, tmp_path: Path, kind: str, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    refused = site.union("import", kind, str(tmp_path / name))
    assert refused.code == 1
    assert f"{name}: " in refused.err
    assert len(refused.err) > len(name) + 20


def test_an_import_of_a_folder_without_registers_is_refused(site: Operator, tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_bytes(b"x")
    refused = site.union("import", "members", str(tmp_path))
    assert (refused.code, "No register is there" in refused.err) == (2, True)


def test_a_report_that_cannot_be_written_is_refused_before_the_import(
    site: Operator, registers: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    before = site.count("registry", "import_file")
    refused = site.union(
        *("import", "members", str(registers / "members" / "T02.csv")),
        *("--dry-run", "--report", str(tmp_path / "file" / "report.json")),
    )
    assert refused.code == 2
    assert str(tmp_path / "file") in refused.err
    assert site.count("registry", "import_file") == before
