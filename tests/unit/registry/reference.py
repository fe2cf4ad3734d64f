"""The decision for every row as a clerk would come to it, one row after another: what the import in sets must equal."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from registry.importing.annotate import annotate
from registry.importing.mapping import NO_MAPPING, Mapping
from registry.importing.messages import duplicate_message
from registry.importing.names import PersonName
from registry.importing.opening import open_registers, reading_of
from registry.importing.organisation_index import OrganisationIndex
from registry.importing.outcomes import (
    FileRefusal,
    RowOutcome,
    RowRef,
    SheetReading,
    ToldSheet,
)
from registry.importing.people import Entry, Match, PeopleIndex
from registry.importing.refusals import UnreadableFile
from registry.importing.registers import ParsedRow


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A register as sent: its name (with the ending) and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person already in the base: `organisation_id` is where they are a member now."""

    id: str
    last: str
    first: str
    patronymic: str
    birth_date: date
    organisation_id: str
    card_number: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file's outcome: `refusal` is set exactly when the file could not be read as a register at all."""

    name: str
    rows: tuple[RowOutcome, ...] = ()
    sheets: tuple[SheetReading, ...] = ()
    refusal: FileRefusal | None = None


def annotated(content: bytes, result: FileResult) -> bytes:
    """The annotated copy of what `result` says of the file."""
    told = (
        ToldSheet(sheet.name, sheet.heading_row, (row for row in result.rows if row.sheet == name))
        for sheet in result.sheets
        for name in [sheet.name]
    )
    target = io.BytesIO()
    annotate(target, content, result.name, told, result.refusal)
    return target.getvalue()


_People = PeopleIndex[RowRef | str]


def classify(
    files: Iterable[SourceFile],
    organisations: OrganisationIndex,
    already: Iterable[KnownPerson],
    as_of: date,
    mapping: Mapping = NO_MAPPING,
) -> Iterator[FileResult]:
    """Yields a result for each file, in the order of the names.

    Of two rows of one person the first is the accepted one; a row that is rejected stands in nobody's
    way. Those in `already` come before every row. Never raises for what a file holds: a file that cannot
    be read yields a result with a refusal. `as_of` is the date of the registers: ages are counted on it.
    """
    people: _People = PeopleIndex()
    for known in already:
        people.add(_entry_of_known(known))
    for file in sorted(files, key=lambda file: file.name):
        yield _classify_file(file, organisations, people, as_of, mapping)


def _classify_file(
    file: SourceFile, organisations: OrganisationIndex, people: _People, as_of: date, mapping: Mapping
) -> FileResult:
    try:
        rows: list[RowOutcome] = []
        readings: list[SheetReading] = []
        for register in open_registers(file.name, file.content, organisations, as_of, mapping):
            before = len(rows)
            sheet = register.sheet.name
            rows.extend(
                _decide(parsed, RowRef(file.name, sheet, parsed.row), organisations, people)
                for parsed in register.rows()
            )
            readings.append(reading_of(register, len(rows) - before))
    except UnreadableFile as refusal:
        return FileResult(file.name, refusal=FileRefusal(refusal.code, refusal.message_ru))
    return FileResult(file.name, tuple(rows), tuple(readings))


def _decide(parsed: ParsedRow, ref: RowRef, organisations: OrganisationIndex, people: _People) -> RowOutcome:
    person = parsed.person
    if parsed.objections or person.birth_date is None or person.organisation_id is None:
        first = parsed.objections[0]
        return RowOutcome(
            ref.sheet,
            ref.row,
            "rejected",
            first.reason,
            person=person,
            message_ru="; ".join(f"{o.problem_ru} — {o.advice_ru}" for o in parsed.objections) + ".",
            problem_ru="; ".join(objection.problem_ru for objection in parsed.objections),
            advice_ru="; ".join(objection.advice_ru for objection in parsed.objections),
        )
    entry: Entry[RowRef | str] = Entry(
        ref,
        parsed.name,
        person.birth_date,
        person.organisation_id,
        person.card_number,
        (person.phone, person.email),
    )
    match = people.find(entry)
    if match is None:
        people.add(entry)
        return RowOutcome(ref.sheet, ref.row, "accepted", person=person)
    return _duplicate(parsed, ref, match, organisations)


def _duplicate(
    parsed: ParsedRow, ref: RowRef, match: Match[RowRef | str], organisations: OrganisationIndex
) -> RowOutcome:
    source = match.entry.source
    of = source if isinstance(source, RowRef) else None
    organisation = organisations.get(match.entry.organisation_id)
    problem, advice = duplicate_message(
        match.reason,
        parsed.name.shown,
        of,
        organisation.name if organisation else match.entry.organisation_id,
    )
    return RowOutcome(
        ref.sheet,
        ref.row,
        "duplicate",
        match.reason,
        of=of,
        of_person=source if isinstance(source, str) else None,
        person=parsed.person,
        message_ru=f"{problem} — {advice}.",
        problem_ru=problem,
        advice_ru=advice,
    )


def _entry_of_known(known: KnownPerson) -> Entry[RowRef | str]:
    written = " ".join(part for part in (known.last, known.first, known.patronymic) if part)
    return Entry(
        known.id,
        PersonName(written, known.last, known.first, known.patronymic),
        known.birth_date,
        known.organisation_id,
        known.card_number,
        (known.phone, known.email),
    )


def build_report(results: Iterable[FileResult]) -> dict[str, Any]:
    """`files.{name}.rows[{sheet, row, outcome, reason, of}]` with `data_rows`, and `totals` by outcome
    and reason.

    No personal data is in it. A refused file has `refusal: {code, message}` and no rows.
    """
    files: dict[str, Any] = {}
    totals: Counter[str] = Counter({"accepted": 0, "rejected": 0, "duplicate": 0})
    for result in results:
        entry: dict[str, Any] = {"rows": [_row(row) for row in result.rows], "data_rows": len(result.rows)}
        if result.refusal:
            entry["refusal"] = {"code": result.refusal.code, "message": result.refusal.message_ru}
            totals["files_refused"] += 1
        files[result.name] = entry
        for row in result.rows:
            totals[row.outcome] += 1
            if row.reason:
                totals[row.reason] += 1
    totals["files"] = len(files)
    return {"files": files, "totals": dict(sorted(totals.items()))}


def _row(row: RowOutcome) -> dict[str, Any]:
    return {
        "sheet": row.sheet,
        "row": row.row,
        "outcome": row.outcome,
        "reason": row.reason,
        "of": [row.of.file, row.of.sheet, row.of.row] if row.of else None,
        "of_person": row.of_person,
    }
