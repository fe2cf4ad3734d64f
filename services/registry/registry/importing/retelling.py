"""What was decided of a file, told row by row with the names that its office gave: for the annotated copy."""

from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import date

from registry.importing.mapping import Mapping
from registry.importing.messages import duplicate_message
from registry.importing.opening import open_registers, reading_of
from registry.importing.organisation_index import OrganisationIndex
from registry.importing.outcomes import (
    DuplicateReason,
    FileRefusal,
    FileResult,
    Outcome,
    RowOutcome,
    RowRef,
    SheetReading,
)
from registry.importing.refusals import UnreadableFile
from registry.importing.registers import ParsedRow


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision for one row. `organisation` is where the person is a member, if the office may know it."""

    outcome: Outcome
    reason: DuplicateReason | None = None
    of: RowRef | None = None
    organisation: str | None = None


def retell(
    name: str,
    content: bytes,
    organisations: OrganisationIndex,
    as_of: date,
    mapping: Mapping,
    decided: Map[int, Decided],
) -> FileResult:
    """`decided` by the number of the data row in the file, from 1, duplicates alone; the rest is read anew."""
    rows: list[RowOutcome] = []
    readings: list[SheetReading] = []
    try:
        for register in open_registers(name, content, organisations, as_of, mapping):
            before = len(rows)
            for parsed in register.rows():
                rows.append(_told(register.sheet.name, parsed, decided.get(len(rows) + 1)))
            readings.append(reading_of(register, len(rows) - before))
    except UnreadableFile as refusal:
        return FileResult(name, refusal=FileRefusal(refusal.code, refusal.message_ru))
    return FileResult(name, tuple(rows), tuple(readings))


def _told(sheet: str | None, parsed: ParsedRow, decided: Decided | None) -> RowOutcome:
    if parsed.objections:
        problem = "; ".join(objection.problem_ru for objection in parsed.objections)
        advice = "; ".join(objection.advice_ru for objection in parsed.objections)
        message = "; ".join(f"{o.problem_ru} — {o.advice_ru}" for o in parsed.objections) + "."
        return RowOutcome(
            *(sheet, parsed.row, "rejected", parsed.objections[0].reason),
            person=parsed.person,
            message_ru=message,
            problem_ru=problem,
            advice_ru=advice,
        )
    if decided is None or decided.reason is None:
        return RowOutcome(sheet, parsed.row, "accepted", person=parsed.person)
    problem, advice = duplicate_message(decided.reason, parsed.name.shown, decided.of, decided.organisation)
    return RowOutcome(
        *(sheet, parsed.row, "duplicate", decided.reason, decided.of),
        person=parsed.person,
        message_ru=f"{problem} — {advice}.",
        problem_ru=problem,
        advice_ru=advice,
    )
