"""The two files that pass between us and the card factory. Pure: bytes in, bytes out.

Both are semicolon-separated UTF-8: a header `H`, a line a card, a trailer `T` with the number of those lines and the
SHA-256, in hexadecimal, of every byte before the trailer's line. docs/cards/factory.md has the columns.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cards.errors import FactoryFileInvalid

VERSION = "1"
ANSWERS = ("produced", "spoiled", "dispatched")
_LONGEST_NOTE = 100


@dataclass(frozen=True)
class Personalised:
    """What is printed on one card. Holds personal data: it lives as long as the request that makes the file."""

    serial: str
    number: str
    last_name: str
    first_name: str
    patronymic: str
    valid_through: str
    """MM/YY, the last month in which the card is valid."""
    qr: str


@dataclass(frozen=True)
class Answer:
    """What the factory says of one piece of plastic."""

    serial: str
    answer: str
    note: str | None
    line: int


@dataclass(frozen=True)
class Response:
    """A whole answer of the factory, read and checked against its trailer."""

    reference: str
    number: int
    answers: Sequence[Answer]
    sha256: str


def personalisation(
    reference: str, file_number: int, made_at: datetime, cards: Sequence[Personalised]
) -> tuple[bytes, str]:
    """The file, not yet encrypted, and the SHA-256 that its trailer tells."""
    lines = [["H", VERSION, reference, str(file_number), made_at.isoformat(timespec="seconds"), str(len(cards))]]
    for card in cards:
        names = (card.last_name, card.first_name, card.patronymic)
        lines.append(["C", card.serial, card.number, *names, card.valid_through, card.qr])
    body = _written(lines)
    digest = hashlib.sha256(body).hexdigest()
    return body + _written([["T", str(len(cards)), digest]]), digest


def read_response(content: bytes) -> Response:
    """Raises FactoryFileInvalid with the number of the line that is wrong."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FactoryFileInvalid(content[: error.start].count(b"\n") + 1, "it is no UTF-8.") from None
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        raise FactoryFileInvalid(1, "a header, the answers and a trailer are needed.")
    reference, number = _header(_fields(lines[0], 1))
    count, digest = _trailer(_fields(lines[-1], len(lines)), len(lines))
    answers = [_answer(_fields(line, place), place) for place, line in enumerate(lines[1:-1], start=2)]
    if count != len(answers):
        raise FactoryFileInvalid(len(lines), f"it tells of {count} answers, and the file has {len(answers)}.")
    if hashlib.sha256("".join(lines[:-1]).encode()).hexdigest() != digest:
        raise FactoryFileInvalid(len(lines), "its SHA-256 is not that of the lines before it.")
    seen: set[tuple[str, str]] = set()
    for answer in answers:
        if (answer.serial, answer.answer) in seen:
            raise FactoryFileInvalid(answer.line, "this serial has been answered before in this file.")
        seen.add((answer.serial, answer.answer))
    return Response(reference, number, answers, hashlib.sha256(content).hexdigest())


def _written(lines: Sequence[Sequence[str]]) -> bytes:
    output = io.StringIO(newline="")
    csv.writer(output, delimiter=";", lineterminator="\r\n").writerows(lines)
    return output.getvalue().encode()


def _fields(line: str, place: int) -> list[str]:
    try:
        rows = list(csv.reader([line], delimiter=";", strict=True))
    except csv.Error:
        raise FactoryFileInvalid(place, "its quotation marks do not close.") from None
    return rows[0] if rows else []


def _header(fields: list[str]) -> tuple[str, int]:
    if len(fields) != 4 or fields[0] != "H" or fields[1] != VERSION:
        raise FactoryFileInvalid(1, f"a header is H;{VERSION};reference of the batch;number of the answer.")
    return fields[2], _whole(fields[3], 1)


def _trailer(fields: list[str], place: int) -> tuple[int, str]:
    if len(fields) != 3 or fields[0] != "T":
        raise FactoryFileInvalid(place, "a trailer is T;number of answers;SHA-256.")
    return _whole(fields[1], place), fields[2].lower()


def _answer(fields: list[str], place: int) -> Answer:
    if len(fields) != 4 or fields[0] != "R" or fields[2] not in ANSWERS:
        raise FactoryFileInvalid(place, f"an answer is R;serial;{' or '.join(ANSWERS)};note.")
    note = "".join(c for c in fields[3] if c.isprintable())[:_LONGEST_NOTE]
    return Answer(fields[1], fields[2], note or None, place)


def _whole(text: str, place: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FactoryFileInvalid(place, f"{text[:20]!r} is no whole number.")
    return int(text)
