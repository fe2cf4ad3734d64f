"""Rows as CSV that a spreadsheet opens as text and figures, and never as a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

from reports.indicators import Figure
from reports.printing.words import WORDS, Language, said
from reports.schemas import ReportView

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def written(lines: Iterable[Sequence[str | Figure]]) -> bytes:
    """RFC 4180 in UTF-8, with the mark by which office programs know it.

    Texts that begin as a formula get an apostrophe; figures keep the decimal point and stay figures.
    """
    out = io.StringIO(newline="")
    csv.writer(out).writerows([harmless(value) for value in line] for line in lines)
    return out.getvalue().encode("utf-8-sig")


def harmless(value: str | Figure) -> str | Figure:
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        return f"'{value}"
    return value


def render(report: ReportView, language: Language = "ru") -> bytes:
    """One line for each organisation and row: the report's own first, then those of what is directly below."""
    words = WORDS[language]
    own = report.organisation
    head = [words[name] for name in ("code", "organisation", "row_code", "row", "unit", "value")]
    of = [(own.code, own.name, {row.code: row.value for row in report.rows})]
    of += [(part.code, part.name, part.figures) for part in report.parts or []]
    return written(
        [
            ["form", "version", "revision", "as_of", *head],
            *(
                [
                    *(report.form, report.form_version, report.revision, str(report.as_of), code, name),
                    *(row.code, said(row.label, language), words[row.unit], figures.get(row.code)),
                ]
                for code, name, figures in of
                for row in report.rows
            ),
        ]
    )
