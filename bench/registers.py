"""Registers of generated people, as offices would send them: half of them workbooks, half of them delimited text."""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import xlsxwriter

from registry.importing.given_names import GIVEN_NAMES

PRIMARIES = 400
ROWS_A_FILE = 5_000
_HEADINGS = (
    *("№", "Фамилия, имя, отчество", "Дата рождения", "Пол", "Телефон", "Эл. почта"),
    *("Организация", "Категория", "№ билета", "Принят в Профсоюз"),
)
_ROOTS = ("Иван", "Петр", "Сидор", "Кузнец", "Смирн", "Васил", "Новик", "Фёдор", "Мороз", "Волк", "Лебед", "Семён")
_ENDINGS = ("ова", "енко", "ская", "ина", "ёва", "ук", "ых")
_FATHERS = ("Иван", "Петров", "Сергеев", "Алексеев", "Андреев", "Николаев", "Фёдоров", "Дмитриев", "Викторов")


def organisation_name(number: int) -> str:
    return f"ППО МБОУ «Заречная СОШ № {number}»"


def people(count: int) -> Iterator[list[str]]:
    """Rows of a register; the same in every run, nobody twice."""
    dice = random.Random(20)
    names = sorted(name.capitalize() for name in GIVEN_NAMES if name.endswith(("а", "я")))
    first = date(1950, 1, 1)
    for number in range(count):
        joined = date(2000, 1, 1) + timedelta(days=dice.randrange(7000))
        born = first + timedelta(days=dice.randrange(19_000))
        surname = dice.choice(_ROOTS) + dice.choice("абвгдежз") + dice.choice(_ENDINGS)
        yield [
            str(number % ROWS_A_FILE + 1),
            f"{surname} {dice.choice(names)} {dice.choice(_FATHERS)}на",
            f"{born:%d.%m.%Y}",
            "ж",
            f"8 (9{dice.randrange(100):02}) {dice.randrange(1000):03}-{dice.randrange(10_000):04}",
            f"user{number}@example.org" if number % 3 else "",
            f"МБОУ Заречная СОШ №{dice.randrange(PRIMARIES)}",
            dice.choice(("работающий", "студент", "неработающий пенсионер")),
            f"{10_000_000 + number}",
            f"{joined:%d.%m.%Y}",
        ]


def write_registers(folder: Path, count: int) -> list[Path]:
    rows = people(count)
    paths = []
    for number in range(-(-count // ROWS_A_FILE)):
        some = [row for row, _ in zip(rows, range(min(ROWS_A_FILE, count - number * ROWS_A_FILE)), strict=False)]
        path = folder / f"{number:04}.{'csv' if number % 2 else 'xlsx'}"
        if number % 2:
            with path.open("w", encoding="cp1251", newline="") as file:
                csv.writer(file, delimiter=";").writerows([_HEADINGS, *some])
        else:
            book = xlsxwriter.Workbook(path, {"constant_memory": True})
            sheet = book.add_worksheet("Реестр")
            for line, row in enumerate([_HEADINGS, *some]):
                sheet.write_row(line, 0, row)
            book.close()
        paths.append(path)
    return paths
