"""The process that reads registers for an import: `python -m registry.importing.worker`.

A process of its own, with a bound on its memory: a broken or hostile file ends it and not the service, and reading goes
on while the database works. Frames both ways: a letter, the length in four bytes, the content.

In:  S  the organisations, the date of the registers, the mapping (JSON), once;
     F  {number, name} of a file (JSON), then C  its bytes.
Out: R  rows of the staging table, as COPY takes text (the empty string is null);
     E  {rows, sheets, refusal} (JSON), after the last row of a file.
"""

import contextlib
import dataclasses
import json
import struct
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any, BinaryIO

from uuid_utils import uuid7

from registry.importing.mapping import Mapping
from registry.importing.names import match_key
from registry.importing.opening import open_registers, reading_of
from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex
from registry.importing.refusals import UnreadableFile, too_large
from registry.importing.registers import ParsedRow

FRAME = struct.Struct(">cI")
MEMORY_BYTES = 768 * 1024 * 1024
COLUMNS = (
    *("file_number", "number", "sheet", "row", "outcome", "reason", "written"),
    *("last_name", "first_name", "patronymic", "birth_date", "sex", "phone", "email"),
    *("category", "card", "joined_on", "organisation_id", "match_key"),
    # Made here, on a core that is free anyway: the database asks the kernel for random bytes each time.
    *("person_id", "member_id", "membership_id", "event_id"),
)
_ROWS_A_FRAME = 500
_TABS = len(COLUMNS) - 1
_NO_PERSON = "\t" * (_TABS - 5) + "\n"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": ""})


def main() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not there on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    _, setup = _receive(source)
    said = json.loads(setup)
    index = OrganisationIndex(IndexedOrganisation(*row) for row in said["organisations"])
    as_of, mapping = date.fromisoformat(said["as_of"]), Mapping(**said["mapping"])
    while True:
        letter, header = _receive(source)
        if not letter:
            return
        file = json.loads(header)
        _, content = _receive(source)
        _read(target, file["number"], file["name"], content, index, as_of, mapping)
        del content


def _receive(source: BinaryIO) -> tuple[bytes, bytes]:
    """The next frame; empty when the other side has ended."""
    head = source.read(FRAME.size)
    if len(head) < FRAME.size:
        return b"", b""
    letter, length = FRAME.unpack(head)
    return letter, source.read(length)


def _send(target: BinaryIO, letter: bytes, content: bytes) -> None:
    target.write(FRAME.pack(letter, len(content)))
    target.write(content)
    target.flush()


def _read(
    target: BinaryIO,
    number: int,
    name: str,
    content: bytes,
    index: OrganisationIndex,
    as_of: date,
    mapping: Mapping,
) -> None:
    readings: list[dict[str, Any]] = []
    refusal: dict[str, str] | None = None
    rows = 0
    lines: list[str] = []
    try:
        for register in open_registers(name, content, index, as_of, mapping):
            before = rows
            for line in _lines(number, rows, register.sheet.name, register.rows(), as_of):
                rows += 1
                lines.append(line)
                if len(lines) >= _ROWS_A_FRAME:
                    _send(target, b"R", "".join(lines).encode())
                    lines.clear()
            readings.append(dataclasses.asdict(reading_of(register, rows - before)))
    except UnreadableFile as error:
        refusal = {"code": error.code, "message": error.message_ru}
    except MemoryError:
        refusal = {"code": too_large().code, "message": too_large().message_ru}
    if lines and refusal is None:
        _send(target, b"R", "".join(lines).encode())
    _send(target, b"E", json.dumps({"rows": rows, "sheets": readings, "refusal": refusal}).encode())


def _lines(file: int, before: int, sheet: str | None, rows: Iterator[ParsedRow], as_of: date) -> Iterator[str]:
    """The rows as COPY takes them. Of a rejected one nothing personal is kept."""
    where = (sheet or "").translate(_ESCAPES)
    for number, parsed in enumerate(rows, before + 1):
        person = parsed.person
        if parsed.objections or person.birth_date is None:
            yield f"{file}\t{number}\t{where}\t{parsed.row}\trejected\t{parsed.objections[0].reason}{_NO_PERSON}"
            continue
        fields = (
            *(str(file), str(number), where, str(parsed.row), "accepted", "", parsed.name.written),
            *(person.last, person.first, person.patronymic, person.birth_date.isoformat(), person.sex or ""),
            *(person.phone or "", person.email or "", person.category or "", person.card_number or ""),
            (person.joined_on or as_of).isoformat(),
            person.organisation_id or "",
            match_key(person.last, person.first, person.patronymic, person.birth_date),
            *(str(uuid7()), str(uuid7()), str(uuid7()), str(uuid7())),
        )
        line = "\t".join(fields)
        if (
            not line.isprintable()
            and (line.count("\t") != _TABS or "\n" in line or "\r" in line or "\x00" in line)
        ) or "\\" in line:
            line = "\t".join(field if field is where else field.translate(_ESCAPES) for field in fields)
        yield line + "\n"


if __name__ == "__main__":
    main()
