"""The two files that pass between us and the card factory (docs/cards/factory.md). Pure: bytes in, bytes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from common import checked_files
from common.errors import FileInvalid

VERSION = "1"
ANSWERS = ("produced", "spoiled", "dispatched")


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
    header = [reference, str(file_number), made_at.isoformat(timespec="seconds"), str(len(cards))]
    lines = [
        ["C", c.serial, c.number, c.last_name, c.first_name, c.patronymic, c.valid_through, c.qr] for c in cards
    ]
    return checked_files.written(VERSION, header, lines)


def read_response(content: bytes) -> Response:
    """Raises FileInvalid with the number of the line that is wrong."""
    file = checked_files.read(content, VERSION, header_fields=2)
    reference, number = file.header
    answers = [_answer(line) for line in file.lines]
    seen: set[tuple[str, str]] = set()
    for answer in answers:
        if (answer.serial, answer.answer) in seen:
            raise FileInvalid(answer.line, "this serial has been answered before in this file.")
        seen.add((answer.serial, answer.answer))
    return Response(reference, checked_files.whole(number, 1), answers, file.sha256)


def _answer(line: checked_files.Line) -> Answer:
    fields = line.fields
    if len(fields) != 4 or fields[0] != "R" or fields[2] not in ANSWERS:
        raise FileInvalid(line.place, f"an answer is R;serial;{' or '.join(ANSWERS)};note.")
    return Answer(fields[1], fields[2], checked_files.note(fields[3]), line.place)
