"""A report as an XLSX that looks like the office's form: numbered rows, print area, lines for signatures."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import xlsxwriter

from reports.indicators import Figure
from reports.printing.words import UNKNOWN, WORDS, Language, headings, said
from reports.schemas import PartView, ReportView, RowView

_FONT = {"font_name": "Times New Roman", "font_size": 12, "valign": "vcenter"}
_GRID = {**_FONT, "border": 1}
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "title": {**_FONT, "bold": True, "font_size": 14, "align": "center", "text_wrap": True},
    "centre": {**_FONT, "align": "center", "text_wrap": True},
    "plain": _FONT,
    "small": {**_FONT, "font_size": 9, "align": "center", "valign": "top"},
    "line": {**_FONT, "bottom": 1},
    "head": {**_GRID, "bold": True, "align": "center", "text_wrap": True, "bg_color": "#E7E6E6"},
    "code": {**_GRID, "align": "center"},
    "count": {**_GRID, "num_format": "#,##0", "align": "right"},
    "percent": {**_GRID, "num_format": "0.0", "align": "right"},
    **{f"text{indent}": {**_GRID, "text_wrap": True, "indent": indent} for indent in range(4)},
}
_TOP = 6
"""The line of the table's head, counted from zero."""


def render(report: ReportView, language: Language = "ru") -> bytes:
    """The workbook: the form itself and, of a summary, a second sheet with a line for each organisation below."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        # No time of making inside: the same revision is the same file.
        book.set_properties(
            {"title": said(report.title, language), "created": report.formed_at.replace(tzinfo=None)}
        )
        words = WORDS[language]
        looks = {name: book.add_format(dict(look)) for name, look in _LOOKS.items()}
        _Form(book.add_worksheet(words["form"]), looks, report, language).write()
        if report.parts is not None:
            _Summary(book.add_worksheet(words["summary"]), looks, report, language).write(report.parts)
    return content.getvalue()


class _Sheet:
    """What both sheets have: heading, signatures, figures."""

    def __init__(self, sheet: Any, looks: Mapping[str, Any], report: ReportView, language: Language) -> None:
        self.sheet, self.looks, self.report, self.language = sheet, looks, report, language
        self.words = WORDS[language]
        sheet.fit_to_pages(1, 0)

    def heading(self, last: int) -> None:
        looks = ("title", "centre", "title", "centre", "centre")
        for line, (text, look) in enumerate(zip(headings(self.report, self.language), looks, strict=True)):
            self.merge(line, last, text, look)
        self.sheet.set_row(0, 36)
        self.sheet.set_row(2, 36)

    def merge(self, line: int, last: int, text: str, look: str) -> None:
        """Text over the columns up to `last`. merge_range itself would take a name that begins with = for a formula."""
        self.sheet.merge_range(line, 0, line, last, "", self.looks[look])
        self.text(line, 0, text, look)

    def text(self, line: int, column: int, text: str, look: str) -> None:
        self.sheet.write_string(line, column, text, self.looks[look])

    def figure(self, line: int, column: int, row: RowView, value: Figure) -> None:
        """A figure; a dash where nobody can know, an empty cell where people write it in."""
        if value is not None:
            self.sheet.write_number(line, column, value, self.looks[row.unit])
        elif row.declared:
            self.sheet.write_blank(line, column, None, self.looks["count"])
        else:
            self.text(line, column, UNKNOWN, "code")

    def signatures(self, line: int, role: int, signature: int) -> int:
        """Lines to be signed by hand; returns the last line used."""
        for title in ("chair", "compiler"):
            self.merge(line, role, self.words[title], "plain")
            for column in range(role + 1, signature + 1):
                self.sheet.write_blank(line, column, None, self.looks["line"])
            self.text(line + 1, signature, self.words["signature"], "small")
            line += 3
        self.merge(line, role, self.words["dated"], "plain")
        return line

    def footer(self) -> None:
        words = self.words
        self.sheet.set_footer(
            f"&L&8{words['revision']} {self.report.revision}&R&8{words['page']} &P {words['of']} &N"
        )


class _Form(_Sheet):
    def write(self) -> None:
        sheet, words = self.sheet, self.words
        sheet.set_paper(9)
        sheet.set_portrait()
        sheet.set_margins(left=0.8, right=0.4, top=0.6, bottom=0.6)
        for column, width in enumerate((6, 9, 60, 9, 18)):
            sheet.set_column(column, column, width)
        self.heading(last=4)
        for column, head in enumerate(("number", "row_code", "row", "unit", "value")):
            self.text(_TOP, column, words[head], "head")
            sheet.write_number(_TOP + 1, column, column + 1, self.looks["head"])
        sheet.repeat_rows(_TOP, _TOP + 1)
        line = _TOP + 1
        for number, row in enumerate(self.report.rows, 1):
            line += 1
            sheet.write_number(line, 0, number, self.looks["code"])
            self.text(line, 1, row.code, "code")
            self.text(line, 2, said(row.label, self.language), f"text{row.indent}")
            self.text(line, 3, words[row.unit], "code")
            self.figure(line, 4, row, row.value)
        line = self.signatures(line + 2, role=2, signature=4)
        sheet.print_area(0, 0, line, 4)
        self.footer()


class _Summary(_Sheet):
    def write(self, parts: Sequence[PartView]) -> None:
        sheet, words, rows = self.sheet, self.words, self.report.rows
        last = len(rows) + 2
        sheet.set_paper(8)
        sheet.set_landscape()
        for column, width in enumerate((5, 14, 44)):
            sheet.set_column(column, column, width)
        sheet.set_column(3, last, 13)
        self.heading(last)
        heads = (words["number"], words["code"], words["organisation"])
        labels = (f"{said(row.label, self.language)}, {words[row.unit]}" for row in rows)
        for column, head in enumerate((*heads, *labels)):
            self.text(_TOP, column, head, "head")
            self.text(_TOP + 1, column, "" if column < 3 else rows[column - 3].code, "head")
        sheet.set_row(_TOP, 110)
        sheet.repeat_rows(_TOP, _TOP + 1)
        sheet.freeze_panes(_TOP + 2, 3)
        line = _TOP + 1
        for number, part in enumerate(parts, 1):
            line += 1
            sheet.write_number(line, 0, number, self.looks["code"])
            self.text(line, 1, part.code, "code")
            self.text(line, 2, part.name, "text0")
            for column, row in enumerate(rows, 3):
                self.figure(line, column, row, part.figures.get(row.code))
        line += 1
        self.merge(line, 2, words["total"], "head")
        for column, row in enumerate(rows, 3):
            self.figure(line, column, row, row.value)
        line = self.signatures(line + 2, role=2, signature=4)
        sheet.print_area(0, 0, line, last)
        self.footer()
