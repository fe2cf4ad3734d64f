"""Cells → the five formats; nothing is known here of registers."""

import csv
import html
import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import xlsxwriter
import xlwt

Cells = Sequence[object]
Merges = Sequence[tuple[int, int, int]]
"""(first row, last row, column), from 0."""

_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_NAMES = 'xmlns:{0}="urn:oasis:names:tc:opendocument:xmlns:{0}:1.0"'


def xlsx(dice: random.Random, sheets: Mapping[str, Sequence[Cells]], merges: Mapping[str, Merges]) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_numbers": False, "strings_to_urls": False})
    day = book.add_format({"num_format": dice.choice(["dd.mm.yyyy", "d mmmm yyyy", "m/d/yy", "yyyy-mm-dd"])})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for r, row in enumerate(rows):
            if dice.random() < 0.03 and r > 12:
                sheet.set_row(r, None, None, {"hidden": True})
            for c, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(r, c, cell, day)
                elif isinstance(cell, int | float):
                    # what stands in a cell may be the last result of a formula
                    formula = f"={cell}+0" if dice.random() < 0.2 else None
                    sheet.write_formula(r, c, formula, None, cell) if formula else sheet.write(r, c, cell)
                elif cell is not None:
                    sheet.write_string(r, c, str(cell))
        for top, bottom, column in merges.get(name, ()):
            sheet.merge_range(top, column, bottom, column, str(rows[top][column]))
        if dice.random() < 0.2:
            sheet.set_column(0, 0, 4, None, {"hidden": True})
    if dice.random() < 0.3:
        notes = book.add_worksheet("Инструкция")
        notes.write(0, 0, "Как заполнять: ФИО полностью, дата рождения по паспорту")
    book.close()
    return target.getvalue()


def xls(dice: random.Random, sheets: Mapping[str, Sequence[Cells]], merges: Mapping[str, Merges]) -> bytes:
    book = xlwt.Workbook(encoding="utf-8")
    day = xlwt.easyxf(num_format_str=dice.choice(["DD.MM.YYYY", "D-MMM-YY", "YYYY-MM-DD"]))
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        covered = {(r, c) for top, bottom, c in merges.get(name, ()) for r in range(top, bottom + 1)}
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if cell is None or (r, c) in covered:
                    continue
                if isinstance(cell, date) and cell.year >= 1900:
                    sheet.write(r, c, cell, day)
                else:
                    sheet.write(r, c, f"{cell:%d.%m.%Y}" if isinstance(cell, date) else cell)
        for top, bottom, column in merges.get(name, ()):
            sheet.write_merge(top, bottom, column, column, rows[top][column])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def ods(dice: random.Random, sheets: Mapping[str, Sequence[Cells]], _merges: Mapping[str, Merges]) -> bytes:
    tables = []
    for name, rows in sheets.items():
        lines = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        tables.append(f'<table:table table:name="{html.escape(name)}">{lines}</table:table>')
    names = " ".join(_NAMES.format(name) for name in ("office", "table", "text"))
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names} office:version="1.2"><office:body>'
        f"<office:spreadsheet>{''.join(tables)}</office:spreadsheet></office:body></office:document-content>"
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), _ODS_TYPE)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_ODS_TYPE}"/></manifest:manifest>',
        )
    return target.getvalue()


def _ods_cell(cell: object) -> str:
    if cell is None or cell == "":
        return "<table:table-cell/>"
    if isinstance(cell, date):
        value = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
    elif isinstance(cell, int | float):
        value = f'office:value-type="float" office:value="{cell}"'
    else:
        value = 'office:value-type="string"'
    shown = f"{cell:%d.%m.%Y}" if isinstance(cell, date) else str(cell)
    return f"<table:table-cell {value}><text:p>{html.escape(shown)}</text:p></table:table-cell>"


def text(dice: random.Random, rows: Sequence[Cells]) -> bytes:
    """In any encoding, by any delimiter, quoted much or little."""
    target = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if dice.random() < 0.33 else csv.QUOTE_MINIMAL
    delimiter, ending = dice.choice(";,\t|"), dice.choice(["\r\n", "\n"])
    shown = [
        [f"{c:%d.%m.%Y}" if isinstance(c, date) else "" if c is None else str(c) for c in row] for row in rows
    ]
    csv.writer(target, delimiter=delimiter, lineterminator=ending, quoting=quoting).writerows(shown)
    encoding = dice.choice(["utf-8", "utf-8-sig", "cp1251", "cp1251", "utf-16"])
    return target.getvalue().encode(encoding, errors="replace")


def page(_dice: random.Random, rows: Sequence[Cells]) -> bytes:
    """A web page that a program calls an Excel file."""
    lines = "".join(f"<tr>{''.join(f'<td>{html.escape(_plain(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f'<html><head><meta charset="utf-8"></head><body><table border=1>{lines}</table></body></html>'.encode()


def _plain(cell: object) -> str:
    return f"{cell:%d.%m.%Y}" if isinstance(cell, date) else "" if cell is None else str(cell)
