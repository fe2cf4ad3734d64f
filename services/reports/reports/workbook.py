"""A report as an XLSX that looks like the office's form: numbered rows, print area, lines for signatures."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import xlsxwriter

from reports.indicators import Figure
from reports.schemas import PartView, ReportView, RowView

_FONT = {"font_name": "Times New Roman", "font_size": 12, "valign": "vcenter"}
_GRID = {**_FONT, "border": 1}
_UNKNOWN = "—"
_SIGNATURES = ("Председатель организации Профсоюза", "Ответственный за составление отчёта")
_KINDS: Mapping[str, str] = {
    "regional": "Региональная организация",
    "territorial": "Территориальная организация",
    "primary": "Первичная профсоюзная организация",
    "primary_with_territorial_rights": "Первичная профсоюзная организация с правами территориальной",
}


def render(report: ReportView) -> bytes:
    """The workbook: the form itself and, of a summary, a second sheet with a line for each organisation below."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        # No time of making inside: the same revision is the same file.
        book.set_properties({"title": report.title.ru, "created": report.formed_at.replace(tzinfo=None)})
        formats = {
            "title": book.add_format(
                {**_FONT, "bold": True, "font_size": 14, "align": "center", "text_wrap": True}
            ),
            "centre": book.add_format({**_FONT, "align": "center", "text_wrap": True}),
            "plain": book.add_format(_FONT),
            "small": book.add_format({**_FONT, "font_size": 9, "align": "center", "valign": "top"}),
            "line": book.add_format({**_FONT, "bottom": 1}),
            "head": book.add_format(
                {**_GRID, "bold": True, "align": "center", "text_wrap": True, "bg_color": "#E7E6E6"}
            ),
            "code": book.add_format({**_GRID, "align": "center"}),
            "count": book.add_format({**_GRID, "num_format": "#,##0", "align": "right"}),
            "percent": book.add_format({**_GRID, "num_format": "0.0", "align": "right"}),
            **{
                f"text{indent}": book.add_format({**_GRID, "text_wrap": True, "indent": indent})
                for indent in range(4)
            },
        }
        _form_sheet(book.add_worksheet("Отчёт"), formats, report)
        if report.parts is not None:
            _parts_sheet(book.add_worksheet("Свод"), formats, report, report.parts)
    return content.getvalue()


def _form_sheet(sheet: Any, formats: Mapping[str, Any], report: ReportView) -> None:
    sheet.set_paper(9)
    sheet.set_portrait()
    sheet.set_margins(left=0.8, right=0.4, top=0.6, bottom=0.6)
    sheet.fit_to_pages(1, 0)
    sheet.set_column("A:A", 6)
    sheet.set_column("B:B", 9)
    sheet.set_column("C:C", 62)
    sheet.set_column("D:D", 16)
    _heading(sheet, formats, report, last=3)
    top = 6
    for column, head in enumerate(("№", "Код строки", "Показатель", "Значение")):
        sheet.write_string(top, column, head, formats["head"])
        sheet.write_number(top + 1, column, column + 1, formats["head"])
    sheet.repeat_rows(top, top + 1)
    line = top + 1
    for number, row in enumerate(report.rows, 1):
        line += 1
        sheet.write_number(line, 0, number, formats["code"])
        sheet.write_string(line, 1, row.code, formats["code"])
        sheet.write_string(line, 2, row.label.ru, formats[f"text{row.indent}"])
        _write(sheet, line, 3, row, row.value, formats)
    line = _signatures(sheet, formats, line + 2, role=2, signature=3)
    sheet.print_area(0, 0, line, 3)
    sheet.set_footer("&L&8Редакция " + str(report.revision) + "&R&8Стр. &P из &N")


def _parts_sheet(sheet: Any, formats: Mapping[str, Any], report: ReportView, parts: Sequence[PartView]) -> None:
    rows = report.rows
    last = len(rows) + 2
    sheet.set_paper(8)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_column(0, 0, 5)
    sheet.set_column(1, 1, 14)
    sheet.set_column(2, 2, 44)
    sheet.set_column(3, last, 13)
    _heading(sheet, formats, report, last=last)
    top = 6
    for column, head in enumerate(("№", "Код", "Организация", *(row.label.ru for row in rows))):
        sheet.write_string(top, column, head, formats["head"])
        sheet.write_string(top + 1, column, "" if column < 3 else rows[column - 3].code, formats["head"])
    sheet.set_row(top, 110)
    sheet.repeat_rows(top, top + 1)
    sheet.freeze_panes(top + 2, 3)
    line = top + 1
    for number, part in enumerate(parts, 1):
        line += 1
        sheet.write_number(line, 0, number, formats["code"])
        sheet.write_string(line, 1, part.code, formats["code"])
        sheet.write_string(line, 2, part.name, formats["text0"])
        for column, row in enumerate(rows, 3):
            _write(sheet, line, column, row, part.figures.get(row.code), formats)
    line += 1
    _merge(sheet, line, 2, "Всего по организации", formats["head"])
    for column, row in enumerate(rows, 3):
        _write(sheet, line, column, row, row.value, formats)
    line = _signatures(sheet, formats, line + 2, role=2, signature=4)
    sheet.print_area(0, 0, line, last)


def _heading(sheet: Any, formats: Mapping[str, Any], report: ReportView, last: int) -> None:
    organisation = report.organisation
    _merge(sheet, 0, last, report.title.ru, formats["title"])
    sheet.set_row(0, 36)
    _merge(sheet, 1, last, f"по состоянию на {report.as_of:%d.%m.%Y}", formats["centre"])
    _merge(sheet, 2, last, organisation.name, formats["title"])
    kind = _KINDS.get(organisation.kind, "Организация Профсоюза")
    _merge(sheet, 3, last, f"{kind}, код {organisation.code}", formats["centre"])
    due = f"Срок представления: {report.due_on:%d.%m.%Y}. " if report.due_on else ""
    text = f"{due}Форма {report.form}, версия {report.form_version}; редакция отчёта {report.revision}"
    _merge(sheet, 4, last, text, formats["centre"])


def _merge(sheet: Any, line: int, last: int, text: str, look: Any) -> None:
    """Text over the columns up to `last`. merge_range itself would take a name that begins with = for a formula."""
    sheet.merge_range(line, 0, line, last, "", look)
    sheet.write_string(line, 0, text, look)


def _signatures(sheet: Any, formats: Mapping[str, Any], line: int, role: int, signature: int) -> int:
    """Lines to be signed by hand; returns the last line used."""
    for title in _SIGNATURES:
        _merge(sheet, line, role, title, formats["plain"])
        sheet.write_blank(line, signature, None, formats["line"])
        sheet.write_string(line + 1, signature, "подпись, Ф. И. О.", formats["small"])
        line += 3
    _merge(sheet, line, role, "«____» ______________ 20____ г.          М. П.", formats["plain"])
    return line


def _write(sheet: Any, line: int, column: int, row: RowView, value: Figure, formats: Mapping[str, Any]) -> None:
    """A figure; a dash where nobody can know, an empty cell where people write it in."""
    if value is not None:
        sheet.write_number(line, column, value, formats[row.unit])
    elif row.declared:
        sheet.write_blank(line, column, None, formats["count"])
    else:
        sheet.write_string(line, column, _UNKNOWN, formats["code"])
