"""The register of organisations, and finding in it what offices write."""

import pytest

from registry.importing.organisation_tree import OrganisationRegister
from registry.importing.organisations import read_organisations


def read(text: str) -> OrganisationRegister:
    return read_organisations(text.encode())


def test_parents_by_name_kinds_abbreviated_and_children_first() -> None:
    register = read(
        "Название;Уровень;Входит в;Тип ОО;Численность работников;Кол-во студентов\n"
        "ППО Колледж связи;ППО;Горная городская организация;СПО;120 чел.;1 300\n"
        "Профгруппа отделения 1;профгруппа;ППО Колледж связи;;;\n"
        "Горная городская организация;местная;Горная краевая организация;;;\n"
        "Горная краевая организация;региональная;;;;\n"
    )
    assert register.problems == ()
    by_name = {o.name: o for o in register.organisations}
    assert [o.kind for o in register.organisations] == ["regional", "territorial", "primary", "union_group"]
    college = by_name["ППО Колледж связи"]
    assert (college.institution_type, college.employees, college.students) == ("vocational", 120, 1300)
    assert college.parent_code == by_name["Горная городская организация"].code


def test_a_register_without_a_column_of_parents_is_a_tree_by_its_order() -> None:
    register = read(
        "№,Код,Вид,Наименование\n1,R,межрегиональная,Объединение\n2,A,территориальная,Первый район\n"
        "3,A1,первичная,Школа № 1\n4,B,территориальная,Второй район\n5,B1,первичная,Школа № 2\nИтого,,,5\n"
    )
    assert [(o.code, o.parent_code) for o in register.organisations] == [
        ("R", None), ("A", "R"), ("B", "R"), ("A1", "A"), ("B1", "B"),
    ] or [(o.code, o.parent_code) for o in register.organisations] == [
        ("R", None), ("A", "R"), ("A1", "A"), ("B", "R"), ("B1", "B"),
    ]  # fmt: skip


def test_rows_that_cannot_stand_in_the_tree_are_refused_with_a_reason() -> None:
    register = read(
        "Код;Вид организации;Наименование;Код вышестоящей;Работающих\n"
        "R;Региональная;Область;;\nA;Территориальная;Район;R;\nA;Первичная;Школа № 1;A;5\n"
        "C;Первичная;Школа № 2;ZZZ;5\nD;Первичная;;A;5\nE;Кружок;Школа № 3;A;5\nF;Первичная;Школа № 4;A;много\n"
        "G;Первичная;Школа № 5;A;44\nX;Территориальная;Круг;Y;\nY;Территориальная;Кольцо;X;\n"
    )
    assert {(p.row, p.reason) for p in register.problems} == {
        (4, "code_repeated"), (5, "parent_unknown"), (6, "name_missing"), (7, "kind_unknown"),
        (8, "head_count_unreadable"), (10, "parent_cycle"), (11, "parent_cycle"),
    }  # fmt: skip
    assert [o.code for o in register.organisations] == ["R", "A", "G"]
    assert all(p.message_ru.endswith(".") for p in register.problems)


TREE = read(
    "Код;Вид организации;Наименование;Код вышестоящей;Краткое наименование\n"
    "R;Региональная;Приозёрная областная организация;;\n"
    "L;Территориальная;Лесная районная организация;R;\nP;Территориальная;Полевая районная организация;R;\n"
    "L1;Первичная;ППО МБОУ «Лесная СОШ № 1»;L;\nL11;Первичная;ППО МБОУ «Лесная СОШ № 11»;L;\n"
    "L2;Первичная;ППО МБДОУ детский сад № 2 «Ёлочка»;L;\nL3;Первичная;ППО МБОУ «Гимназия имени А. С. Пушкина»;L;\n"
    "P1;Первичная;ППО МБОУ «Полевая ООШ № 1»;P;\nP2;Первичная;ППО МБДОУ детский сад № 2 «Теремок»;P;\n"
    "W;Первичная;ППО работников Приозёрный государственный университет;R;ППО ПГУ\n"
    "V;Первичная с правами территориальной;ППО обучающихся Приозёрный государственный университет;R;\n"
).index()


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("ППО МБОУ «Лесная СОШ № 1»", "L1"),
        ('мбоу "лесная сош №1"', "L1"),
        ("  МБОУ  Лесная  СОШ  N 1 ", "L1"),
        ("МКОУ Лесная СОШ № 01", "L1"),
        (
            "Муниципальное бюджетное общеобразовательное учреждение «Лесная средняя общеобразовательная школа № 1»",
            "L1",
        ),
        ("Лесной СОШ № 1 Лесного муниципального района Приозёрной области", "L1"),
        ("Леснaя СОШ №11", "L11"),
        ("Лестная СОШ № 11", "L11"),
        ("l1", "L1"),
        ("L11 Лесная школа", "L11"),
        ("МБДОУ д/с №2 Елочка", "L2"),
        ("МБДОУ «Детский сад № 2 «Теремок»", "P2"),
        ("Гимназия им. А.С. Пушкина", "L3"),
        ("ППО ПГУ", "W"),
        ("ППО студентов Приозёрного госуниверситета", "V"),
        ("Профсоюзная организация сотрудников Приозёрного государственного университета", "W"),
        ("Лесная СОШ № 12", None),
        ("Лесная ООШ № 1", None),
        ("СОШ № 1", None),
        ("детский сад № 2", None),
        ("Приозёрный государственный университет", None),
        ("Лесная районная организация", None),
        ("МКОУ «Дальняя ООШ № 99»", None),
        ("", None),
        ("№ 1", None),
    ],
)
def test_an_organisation_is_found_under_another_spelling_and_never_guessed(written: str, code: str | None) -> None:
    assert TREE.match(written) == code


def test_a_short_name_is_enough_inside_its_district() -> None:
    assert TREE.match("СОШ № 1", within="L") == "L1"
    assert TREE.match("детский сад № 2", within="P") == "P2"
    assert TREE.match("СОШ № 1", within="P") is None
    assert TREE.match("1", within="L") is None
