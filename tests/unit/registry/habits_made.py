# ruff: noqa: E501 - tables of cells read by rows, not by lines
"""The habits in which offices write a register down: each gives the file and the place of every person in it."""

import random
from collections.abc import Callable, Sequence

from tests.unit.registry import registers_made as made
from tests.unit.registry.registers_made import Cells, Made

Place = tuple[str | None, int]
Written = tuple[str, bytes, list[Place]]
Habit = Callable[[Sequence[Made], random.Random], Written]


def _spelled(row: Made, rng: random.Random) -> str:
    return row.organisation_text or rng.choice(made.SPELLINGS[row.organisation])


def _word(row: Made, words: dict[str, list[str]], rng: random.Random) -> str:
    return rng.choice(words[row.category])


def titled_xlsx(rows: Sequence[Made], rng: random.Random) -> Written:
    words = {
        "working": ["сотрудник", "педагог. работник"],
        "student": ["учащийся"],
        "pensioner": ["ветеран, пенсионер"],
    }
    body = [
        [made.dotted(r.birth), f"8 ({r.phone[:3]}) {r.phone[3:6]}-{r.phone[6:8]}-{r.phone[8:]}", r.card, made.full(r),
         _word(r, words, rng), _spelled(r, rng), made.dotted(r.joined), n]
        for n, r in enumerate(rows, 1)
    ]  # fmt: skip
    table: list[Cells] = [
        ["Утверждаю"], ["Председатель Северской районной организации"], [], ["РЕЕСТР ЧЛЕНОВ ПРОФСОЮЗА на 01.01.2023"], [],
        ["Год, месяц, число рождения", "Контактный телефон", "Номер профбилета", "Фамилия, имя, отчество", "Кем является",
         "Образовательное учреждение", "С какого времени в Профсоюзе (дата постановки на учёт)", "№"],
        [1, 2, 3, 4, 5, 6, 7, 8],
        *body[:10], [], ["", "", "", "ИТОГО по странице: 10"],
        ["Год, месяц, число рождения", "Контактный телефон", "Номер профбилета", "Фамилия, имя, отчество"],
        *body[10:], ["", "", "", "Всего членов", len(body)], [], ["Председатель", "", "", "Иванова И.И."], ["М.П."],
    ]  # fmt: skip
    places = [(None, 8 + n) for n in range(10)] + [(None, 8 + 13 + n) for n in range(len(body) - 10)]
    return "a.xlsx", made.workbook({"Реестр": table}), [("Реестр", row) for _, row in places]


def english_tabs(rows: Sequence[Made], rng: random.Random) -> Written:
    words = {"working": ["employee"], "student": ["student"], "pensioner": ["retired"]}
    head = ["Surname", "Given name", "Middle name", "Gender", "DOB", "Member since", "E-mail", "Mobile", "Status",
            "Institution", "Membership number"]  # fmt: skip
    body = [
        [r.last, r.first, r.patronymic, {"male": "M", "female": "F"}[r.sex], made.american(r.birth), made.iso(r.joined),
         r.email, f"+7{r.phone}", _word(r, words, rng), _spelled(r, rng), r.card]
        for r in rows
    ]  # fmt: skip
    content = made.delimited([head, *body], "\t", "utf-16")
    return "b.csv", content, [(None, 2 + n) for n in range(len(rows))]


def no_heading(rows: Sequence[Made], rng: random.Random) -> Written:
    words = {"working": ["раб"], "student": ["студ"], "pensioner": ["неработающий пенсионер"]}
    body = [
        [
            n,
            made.dotted(r.joined),
            made.full(r),
            r.phone,
            made.dotted(r.birth),
            _word(r, words, rng),
            _spelled(r, rng),
        ]
        for n, r in enumerate(rows, 1)
    ]
    return "c.csv", made.delimited(body, ";", "cp1251"), [(None, 1 + n) for n in range(len(rows))]


