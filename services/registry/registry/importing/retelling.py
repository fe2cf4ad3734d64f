"""What was decided of a file, told row by row with the names that its office gave: for the annotated copy."""

import itertools
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import date

from registry.importing.mapping import Mapping
from registry.importing.messages import duplicate_message
from registry.importing.opening import open_registers
from registry.importing.organisation_index import OrganisationIndex
from registry.importing.outcomes import DuplicateReason, Outcome, RowOutcome, RowRef, ToldSheet
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
) -> Iterator[ToldSheet]:
    """The sheets with a register, each to be walked to its end before the next.

    `decided` by the number of the data row in the file, from 1, duplicates alone; the rest is read anew. Raises
    UnreadableFile, also while rows are walked over.
    """
    numbers = itertools.count(1)
    for register in open_registers(name, content, organisations, as_of, mapping):
        sheet = register.sheet.name
        rows = (
            _told(sheet, parsed, decided.get(number))
            for parsed, number in zip(register.rows(), numbers, strict=False)
        )
        yield ToldSheet(sheet, register.layout.heading_row, rows)


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
