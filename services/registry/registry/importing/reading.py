"""A file's bytes → its sheets → raw rows with the numbers that a clerk sees in Excel.

What a file is, is decided by its content, never by its name: offices rename .csv to .xls and back.
"""

import functools
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from html.parser import HTMLParser

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from registry.importing.delimited import rows_of_text

Cell = str | int | float | bool | date | datetime | time | timedelta | None

MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024
# The reader of workbooks keeps a sheet as one rectangle: a stray cell in the far corner would take all
# memory.
MAX_CELLS = 30_000_000
# Nothing that an office writes about one person is longer; the rest of such a cell is cut off.
MAX_CELL_CHARS = 4_000

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_ROW_NUMBER = re.compile(rb'<(?:x:)?row [^>]*?\br="(\d+)"')
_FAR_COLUMN = re.compile(rb'\br="([A-Z]{3}|[B-Z][A-Z])\d+"')


class UnreadableFile(Exception):
    """The whole file is refused: `code` is stable, `message_ru` tells its sender what to do."""

    def __init__(self, code: str, message_ru: str) -> None:
        super().__init__(code)
        self.code = code
        self.message_ru = message_ru


@dataclass(frozen=True, slots=True)
class RawRow:
    """`number` is 1-based, as the sheet's own rows (a text file's records) are counted, blank ones too."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """`name` is None for a text file, which has no sheets."""

    name: str | None
    rows: tuple[RawRow, ...]


def read_sheets(content: bytes) -> list[Sheet]:
    """All the sheets of a workbook (xlsx, xlsm, xlsb, xls, ods), of an HTML table or of delimited text.

    Raises UnreadableFile with one of: file_empty, file_too_large, file_password_protected, file_corrupt,
    file_format_unknown, sheet_too_large. Raises nothing else, whatever the bytes are.
    """
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise UnreadableFile("file_empty", "Файл пуст — проверьте, тот ли файл отправлен, и пришлите его снова.")
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFile("file_too_large", "Файл больше 128 МБ — разделите его на части по районам.")
    if content.startswith(_ZIP):
        _check_archive(content)
        return _workbook(content)
    if content.startswith(_OLE):
        if _ENCRYPTED_STREAM in content:
            raise _protected()
        return _workbook(content)
    if _looks_like_html(content):
        return _html(content)
    return [_text(content)]


def _protected() -> UnreadableFile:
    return UnreadableFile(
        "file_password_protected",
        "Файл защищён паролем — снимите пароль (Файл → Сведения → Защита книги), сохраните и пришлите снова.",
    )


def _corrupt() -> UnreadableFile:
    return UnreadableFile(
        "file_corrupt",
        "Файл повреждён — откройте его в Excel, сохраните как «Книга Excel (.xlsx)» и пришлите снова.",
    )


def _unknown_format() -> UnreadableFile:
    return UnreadableFile(
        "file_format_unknown",
        "Это не таблица Excel, OpenDocument или CSV — сохраните реестр как .xlsx и пришлите снова.",
    )


def _too_large() -> UnreadableFile:
    return UnreadableFile(
        "sheet_too_large",
        "Лист слишком велик: есть заполненная ячейка далеко за таблицей — удалите пустые строки и столбцы "
        "после таблицы и сохраните снова.",
    )


def _check_archive(content: bytes) -> None:
    """Refuses archive bombs and sheets with a far stray cell before the workbook reader takes memory for
    them."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
                raise _too_large()
            if any(member.flag_bits & 1 for member in members):
                raise _protected()
            for member in members:
                if re.match(r"xl/worksheets/[^/]+\.xml$", member.filename):
                    _check_extent(archive, member)
    except UnreadableFile:
        raise
    # zipfile answers broken input with many classes of its own and of the decompressors
    except Exception as error:
        raise _corrupt() from error


