"""A file's bytes → its sheets → raw rows with the numbers that a clerk sees in Excel.

What a file is, is decided by its content, never by its name: offices rename .csv to .xls and back.
"""

import functools
import io
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from html.parser import HTMLParser
from itertools import islice
from typing import Any, NamedTuple

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from registry.importing.archives import MAX_CELLS, MAX_COLUMNS, check_archive
from registry.importing.delimited import TooLongField, decode, encoding_of, open_rows
from registry.importing.refusals import UnreadableFile, corrupt, protected, too_large, unknown_format

Cell = str | int | float | bool | date | datetime | time | timedelta | None

MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_SHEETS = 2_000
# Nothing that an office writes about one person is longer; the rest of such a cell is cut off.
MAX_CELL_CHARS = 4_000
# By so many rows it is judged how a sheet is laid out.
HEAD_ROWS = 2_000

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


class RawRow(NamedTuple):
    """`number` is 1-based, as the sheet's own rows (a text file's records) are counted, blank ones too."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sheet:
    """`name` is None for a text file, which has no sheets. Its rows are read anew at each walk over them."""

    name: str | None
    walk: Callable[[], Iterator[RawRow]]

    def __iter__(self) -> Iterator[RawRow]:
        return self.walk()

    @cached_property
    def head(self) -> tuple[RawRow, ...]:
        """The first HEAD_ROWS rows."""
        return tuple(islice(self.walk(), HEAD_ROWS))


def read_sheets(content: bytes) -> Iterator[Sheet]:
    """The sheets of a workbook (xlsx, xlsm, xlsb, xls, ods), of an HTML table or of delimited text, one by one.

    Raises UnreadableFile, also while its sheets or their rows are walked over, with one of: file_empty,
    file_too_large, file_password_protected, file_corrupt, file_format_unknown, sheet_too_large. Raises nothing else,
    whatever the bytes are.
    """
    if not content[: 1 << 20].strip(b"\x00 \t\r\n\xef\xbb\xbf") and not content.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise UnreadableFile("file_empty")
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFile("file_too_large")
    if content.startswith(_ZIP):
        check_archive(content)
        yield from _workbook(content)
    elif content.startswith(_OLE):
        if _ENCRYPTED_STREAM in content:
            raise protected()
        yield from _workbook(content)
    elif _looks_like_html(content):
        yield _html(content)
    else:
        yield _text(content)


def _workbook(content: bytes) -> Iterator[Sheet]:
    book = _native(lambda: CalamineWorkbook.from_filelike(io.BytesIO(content)))
    names = [m.name for m in book.sheets_metadata if m.typ == SheetTypeEnum.WorkSheet]
    if not names:
        raise unknown_format()
    if len(names) > MAX_SHEETS:
        raise too_large()
    for name in names:
        sheet = _native(functools.partial(book.get_sheet_by_name, name))
        if sheet.total_width > MAX_COLUMNS or sheet.total_height * sheet.total_width > MAX_CELLS:
            raise too_large()
        yield Sheet(name, functools.partial(_walk, sheet))


def _native(read: Callable[[], Any]) -> Any:
    """Calls the native reader: whatever a broken file makes it raise, the file is what is wrong."""
    try:
        return read()
    except PasswordError as error:
        raise protected() from error
    except CalamineError as error:
        raise (protected() if "password" in str(error).lower() else corrupt()) from error
    # a panic of the native library is no Exception
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise corrupt() from error


def _walk(sheet: Any) -> Iterator[RawRow]:
    left = sheet.start[1] if sheet.start else 0
    merged = _Merged(sheet)
    rows = iter(sheet.iter_rows())
    number = 0
    while (cells := _native(lambda: next(rows, None))) is not None:
        number += 1
        yield merged.filled(_raw(number, left, cells))


class _Merged:
    """A cell merged over several rows says its text in each of them: so offices write an organisation once."""

    def __init__(self, sheet: Any) -> None:
        try:
            ranges = sheet.merged_cell_ranges or []
        except Exception:
            ranges = []
        # one column wide, several rows high; wider ones are titles
        self._spans = sorted((top, bottom, left) for (top, left), (bottom, right) in ranges if right == left)
        self._tops = [top for top, _, _ in self._spans]
        self._open: dict[int, tuple[int, Cell]] = {}

    def filled(self, row: RawRow) -> RawRow:
        if not self._spans:
            return row
        index = row.number - 1
        at = bisect_right(self._tops, index)
        while at and self._tops[at - 1] == index:
            at -= 1
            _, bottom, column = self._spans[at]
            if bottom > index and column < len(row.cells):
                self._open[column] = (bottom, row.cells[column])
        if not self._open:
            return row
        cells = list(row.cells)
        if any(not _blank(cell) for cell in cells):
            for column, (_, cell) in self._open.items():
                if column < len(cells) and _blank(cells[column]):
                    cells[column] = cell
        self._open = {c: (bottom, cell) for c, (bottom, cell) in self._open.items() if bottom > index}
        return RawRow(row.number, tuple(cells))


def _raw(number: int, left: int, cells: Sequence[Cell]) -> RawRow:
    kept = tuple([c[:MAX_CELL_CHARS] if type(c) is str and len(c) > MAX_CELL_CHARS else c for c in cells])
    return RawRow(number, (None,) * left + kept if left else kept)


def _blank(cell: Cell) -> bool:
    return cell is None or cell == "" or (isinstance(cell, str) and cell.isspace())


def _text(content: bytes) -> Sheet:
    encoding = encoding_of(content)
    if encoding is None:
        raise unknown_format()

    def walk() -> Iterator[RawRow]:
        try:
            for number, row in enumerate(open_rows(content, encoding), 1):
                if len(row) > MAX_COLUMNS:
                    raise too_large()
                yield _raw(number, 0, row)
        except TooLongField as error:
            raise corrupt() from error

    return Sheet(None, walk)


def _looks_like_html(content: bytes) -> bool:
    head = content[:4096].lower()
    return b"<table" in head or head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<html", b"<!doctype html"))


class _Tables(HTMLParser):
    """Rows of all tables in reading order; programs of record-keeping export «Excel» files this way."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[Cell]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def _html(content: bytes) -> Sheet:
    text = decode(content)
    if text is None:
        raise unknown_format()
    tables = _Tables()
    tables.feed(text)
    if not tables.rows:
        raise unknown_format()
    if any(len(row) > MAX_COLUMNS for row in tables.rows):
        raise too_large()
    rows = [_raw(n, 0, row) for n, row in enumerate(tables.rows, 1)]
    return Sheet(None, lambda: iter(rows))


def filled(row: RawRow) -> Iterator[tuple[int, Cell]]:
    """The row's columns that hold something."""
    for column, cell in enumerate(row.cells):
        if cell is not None and cell != "" and not (isinstance(cell, str) and not cell.strip()):
            yield column, cell
