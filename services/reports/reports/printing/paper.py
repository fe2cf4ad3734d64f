"""A report as a PDF to be printed and signed: the office's form, and of a summary what is directly below."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import documents
from reports.printing.words import WORDS, Language, cell, headings, said
from reports.schemas import PartView, ReportView, RowView

_TEMPLATE = Path(__file__).parent.parent / "templates" / "report.typ"
_COLUMNS = 10
"""Figures beside each other on a sheet across; more go on the next."""


async def render(report: ReportView, language: Language = "ru") -> bytes:
    """Equal revisions make equal bytes."""
    return await documents.render(_TEMPLATE, data_of(report, language))


def data_of(report: ReportView, language: Language) -> dict[str, Any]:
    words = WORDS[language]
    parts = report.parts or []
    return {
        "language": language,
        "words": words,
        "headings": headings(report, language),
        "state": f"{words['status']}: {words.get(report.status, report.status)}",
        "revision": report.revision,
        "rows": [
            [
                str(number),
                row.code,
                said(row.label, language),
                words[row.unit],
                cell(row, row.value, language),
                row.indent,
            ]
            for number, row in enumerate(report.rows, 1)
        ],
        "sheets": [
            _sheet(report.rows[start : start + _COLUMNS], parts, language)
            for start in range(0, len(report.rows), _COLUMNS)
            if report.parts is not None
        ],
    }


def _sheet(rows: Sequence[RowView], parts: Sequence[PartView], language: Language) -> dict[str, Any]:
    units = WORDS[language]
    return {
        "codes": [row.code for row in rows],
        "labels": [f"{said(row.label, language)}, {units[row.unit]}" for row in rows],
        "lines": [
            [part.code, part.name, *(cell(row, part.figures.get(row.code), language) for row in rows)]
            for part in parts
        ],
        "total": [cell(row, row.value, language) for row in rows],
    }
