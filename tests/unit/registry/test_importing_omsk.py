"""The example region: the engine agrees with what a careful registrar decided, row by row."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from registry.importing.organisation_tree import OrganisationRegister
from registry.importing.organisations import read_organisations
from tests.unit.registry.reference import FileResult, KnownPerson, SourceFile, annotated, build_report, classify

OMSK = Path(__file__).parents[3] / "examples" / "omsk"
AS_OF = date(2021, 1, 1)


@pytest.fixture(scope="module")
def tree() -> OrganisationRegister:
    return read_organisations((OMSK / "organisations.xlsx").read_bytes())


@pytest.fixture(scope="module")
def files() -> list[SourceFile]:
    return [SourceFile(path.name, path.read_bytes()) for path in (OMSK / "members").iterdir()]


@pytest.fixture(scope="module")
def results(tree: OrganisationRegister, files: list[SourceFile]) -> list[FileResult]:
    return list(classify(files, tree.index(), [], AS_OF))


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    registrar: dict[str, Any] = json.loads((OMSK / "expected.json").read_text(encoding="utf-8"))
    return registrar


def _rows(report: dict[str, Any]) -> dict[tuple[str, str | None, int], tuple[Any, ...]]:
    return {
        (name, row["sheet"], row["row"]): (row["outcome"], row["reason"], row["of"])
        for name, file in report["files"].items()
        for row in file["rows"]
    }


def test_every_row_gets_the_outcome_that_a_registrar_gave_it(
    results: list[FileResult], expected: dict[str, Any]
) -> None:
    ours, theirs = _rows(build_report(results)), _rows(expected)
    assert ours.keys() == theirs.keys()
    agreed = sum(ours[key] == theirs[key] for key in theirs)
    print(f"agreement with the registrar: {agreed} of {len(theirs)} rows, {agreed / len(theirs):.2%}")
    assert agreed / len(theirs) >= 0.98
    assert all(ours[key][::2] == theirs[key][::2] for key in theirs)


def test_the_only_disagreement_is_the_kind_of_a_repeat_whose_two_spellings_are_the_same(
    results: list[FileResult], expected: dict[str, Any]
) -> None:
    ours, theirs = _rows(build_report(results)), _rows(expected)
    kinds = {(ours[key][1], theirs[key][1]) for key in theirs if ours[key] != theirs[key]}
    assert kinds <= {("same_register_exact", "same_register_yo")}


def test_the_tree_is_read_whole_with_parents_before_children(
    tree: OrganisationRegister, expected: dict[str, Any]
) -> None:
    assert len(tree.organisations) == expected["totals"]["organisations"]
    assert tree.problems == ()
    seen: set[str | None] = {None}
    for organisation in tree.organisations:
        assert organisation.parent_code in seen
        seen.add(organisation.code)


def test_a_second_import_of_the_same_files_accepts_nobody_twice(
    tree: OrganisationRegister, files: list[SourceFile], results: list[FileResult]
) -> None:
    base = [
        KnownPerson(
            id=f"{result.name}/{row.sheet}/{row.row}",
            last=row.person.last,
            first=row.person.first,
            patronymic=row.person.patronymic,
            birth_date=row.person.birth_date,
            organisation_id=row.person.organisation_id,
        )
        for result in results
        for row in result.rows
        if row.outcome == "accepted" and row.person and row.person.birth_date and row.person.organisation_id
    ]
    again = list(classify(files, tree.index(), base, AS_OF))
    accepted = [row for result in again for row in result.rows if row.outcome == "accepted"]
    assert accepted == []
    pointed = {row.of_person for result in again for row in result.rows if row.outcome == "duplicate"}
    assert pointed == {person.id for person in base}


def test_an_annotated_copy_sent_back_is_judged_as_the_original_was(
    tree: OrganisationRegister, files: list[SourceFile], results: list[FileResult]
) -> None:
    contents = {file.name: file.content for file in files}
    copies = [SourceFile(result.name, annotated(contents[result.name], result)) for result in results]
    again = list(classify(copies, tree.index(), [], AS_OF))
    for before, after in zip(results, again, strict=True):
        assert [(r.row, r.outcome, r.reason) for r in before.rows] == [
            (r.row, r.outcome, r.reason) for r in after.rows
        ]


def test_every_refused_row_says_what_to_do(results: list[FileResult]) -> None:
    for result in results:
        for row in result.rows:
            assert bool(row.message_ru) == (row.outcome != "accepted")
            if row.outcome != "accepted":
                assert " — " in row.message_ru
                assert row.message_ru.endswith(".")