def _check_extent(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    rows = 0
    columns = 52
    tail = b""
    with archive.open(member) as stream:
        while chunk := stream.read(1 << 20):
            window = tail + chunk
            last = window.rfind(b"<row ")
            if last >= 0 and (match := _ROW_NUMBER.match(window, last)):
                rows = max(rows, int(match[1]))
            for letters in set(_FAR_COLUMN.findall(window)):
                columns = max(columns, functools.reduce(lambda n, ch: n * 26 + ch - 64, letters, 0))
            tail = window[-200:]
    if rows * columns > 2 * MAX_CELLS:
        raise _too_large()


def _workbook(content: bytes) -> list[Sheet]:
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [m.name for m in book.sheets_metadata if m.typ == SheetTypeEnum.WorkSheet]
        sheets = []
        for name in names:
            sheet = book.get_sheet_by_name(name)
            if sheet.total_height * sheet.total_width > MAX_CELLS:
                raise _too_large()
            first = sheet.start[0] if sheet.start else 0
            left = sheet.start[1] if sheet.start else 0
            rows = sheet.to_python(skip_empty_area=True)
            sheets.append(Sheet(name, tuple(_raw(first + i, left, row) for i, row in enumerate(rows, 1))))
    except UnreadableFile:
        raise
    except PasswordError as error:
        raise _protected() from error
    except CalamineError as error:
        raise (_protected() if "password" in str(error).lower() else _corrupt()) from error
    # the reader is a native library: whatever a broken file makes it raise, the file is what is wrong
    except Exception as error:
        raise _corrupt() from error
    if not sheets:
        raise _unknown_format()
    return sheets


def _raw(number: int, left: int, cells: Sequence[Cell]) -> RawRow:
    kept = tuple([c[:MAX_CELL_CHARS] if type(c) is str and len(c) > MAX_CELL_CHARS else c for c in cells])
    return RawRow(number, (None,) * left + kept if left else kept)


def _text(content: bytes) -> Sheet:
    text = decode(content)
    if text is None:
        raise _unknown_format()
    rows = rows_of_text(text)
    return Sheet(None, tuple(_raw(n, 0, row) for n, row in enumerate(rows, 1)))


def decode(content: bytes) -> str | None:
    """The text of the bytes by byte-order mark, else UTF-8 if they are valid, else the likeliest
    Cyrillic code page.

    None for what is no text: too many control characters, or nothing that any code page makes words of.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    elif _high_bytes(content[1:2000:2]) > 0.9:
        text = content.decode("utf-16-le", errors="replace")
    elif _high_bytes(content[0:2000:2]) > 0.9:
        text = content.decode("utf-16-be", errors="replace")
    else:
        text = _eight_bits(content)
    sample = text[:20_000]
    odd = sum(1 for ch in sample if (ch < " " and ch not in "\t\r\n\x00") or ch == "\ufffd")
    words = sum(1 for ch in sample if ch.isalnum() or ch in ' ;,\t\r\n|.-"')
    if odd > max(2, len(sample) // 200) or words < len(sample) * 0.6:
        return None
    return text.replace("\x00", "")


def _high_bytes(half: bytes) -> float:
    """The share of bytes that are the upper halves of Latin (0) and Cyrillic (4) letters in UTF-16."""
    return (half.count(0) + half.count(4)) / max(1, len(half))


def _eight_bits(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pages = (content.decode(page, errors="replace") for page in ("cp1251", "cp866", "koi8-r"))
        best = max(pages, key=_russian_score)
        broken_utf8 = content.decode("utf-8-sig", errors="replace")
        # a few damaged bytes in a UTF-8 file must not turn all of it into another code page
        return broken_utf8 if broken_utf8.count("\ufffd") * 20 < len(broken_utf8) - len(content) // 2 else best


def _russian_score(text: str) -> float:
    sample = [ch for ch in text[:20_000] if ch > "\x7f"]
    frequent = sum(ch in "оеаинтсрвлОЕАИНТСРВЛ" for ch in sample)
    # in a wrong code page the small letters come out as capitals or as frames
    mixed = len(re.findall(r"[а-яё][А-ЯЁ]", text[:20_000]))
    return (frequent - mixed) / max(1, len(sample))


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


def _html(content: bytes) -> list[Sheet]:
    text = decode(content)
    if text is None:
        raise _unknown_format()
    tables = _Tables()
    tables.feed(text)
    if not tables.rows:
        raise _unknown_format()
    return [Sheet(None, tuple(_raw(n, 0, row) for n, row in enumerate(tables.rows, 1)))]


def filled(row: RawRow) -> Iterator[tuple[int, Cell]]:
    """The row's columns that hold something."""
    for column, cell in enumerate(row.cells):
        if cell is not None and cell != "" and not (isinstance(cell, str) and not cell.strip()):
            yield column, cell