def pipes(rows: Sequence[Made], rng: random.Random) -> Written:
    words = {"working": ["1"], "student": ["2"], "pensioner": ["3"]}
    head = ["Член профсоюза", "Д.р.", "Кат-я", "ППО", "Пол", "Дата приёма в профсоюз", "№ карточки"]
    body = [
        [made.full(r), made.slashed(r.birth), _word(r, words, rng), _spelled(r, rng), {"male": "муж.", "female": "жен."}[r.sex],
         made.dotted(r.joined), r.card]
        for r in rows
    ]  # fmt: skip
    return "d.txt", made.delimited([[], head, *body], "|", "utf-8"), [(None, 3 + n) for n in range(len(rows))]


def serials_and_commas(rows: Sequence[Made], rng: random.Random) -> Written:
    words = {
        "working": ["Занят в отрасли (работающие)"],
        "student": ["Обучающиеся"],
        "pensioner": ["Неработ.пенс."],
    }
    head = ["Отчество", "Имя", "Фамилия", "Организация (код)", "Категория учёта", "Родился", "Вступление"]
    code = {"n1": "10-01", "n11": "10-11", "n2": "10-02", "s1": "20-01", "s2": "20-02", "u": "U1"}
    body = [
        [r.patronymic, r.first, r.last, r.organisation_text or code[r.organisation], _word(r, words, rng), made.serial(r.birth),
         made.wordy(r.joined)]
        for r in rows
    ]  # fmt: skip
    return "e.csv", made.delimited([head, *body], ",", "cp866"), [(None, 2 + n) for n in range(len(rows))]


def sheet_for_each(rows: Sequence[Made], rng: random.Random) -> Written:
    """One sheet for each primary; the name over the table or only in the sheet's name; two rows of heading."""
    sheets: dict[str, Sequence[Cells]] = {"Инструкция": [["Заполните листы и отправьте до 15 января"]]}
    at: dict[int, Place] = {}
    code = {"n1": "10-01", "n11": "10-11", "n2": "10-02", "s1": "20-01", "s2": "20-02", "u": "U1"}
    for organisation, sheet in code.items():
        table: list[Cells] = [
            ["Список членов профсоюза первичной организации: " + made.SPELLINGS[organisation][0]] if organisation in "n2s1" else ["Список"],
            ["№ п/п", "Сведения о члене", "", "", "", "", "Примечание"],
            ["", "Фамилия", "Имя, отчество", "Дата рождения", "Статус", "Телефон", ""],
        ]  # fmt: skip
        for n, row in enumerate(rows):
            if row.organisation == organisation:
                table.append(
                    [len(table) - 2, row.last, f"{row.first} {row.patronymic}".strip(), row.birth,
                     {"working": "Р", "student": "О", "pensioner": "П"}[row.category], int("7" + row.phone), ""]
                )  # fmt: skip
                at[n] = (sheet, len(table))
        table += [["Итого", len(table) - 3], ["", "Исполнитель: Сидорова"]]
        sheets[sheet] = table
    return "f.xlsx", made.workbook(sheets), [at[n] for n in range(len(rows))]


def captions(rows: Sequence[Made], rng: random.Random) -> Written:
    """One table, the organisation as a caption over its people."""
    table: list[Cells] = [["ФИО", "Дата рожд", "Категория", "Билет №"]]
    at: dict[int, Place] = {}
    for organisation in made.SPELLINGS:
        table.append([rng.choice(made.SPELLINGS[organisation][:2])])
        for n, row in enumerate(rows):
            if row.organisation == organisation:
                table.append([made.full(row), made.wordy(row.birth), {"working": "штатный сотрудник", "student": "студент 3 курса",
                                                                     "pensioner": "на пенсии"}[row.category], row.card])  # fmt: skip
                at[n] = ("Лист 1", len(table))
        table.append(["Итого по организации", len(table)])
    return "g.xlsx", made.workbook({"Лист 1": table}), [at[n] for n in range(len(rows))]


HABITS: list[Habit] = [titled_xlsx, english_tabs, no_heading, pipes, serials_and_commas, sheet_for_each, captions]
