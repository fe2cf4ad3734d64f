"""Delimited text: which delimiter, which quoting."""

import csv
import io
import re
from collections import Counter

_DELIMITERS = ";,\t|"
_SAMPLE_LINES = 60


def rows_of_text(text: str) -> list[list[str]]:
    """The records of the text, blank ones too, by the delimiter that splits the first lines most evenly.

    Never raises. Quotation marks that do not pair (« ППО "Школа ») are taken as letters, so that one of them
    cannot swallow the rest of the file.
    """
    declared = re.match(r"\s*sep=(.)\r?\n", text)
    delimiter = declared[1] if declared else sniff_delimiter(text)
    rows = _parse(text, delimiter, csv.QUOTE_MINIMAL)
    if rows is None or any("\n" in cell and cell.count(delimiter) > 1 for row in rows for cell in row):
        rows = _parse(text, delimiter, csv.QUOTE_NONE) or [line.split(delimiter) for line in text.splitlines()]
    return rows


def sniff_delimiter(text: str) -> str:
    """The delimiter of the text; «;» when nothing splits it."""
    sample = "\n".join([line for line in text[:200_000].splitlines() if line.strip()][:_SAMPLE_LINES])
    best, best_score = ";", 0.0
    for delimiter in _DELIMITERS:
        rows = _parse(sample, delimiter, csv.QUOTE_MINIMAL) or [[]]
        widths = Counter(len(row) for row in rows)
        width, times = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        if width > 1:
            # evenness first; the width settles it between delimiters that are equally even
            score = times / len(rows) + min(width, 30) / 100
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _parse(text: str, delimiter: str, quoting: int) -> list[list[str]] | None:
    try:
        if quoting == csv.QUOTE_NONE:
            return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE))
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return None
