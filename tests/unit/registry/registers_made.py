# ruff: noqa: E501, SIM905 - tables of cells read by rows, not by lines
"""Registers of offices that do not exist: the same people written down in many habits, with the truth beside."""

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import xlsxwriter

from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex

AS_OF = date(2023, 1, 1)

ORGANISATIONS = OrganisationIndex(
    [
        IndexedOrganisation("reg", "Заречная областная организация Профсоюза", "regional", "R"),
        IndexedOrganisation("north", "Северская районная организация Профсоюза", "territorial", "10", "reg"),
        IndexedOrganisation("south", "Луговская районная организация Профсоюза", "territorial", "20", "reg"),
        IndexedOrganisation("n1", "ППО МБОУ «Северская СОШ № 1»", "primary", "10-01", "north"),
        IndexedOrganisation("n11", "ППО МБОУ «Северская СОШ № 11»", "primary", "10-11", "north"),
        IndexedOrganisation("n2", "ППО МАДОУ «Детский сад № 2 «Ромашка»", "primary", "10-02", "north"),
        IndexedOrganisation("s1", "ППО МБОУ «Луговская СОШ № 1»", "primary", "20-01", "south"),
        IndexedOrganisation("s2", "ППО ГБПОУ «Луговской педагогический колледж»", "primary", "20-02", "south"),
        IndexedOrganisation("u", "ППО студентов Заречный государственный университет", "primary_with_territorial_rights", "U1", "reg"),
    ]
)  # fmt: skip
SPELLINGS = {
    "n1": ["МБОУ Северская СОШ №1", "Северская средняя общеобразовательная школа № 1", "ППО МБОУ \"СЕВЕРСКАЯ СОШ N 1\"",
           "Первичная профсоюзная организация МБОУ «Северская СОШ № 1»", "10-01", "северская сош 1"],
    "n11": ["МБОУ Северская СОШ № 11", "ППО  МБОУ «Северская  СОШ №11»", "Северской СОШ № 11"],
    "n2": ["МАДОУ д/с № 2 «Ромашка»", "Детский сад № 2 «Ромашка»", "МАДОУ детский сад №2 \"Ромашка\""],
    "s1": ["МБОУ «Луговская СОШ № 1»", "Луговская СОШ № 1 Луговского района Заречной области"],
    "s2": ["ГБПОУ Луговской пед. колледж", "Луговской педагогический колледж"],
    "u": ["ППО обучающихся Заречный госуниверситет", "ППО студентов Заречного государственного университета"],
}  # fmt: skip

_SURNAMES = """Гончаров Ершов Ёлкин Журавлёв Капустин Лебедев Мельников Никифоров Остапов Пантелеев Рябов Семёнов
Тарасов Усков Филатов Хохлов Царёв Чернышёв Шубин Щербаков Юдин Яковлев Алфёров Боков Вершинин""".split()
_MEN = (
    "Алексей Борис Виктор Григорий Дмитрий Егор Фёдор Игорь Кирилл Максим Николай Олег Пётр Роман Степан".split()
)
_WOMEN = "Анна Вера Галина Дарья Евгения Жанна Зоя Ирина Ксения Лариса Марина Нина Ольга Полина Раиса".split()
_FATHERS = "Андреев Борисов Викторов Дмитриев Егоров Иванов Кириллов Львов Максимов Олегов Петров Семёнов".split()
_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()


@dataclass(frozen=True)
class Made:
    """A row to be written and what must be decided about it. `birth` may be a text that is no date."""

    last: str
    first: str
    patronymic: str
    sex: str
    birth: date | str
    organisation: str
    category: str
    card: str
    joined: date
    phone: str
    email: str
    decision: tuple[str, str | None] = ("accepted", None)
    organisation_text: str = ""


