"""Who is the same person and who is not."""

from dataclasses import replace
from datetime import date

import pytest

from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex
from registry.importing.outcomes import RowOutcome
from tests.unit.registry.reference import KnownPerson, SourceFile, classify

AS_OF = date(2022, 1, 1)
TREE = OrganisationIndex(
    [
        IndexedOrganisation("a", "ППО МБОУ «Гимназия № 4»", "primary", "A"),
        IndexedOrganisation("b", "ППО МБОУ «Лицей № 7»", "primary", "B"),
    ]
)
ANNA = KnownPerson("p1", "Семёнова", "Анна", "Петровна", date(1980, 2, 1), "a", "123456")


def decide(*people: str, already: tuple[KnownPerson, ...] = ()) -> list[RowOutcome]:
    """Each of `people` is «name;birth date;organisation;card»."""
    text = "ФИО;Дата рождения;ППО;№ билета\n" + "\n".join(people)
    (result,) = classify([SourceFile("a.csv", text.encode())], TREE, already, AS_OF)
    return list(result.rows)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Семёнова Анна Петровна;01.02.1980;A;", "same_register_exact"),
        ("СЕМЁНОВА   анна Петровна;01.02.1980;A;", "same_register_case"),
        ("Семенова Анна Петровна;01.02.1980;A;", "same_register_yo"),
        ("Ceмёнoвa Анна Петровна;01.02.1980;A;", "same_register_lookalike"),
        ("Анна Семёнова Петровна;01.02.1980;A;", "same_register_swapped"),
        ("Анна Петровна Семёнова;01.02.1980;A;", "same_register_swapped"),
        ("Сменёова Анна Петровна;01.02.1980;A;123456", "same_register_typo"),
        ("Семёноав Анна Петровна;01.02.1980;A;", "same_register_typo"),
        ("Семёнва Анна Петровна;01.02.1980;A;", "same_register_typo"),
        ("Семёнова Анна Питровна;01.02.1980;A;", "same_register_typo"),
        ("Семёнова Анан Петровна;01.02.1980;A;", "same_register_typo"),
        ("Семёнова Анна;01.02.1980;A;", "same_register_typo"),
        ("Семёнова Анна Петровна;02.01.1980;A;123456", "same_register_typo"),
        ("Ковалёва Анна Петровна;01.02.1980;A;123456", "same_register_typo"),
        ("Семенова АННА Петровна;01.02.1980;B;", "member_elsewhere"),
        ("Семёнва Анна Петровна;01.02.1980;B;123456", "member_elsewhere"),
    ],
)
def test_a_person_in_the_base_is_found_under_another_spelling(row: str, reason: str) -> None:
    (outcome,) = decide(row, already=(ANNA,))
    assert (outcome.outcome, outcome.reason, outcome.of_person, outcome.of) == (
        "duplicate",
        reason,
        "p1",
        None,
    )


@pytest.mark.parametrize(
    "row",
    [
        "Семёнова Алла Петровна;01.02.1980;A;654321",  # a twin, one letter away
        "Семёнова Яна Петровна;01.02.1980;A;",  # a twin
        "Семёнова Анна Петровна;03.05.1985;A;654321",  # a namesake
        "Семёнова Анна Петровна;01.02.1981;A;",  # a namesake, or a misprint that nothing shows
        "Семёнва Анна Петровна;01.02.1980;B;",  # one letter away, elsewhere, nothing else in common
        "Ковалёва Анна Петровна;01.02.1980;A;",
    ],
)
def test_twins_and_namesakes_are_people_of_their_own(row: str) -> None:
    (outcome,) = decide(row, already=(ANNA,))
    assert outcome.outcome == "accepted"


def test_of_two_rows_of_one_person_the_first_is_accepted_across_files() -> None:
    def file(name: str, organisation: str) -> SourceFile:
        return SourceFile(
            name, f"ФИО;Дата рождения;ППО\nСемёнова Анна Петровна;01.02.1980;{organisation}".encode()
        )

    first, second = classify([file("b.csv", "B"), file("a.csv", "A")], TREE, [], AS_OF)
    assert (first.name, first.rows[0].outcome) == ("a.csv", "accepted")
    assert second.rows[0].reason == "member_elsewhere"
    assert second.rows[0].of
    assert (second.rows[0].of.file, second.rows[0].of.sheet, second.rows[0].of.row) == ("a.csv", None, 2)


def test_a_rejected_row_stands_in_nobodys_way() -> None:
    rejected, accepted = decide(
        "Семёнова Анна Петровна;01.02.1980;Лицей № 99;", "Семёнова Анна Петровна;01.02.1980;A;"
    )
    assert (rejected.reason, accepted.outcome) == ("organisation_unknown", "accepted")


@pytest.mark.parametrize(
    ("birth", "reason"),
    [
        ("01.01.2008", None),
        ("02.01.2008", "too_young"),
        ("29.02.2008", "too_young"),
        ("31.04.1980", "birth_date_unreadable"),
        ("", "birth_date_unreadable"),
        ("1980", "birth_date_unreadable"),
        ("02.01.2022", "birth_date_impossible"),
        ("01.01.1899", "birth_date_impossible"),
        ("05.03.60", None),
        ("5 марта 1960 г.", None),
        ("1960-03-05", None),
    ],
)
def test_birth_dates_are_judged_on_the_day_of_the_registers(birth: str, reason: str | None) -> None:
    (outcome,) = decide(f"Семёнова Анна Петровна;{birth};A;77")
    assert outcome.reason == reason


def test_a_refusal_says_what_was_written_and_what_to_do() -> None:
    (outcome,) = decide("Семёнова Анна Петровна;31.02.1980;A;")
    assert outcome.message_ru == "Дата рождения «31.02.1980» не существует — уточните по паспорту."


def test_people_of_one_birth_date_by_the_thousand_are_told_apart_quickly() -> None:
    """New Year's birthdays are common in registers: the index must not compare each with each."""
    letters = "абвгдежзик"
    base = tuple(
        replace(ANNA, id=str(n), last="Ф" + "".join(letters[int(d)] for d in f"{n:05d}") + "ова", card_number=None)
        for n in range(0, 60_000, 6)
    )
    rows = [f"Ю{letters[n % 10] * 2}ю{letters[n // 10] * 2}ова Нина Петровна;01.02.1980;A;" for n in range(100)]
    assert {row.outcome for row in decide(*rows, already=base)} == {"accepted"}
