"""Registers in habits that the engine was not shown: other headings, orders, dates, delimiters, sheets and words."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.registry import registers_made as made
from tests.unit.registry.habits_made import HABITS, Habit, Place, captions, sheet_for_each
from tests.unit.registry.reference import FileResult, SourceFile, classify
from tests.unit.registry.registers_made import Cells, Made


def _written(
    habit: Habit, seed: int, unknown_organisation: bool = True
) -> tuple[list[Made], FileResult, list[Place]]:
    rng = random.Random(seed)
    rows = made.with_troubles(rng, made.people(rng, 40, list(made.SPELLINGS)))
    if unknown_organisation and habit not in (sheet_for_each, captions):
        rows[3] = replace(
            rows[3],
            last="Пятая",
            organisation_text="МКОУ «Загорская ООШ № 77»",
            decision=("rejected", "organisation_unknown"),
        )
        rows = [r for n, r in enumerate(rows) if n == 3 or r.decision[0] != "duplicate" or r.card != rows[3].card]
    name, content, places = habit(rows, rng)
    (result,) = classify([SourceFile(name, content)], made.ORGANISATIONS, [], made.AS_OF)
    return rows, result, places


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("seed", range(8))
def test_a_register_in_any_habit_is_decided_as_it_should_be(habit: Habit, seed: int) -> None:
    rows, result, places = _written(habit, seed)
    assert result.refusal is None
    assert sorted(places, key=str) == sorted(((r.sheet, r.row) for r in result.rows), key=str)
    got = {(r.sheet, r.row): (r.outcome, r.reason) for r in result.rows}
    # which of two rows of one person comes first depends on the layout; the pair's reason does not
    wrong = {
        place: (row.decision, got[place], made.full(row), row.birth)
        for row, place in zip(rows, places, strict=True)
        if row.decision[0] != "duplicate" and got[place] != row.decision and not _is_repeated(row, rows)
    }
    assert wrong == {}
    assert sorted(filter(None, (r.reason for r in result.rows))) == sorted(
        filter(None, (r.decision[1] for r in rows))
    )


def _is_repeated(row: Made, rows: Sequence[Made]) -> bool:
    return any(other.card == row.card and other.decision[0] == "duplicate" for other in rows)


@pytest.mark.parametrize("habit", HABITS)
def test_the_values_of_accepted_rows_are_read_whole(habit: Habit) -> None:
    rows, result, places = _written(habit, 99)
    by_place = {(r.sheet, r.row): r for r in result.rows}
    phones = emails = 0
    for row, place in zip(rows, places, strict=True):
        outcome = by_place[place]
        if outcome.outcome != "accepted" or row.decision[0] != "accepted" or outcome.person is None:
            continue
        person = outcome.person
        assert (person.last, person.first, person.patronymic) == (row.last, row.first, row.patronymic)
        assert person.birth_date == row.birth
        assert person.organisation_id == row.organisation
        assert person.category == row.category
        assert person.sex == row.sex
        assert person.joined_on in (row.joined, None)
        assert person.phone in (f"+7{row.phone}", None)
        assert person.email in (row.email, None)
        phones += person.phone is not None
        emails += person.email is not None
    assert phones == 0 or phones > 30
    assert emails == 0 or emails > 30


def _places(rows: Sequence[Cells]) -> list[tuple[int, str, str | None, str | None]]:
    (result,) = classify([SourceFile("x.xlsx", made.workbook({"Л": rows}))], made.ORGANISATIONS, [], made.AS_OF)
    assert result.refusal is None
    return [(r.row, r.outcome, r.reason, r.person.organisation_id if r.person else None) for r in result.rows]


def test_an_organisation_in_a_merged_cell_is_of_all_the_rows_beside_it() -> None:
    head = ["Школа", "ФИО", "Дата рождения", "Билет"]
    rows = [
        ["Северская СОШ № 1", "Гончарова Анна Петровна", "01.02.1980", 1001],
        ["", "Ершова Вера Петровна", "01.03.1980", 1002],
        ["", "Капустина Нина Львовна", "01.04.1980", 1003],
        ["Луговская СОШ № 1", "Лебедева Зоя Петровна", "01.05.1980", 1004],
        ["", "Мельникова Инна Львовна", "01.06.1980", 1005],
        ["Дальняя СОШ № 8", "Усова Инна Львовна", "01.07.1980", 1006],
        ["", "Фролова Инна Львовна", "01.08.1980", 1007],
    ]
    got = _places([head, *rows])
    assert [place[3] for place in got] == ["n1", "n1", "n1", "s1", "s1", None, None]
    assert got[-1][2] == "organisation_unknown"


def test_a_column_of_districts_tells_schools_of_one_short_name_apart() -> None:
    head = ["Районная организация", "Организация", "ФИО", "Дата рождения"]
    rows = [
        ["Северская районная организация Профсоюза", "СОШ № 1", "Гончарова Анна Петровна", "01.02.1980"],
        ["Луговская районная организация Профсоюза", "СОШ № 1", "Ершова Вера Петровна", "01.03.1980"],
        [
            "Луговская районная организация Профсоюза",
            "Луговская СОШ № 1",
            "Зотова Вера Петровна",
            "01.03.1980",
        ],
        ["Северская районная организация Профсоюза", "СОШ № 11", "Яшина Вера Петровна", "01.03.1980"],
    ]
    assert [place[3] for place in _places([head, *rows])] == ["n1", "s1", "s1", "n11"]


def test_a_summary_of_organisations_is_no_register_of_people() -> None:
    rows: list[Cells] = [
        ["ППО", "ФИО председателя", "Телефон", "Всего членов"],
        ["Северская СОШ № 1", "Гончарова Анна Петровна", "89161234567", 40],
        ["Луговская СОШ № 1", "Ершова Вера Петровна", "89161234568", 41],
    ]
    (result,) = classify([SourceFile("x.xlsx", made.workbook({"Свод": rows}))], made.ORGANISATIONS, [], made.AS_OF)
    assert result.refusal
    assert result.refusal.code == "register_not_found"


def test_faculties_beside_people_of_one_primary_are_not_taken_for_organisations() -> None:
    rows = [
        ["ППО студентов Заречного государственного университета"],
        ["ФИО", "Подразделение", "Дата рождения"],
        ["Гончарова Анна Петровна", "Физический факультет", "01.02.2003"],
        ["Ершова Вера Петровна", "Филологический факультет", "01.03.2003"],
    ]
    assert [place[1::2] for place in _places(rows)] == [("accepted", "u"), ("accepted", "u")]


def test_a_title_that_names_an_unknown_organisation_rejects_the_rows_below() -> None:
    rows = [
        ["ППО МБОУ «Дальняя СОШ № 8»"],
        ["ФИО", "Дата рождения", "Статус"],
        ["Гончарова Анна Петровна", "01.02.1980", "работник"],
    ]
    assert _places(rows) == [(3, "rejected", "organisation_unknown", None)]


def test_a_poor_heading_is_no_person_and_codes_without_a_heading_are_known_by_the_tree() -> None:
    rows = [
        [],
        ["", "Список"],
        ["", "ФИО", "Дата", ""],
        ["", "Гончарова Анна Петровна", "01.02.1980", "10-01"],
        ["", "Ершова Вера Петровна", "01.03.1980", "20-02"],
    ]
    assert [(place[0], place[3]) for place in _places(rows)] == [(4, "n1"), (5, "s2")]


def test_headings_broken_over_lines_within_a_cell_are_read() -> None:
    text = (
        '"Фамилия,\nимя, отчество";"Дата\nрождения";"Образова-\nтельная организация"\n'
        "Гончарова Анна Петровна;01.02.1980г.;10-01\n"
    )
    (result,) = classify([SourceFile("x.csv", text.encode("cp1251"))], made.ORGANISATIONS, [], made.AS_OF)
    assert [(row.row, row.outcome) for row in result.rows] == [(2, "accepted")]


def test_a_tick_under_the_words_for_a_category_is_the_category() -> None:
    rows = [
        ["ФИО", "Дата рождения", "Работающий", "Студент", "Неработающий пенсионер", "ППО"],
        ["Гончарова Анна Петровна", "01.02.1980", "+", "", "", "10-01"],
        ["Ершова Вера Петровна", "01.03.1950", "", "", "+", "10-01"],
        ["Лебедев Пётр Львович", "01.03.2003", "", "да", "", "10-01"],
        ["Рябов Пётр Львович", "01.03.1983", "", "", "", "10-01"],
    ]
    content = made.workbook({"Л": rows})
    (result,) = classify([SourceFile("x.xlsx", content)], made.ORGANISATIONS, [], made.AS_OF)
    assert [row.person and row.person.category for row in result.rows] == [
        "working",
        "pensioner",
        "student",
        None,
    ]
