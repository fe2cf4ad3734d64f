"""Files that pass between us and a factory or a bank: a header, lines, and a trailer that proves them whole.

Semicolon-separated (RFC 4180 quoting), UTF-8, CRLF. The header begins with `H` and the version of the format; the
trailer is `T`, the number of lines between, control totals if the format has any, and the SHA-256, in hexadecimal, of
every byte before the trailer's line.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import FileInvalid

_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Line:
    """One line between header and trailer; `place` counts from 1 over the whole file."""

    place: int
    fields: Sequence[str]


@dataclass(frozen=True)
class CheckedFile:
    """A file whose trailer is true."""

    header: Sequence[str]
    """Without `H` and the version."""
    lines: Sequence[Line]
    totals: Sequence[int]
    sha256: str
    """Of the whole file: whether it has been here before."""


def written(
    version: str, header: Sequence[str], lines: Sequence[Sequence[str]], totals: Sequence[int] = ()
) -> tuple[bytes, str]:
    """The file, and the SHA-256 that its trailer tells."""
    body = _csv([["H", version, *header], *lines])
    digest = hashlib.sha256(body).hexdigest()
    return body + _csv([["T", str(len(lines)), *map(str, totals), digest]]), digest


def read(content: bytes, version: str, header_fields: int, totals: int = 0) -> CheckedFile:
    """Raises FileInvalid with the number of the line that is wrong."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FileInvalid(content[: error.start].count(b"\n") + 1, "it is no UTF-8.") from None
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        raise FileInvalid(1, "a header and a trailer are needed.")
    header = _fields(lines[0], 1)
    if len(header) != 2 + header_fields or header[:2] != ["H", version]:
        raise FileInvalid(1, f"a header is H;{version} and {header_fields} more fields.")
    trailer = _fields(lines[-1], len(lines))
    if len(trailer) != 3 + totals or trailer[0] != "T":
        raise FileInvalid(len(lines), f"a trailer is T, the number of lines, {totals} totals and the SHA-256.")
    if whole(trailer[1], len(lines)) != len(lines) - 2:
        raise FileInvalid(len(lines), f"it tells of {trailer[1]} lines, and the file has {len(lines) - 2}.")
    if hashlib.sha256("".join(lines[:-1]).encode()).hexdigest() != trailer[-1].lower():
        raise FileInvalid(len(lines), "its SHA-256 is not that of the lines before it.")
    return CheckedFile(
        header[2:],
        [Line(place, _fields(line, place)) for place, line in enumerate(lines[1:-1], start=2)],
        [whole(total, len(lines)) for total in trailer[2:-1]],
        hashlib.sha256(content).hexdigest(),
    )


def whole(text: str, place: int) -> int:
    """A field that is a whole number."""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise FileInvalid(place, f"{text[:20]!r} is no whole number.")
    return int(text)


def note(text: str, longest: int = 100) -> str | None:
    """A field of free text: what can be shown of it; None when that is nothing."""
    return "".join(c for c in text if c.isprintable()).strip()[:longest] or None


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    output = io.StringIO(newline="")
    csv.writer(output, delimiter=";", lineterminator="\r\n").writerows(rows)
    return output.getvalue().encode()


def _fields(line: str, place: int) -> list[str]:
    try:
        rows = list(csv.reader([line], delimiter=";", strict=True))
    except csv.Error:
        raise FileInvalid(place, "its quotation marks do not close.") from None
    return rows[0] if rows else []