def people(rng: random.Random, count: int, organisations: Sequence[str]) -> list[Made]:
    """Different people: no two share a name and a birth date."""
    made: list[Made] = []
    for number in range(count):
        woman = rng.random() < 0.7
        surname = rng.choice(_SURNAMES) + ("а" if woman else "")
        category = rng.choice(("working", "working", "student", "pensioner"))
        year = {"working": (1960, 1999), "student": (2001, 2006), "pensioner": (1940, 1957)}[category]
        birth = date(rng.randint(*year), 1, 1) + timedelta(days=rng.randrange(360))
        made.append(
            Made(
                last=surname,
                first=rng.choice(_WOMEN if woman else _MEN),
                patronymic=rng.choice(_FATHERS) + ("на" if woman else "ич"),
                sex="female" if woman else "male",
                birth=birth,
                organisation=rng.choice(organisations),
                category=category,
                card=f"{rng.randrange(10**6):06d}{number:02d}",
                joined=date(min(birth.year + 17, 2022), rng.randint(1, 12), rng.randint(1, 28)),
                phone=f"9{rng.randrange(10**9):09d}",
                email=f"person{number}@example.org",
            )
        )
    return made


_LATIN = str.maketrans("аеорсухАЕОРСТХВМНК", "aeopcyxAEOPCTXBMHK")


def with_troubles(rng: random.Random, rows: list[Made]) -> list[Made]:
    """The rows and one of every trouble, each after the row that it repeats."""
    out = list(rows)
    picks = rng.sample(range(len(rows)), 12)
    for index in picks[4:]:
        # all the variants below need a name with ё or with look-alike letters in it
        out[index] = replace(out[index], last="Журавлёва", first="Марина", sex="female", patronymic="Петровна")
    a, b, c, d, e, f, g, h, i, j, k, m = (out[index] for index in picks)
    out += [
        replace(e, decision=("duplicate", "same_register_exact")),
        replace(f, last=f.last.upper(), first=f.first.lower(), decision=("duplicate", "same_register_case")),
        replace(g, last="Журавлева", decision=("duplicate", "same_register_yo")),
        replace(h, last=h.last.translate(_LATIN), decision=("duplicate", "same_register_lookalike")),
        replace(i, last=i.first, first=i.last, decision=("duplicate", "same_register_swapped")),
        replace(j, last="Жруавлёва", decision=("duplicate", "same_register_typo")),
        replace(k, first="Алёна", card="55500001"),
        replace(k, first="Елена", card="55500002"),
        replace(m, birth=date(1971, 3, 3), card="55500003", category="working"),
        replace(a, last="Первая", birth="31.02.1980", decision=("rejected", "birth_date_unreadable")),
        replace(b, last="Вторая", birth="не указана", decision=("rejected", "birth_date_unreadable")),
        replace(c, last="Третья", birth=date(2029, 5, 2), decision=("rejected", "birth_date_impossible")),
        replace(d, last="Четвёртая", birth=date(2012, 5, 2), decision=("rejected", "too_young")),
        replace(a, last="", first="", patronymic="", decision=("rejected", "name_missing")),
    ]
    return out


Cells = Sequence[object]
Write = Callable[[Made], Cells]


def dotted(day: date | str) -> str:
    return day if isinstance(day, str) else f"{day:%d.%m.%Y}"


def wordy(day: date | str) -> str:
    return day if isinstance(day, str) else f"{day.day} {_MONTHS[day.month - 1]} {day.year} года"


def iso(day: date | str) -> str:
    return day if isinstance(day, str) else day.isoformat()


def slashed(day: date | str) -> str:
    return day if isinstance(day, str) else f"{day:%d/%m/%Y} г."


def american(day: date | str) -> str:
    return day if isinstance(day, str) else f"{day:%m/%d/%Y}"


def serial(day: date | str) -> int | str:
    return day if isinstance(day, str) else (day - date(1899, 12, 30)).days


def full(row: Made) -> str:
    return " ".join(part for part in (row.last, row.first, row.patronymic) if part)


def delimited(rows: Sequence[Cells], delimiter: str, encoding: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    written = text.getvalue()
    # the old code page has neither guillemets nor the number sign's neighbours
    return (written.replace("«", "'").replace("»", "'") if encoding == "cp866" else written).encode(encoding)


def workbook(sheets: Mapping[str, Sequence[Cells]]) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    day = book.add_format({"num_format": "dd.mm.yyyy"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for line, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(line, column, cell, day)
                elif cell is not None:
                    sheet.write(line, column, cell)
    book.close()
    return target.getvalue()
