"""The annotated copy of a register: what the office sent, with the decision beside every row."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO

import xlsxwriter

from registry.importing.outcomes import FileRefusal, Outcome, Reason, ToldSheet
from registry.importing.reading import Cell, Sheet, read_sheets
from registry.importing.refusals import UnreadableFile

OUTCOMES_RU: Mapping[Outcome, str] = {"accepted": "Принят", "duplicate": "Повтор", "rejected": "Отклонён"}
REASONS_RU: Mapping[Reason, str] = {
    "name_missing": "Нет фамилии или имени",
    "birth_date_unreadable": "Дата рождения не читается или не указана",
    "birth_date_impossible": "Дата рождения невозможна",
    "too_young": "Моложе 14 лет",
    "organisation_unknown": "Организация не найдена",
    "same_register_exact": "Записан ещё раз",
    "same_register_case": "Записан ещё раз (регистр букв, пробелы)",
    "same_register_yo": "Записан ещё раз (е и ё)",
    "same_register_lookalike": "Записан ещё раз (латинские буквы)",
    "same_register_swapped": "Записан ещё раз (имя и фамилия переставлены)",
    "same_register_typo": "Записан ещё раз (опечатка)",
    "member_elsewhere": "Состоит в другой организации",
}
_ADDED = ("Итог", "Причина", "Что сделать")
_COLOURS: Mapping[Outcome, str] = {"accepted": "#EDF5EC", "duplicate": "#FFF0C9", "rejected": "#FADBD8"}
_SUMMARY = "Итоги"
_WIDEST = 42
_FORBIDDEN_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\']")
# Excel counts days from here; earlier dates can only be text.
_FIRST_DATE = date(1900, 3, 1)


def annotate(
    target: BinaryIO, content: bytes, name: str, told: Iterable[ToldSheet], refusal: FileRefusal | None = None
) -> None:
    """Write an .xlsx of the same sheets and rows, whatever format came in; `content` is the file that was decided.

    `told` are its sheets with a register, in their order; each one's rows are walked over once, and nothing is held
    but the row under way: a copy takes no more memory for more rows. Cells are never taken for formulas or links: what
    an office wrote stays text. A refused file gives the sheet of totals alone, with the reason. Never raises
    for what the file holds.
    """
    try:
        _write_book(target, content, name, iter(told), refusal)
    except UnreadableFile as broken:
        target.seek(0)
        target.truncate()
        _write_book(target, content, name, iter(()), FileRefusal(broken.code, broken.message_ru))


def _write_book(
    target: BinaryIO, content: bytes, name: str, told: Iterator[ToldSheet], refusal: FileRefusal | None
) -> None:
    options = {
        # Each row goes to disk once the next one begins.
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "nan_inf_to_errors": True,
    }
    counted: Counter[tuple[Outcome, Reason | None]] = Counter()
    with contextlib.closing(xlsxwriter.Workbook(target, options)) as book:
        formats = _formats(book)
        summary = book.add_worksheet(_SUMMARY)
        if refusal is None:
            taken = {_SUMMARY.lower()}
            register = next(told, None)
            for sheet in _sheets(content):
                page = book.add_worksheet(_sheet_title(sheet.name, taken))
                if register is not None and register.name == sheet.name:
                    _write_sheet(page, formats, sheet, register, counted)
                    register = next(told, None)
                else:
                    _write_sheet(page, formats, sheet, None, counted)
        _write_summary(summary, formats, name, refusal, counted)


def _sheets(content: bytes) -> Iterator[Sheet]:
    with contextlib.suppress(UnreadableFile):
        yield from read_sheets(content)


def _formats(book: Any) -> dict[str, Any]:
    formats = {
        "title": book.add_format({"bold": True, "font_size": 14}),
        "bold": book.add_format({"bold": True}),
        "heading": book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bottom": 2, "bg_color": "#E6EAF0"}
        ),
        "plain": book.add_format({"valign": "top"}),
        "plain_date": book.add_format({"num_format": "dd.mm.yyyy", "align": "left", "valign": "top"}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
    }
    for outcome, colour in _COLOURS.items():
        shared = {"bg_color": colour, "valign": "top", "border": 1, "border_color": "#D9D9D9"}
        formats[outcome] = book.add_format(shared)
        formats[f"{outcome}_date"] = book.add_format({**shared, "num_format": "dd.mm.yyyy", "align": "left"})
        formats[f"{outcome}_wrap"] = book.add_format({**shared, "text_wrap": True})
        formats[f"{outcome}_bold"] = book.add_format({**shared, "bold": True})
    return formats


def _write_summary(
    sheet: Any,
    formats: dict[str, Any],
    name: str,
    refusal: FileRefusal | None,
    counted: Counter[tuple[Outcome, Reason | None]],
) -> None:
    sheet.set_column(0, 0, 50)
    sheet.set_column(1, 1, 12)
    sheet.write_string(0, 0, f"Итоги приёма файла {name}"[:250], formats["title"])
    line = 2
    if refusal is not None:
        sheet.write_string(line, 0, "Файл не принят", formats["rejected_bold"])
        sheet.write_string(line + 1, 0, refusal.message_ru, formats["wrap"])
        return
    outcomes: Counter[Outcome] = Counter()
    for (outcome, _), count in counted.items():
        outcomes[outcome] += count
    sheet.write_string(line, 0, "Строк с людьми", formats["bold"])
    sheet.write_number(line, 1, outcomes.total(), formats["bold"])
    for outcome, label in OUTCOMES_RU.items():
        line += 1
        sheet.write_string(line, 0, label, formats[f"{outcome}_bold"])
        sheet.write_number(line, 1, outcomes[outcome], formats[f"{outcome}_bold"])
        for reason, label_ru in REASONS_RU.items():
            if count := counted[outcome, reason]:
                line += 1
                sheet.write_string(line, 0, f"    {label_ru}", formats[outcome])
                sheet.write_number(line, 1, count, formats[outcome])
    line += 2
    if outcomes["rejected"] or outcomes["duplicate"]:
        sheet.write_string(
            line, 0, "Исправьте строки с пометкой «Отклонён», удалите повторы и пришлите файл снова: "
            "уже принятые строки во второй раз не добавятся.", formats["wrap"],
        )  # fmt: skip
    else:
        sheet.write_string(line, 0, "Исправлять нечего: все строки приняты.", formats["wrap"])


def _sheet_title(name: str | None, taken: set[str]) -> str:
    base = _FORBIDDEN_IN_SHEET_NAMES.sub(" ", name or "Реестр").strip()[:31] or "Лист"
    title, number = base, 2
    while title.lower() in taken or title.lower() == "history":
        title = f"{base[:27]} ({number})"
        number += 1
    taken.add(title.lower())
    return title


def _write_sheet(
    page: Any,
    formats: dict[str, Any],
    source: Sheet,
    register: ToldSheet | None,
    counted: Counter[tuple[Outcome, Reason | None]],
) -> None:
    """Row after row, in their order: what was written is not come back to."""
    width = max((_used(row.cells) for row in source), default=0)
    heading = register.heading_row if register else None
    rows = register.rows if register else iter(())
    waiting = next(rows, None)
    first, last = (waiting.row if waiting else None), 0
    for row in source:
        line = row.number - 1
        decided = waiting if waiting is not None and waiting.row == row.number else None
        style = decided.outcome if decided else "heading" if row.number == heading else "plain"
        # a coloured row is coloured to its end, empty cells too
        cells = row.cells[:width] if decided is None else (*row.cells, *[None] * (width - len(row.cells)))[:width]
        for column, cell in enumerate(cells):
            _write_cell(page, line, column, cell, formats, style)
        if decided:
            page.write_string(line, width, OUTCOMES_RU[decided.outcome], formats[f"{style}_bold"])
            page.write_string(line, width + 1, _sentence(decided.problem_ru), formats[f"{style}_wrap"])
            page.write_string(line, width + 2, _sentence(decided.advice_ru), formats[f"{style}_wrap"])
            counted[decided.outcome, decided.reason] += 1
            last, waiting = row.number, next(rows, None)
        elif row.number == heading and first is not None:
            for offset, caption in enumerate(_ADDED):
                page.write_string(line, width + offset, caption, formats["heading"])
    _set_widths(page, source, width, first or 1)
    if first is not None and heading:
        page.freeze_panes(heading, 0)
        page.autofilter(heading - 1, 0, last - 1, width + len(_ADDED) - 1)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _used(cells: Sequence[Cell]) -> int:
    return next((i for i in range(len(cells), 0, -1) if cells[i - 1] not in (None, "")), 0)


def _write_cell(sheet: Any, line: int, column: int, cell: Cell, formats: dict[str, Any], style: str) -> None:
    plain = formats[style]
    if cell is None or cell == "":
        if style != "plain":
            sheet.write_blank(line, column, None, plain)
    elif isinstance(cell, bool):
        sheet.write_boolean(line, column, cell, plain)
    elif isinstance(cell, int | float):
        sheet.write_number(line, column, cell, plain)
    elif isinstance(cell, datetime | date):
        day = cell.date() if isinstance(cell, datetime) else cell
        if day >= _FIRST_DATE:
            sheet.write_datetime(line, column, cell, formats.get(f"{style}_date", plain))
        else:
            sheet.write_string(line, column, f"{day:%d.%m.%Y}", plain)
    elif isinstance(cell, time | timedelta):
        sheet.write_string(line, column, str(cell), plain)
    else:
        sheet.write_string(line, column, cell, plain)


def _set_widths(sheet: Any, source: Sheet, width: int, first_data_row: int) -> None:
    for column in range(width):
        longest = max(
            (
                10 if isinstance(row.cells[column], date | datetime) else len(str(row.cells[column]))
                for row in source.head[:300]
                # titles over the table run across columns and must not widen the first one
                if column < len(row.cells) and row.number >= first_data_row and row.cells[column] is not None
            ),
            default=8,
        )
        sheet.set_column(column, column, min(_WIDEST, max(9, longest + 2)))
    sheet.set_column(width, width, 11)
    sheet.set_column(width + 1, width + 2, 48)
