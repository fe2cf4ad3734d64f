"""What the engine says: plain frozen records, the same for the API, the command line and the tests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

from registry.importing.values import Category, Sex

Outcome = Literal["accepted", "rejected", "duplicate"]
RejectReason = Literal[
    "name_missing", "birth_date_unreadable", "birth_date_impossible", "too_young", "organisation_unknown"
]
DuplicateReason = Literal[
    "same_register_exact", "same_register_case", "same_register_yo", "same_register_lookalike",
    "same_register_swapped", "same_register_typo", "member_elsewhere",
]  # fmt: skip
Reason = RejectReason | DuplicateReason


class ParsedPerson(NamedTuple):
    """A data row, cleaned. None is «not given»; the name's parts are '' where the register has none."""

    last: str
    first: str
    patronymic: str
    sex: Sex | None
    birth_date: date | None
    phone: str | None
    email: str | None
    category: Category | None
    card_number: str | None
    joined_on: date | None
    organisation_id: str | None
    organisation_text: str


@dataclass(frozen=True, slots=True)
class RowRef:
    """A row of a register: `sheet` is None for text files."""

    file: str
    sheet: str | None
    row: int


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What a careful registrar would do with one data row.

    `of` is the accepted row that a duplicate repeats; `of_person` is the person's id when that one is in the
    base. `message_ru` is the whole sentence; `problem_ru` and `advice_ru` are its halves, what is wrong and
    what to do, for a table with a column for each. All three are '' for an accepted row.
    """

    sheet: str | None
    row: int
    outcome: Outcome
    reason: Reason | None = None
    of: RowRef | None = None
    of_person: str | None = None
    person: ParsedPerson | None = None
    message_ru: str = ""
    problem_ru: str = ""
    advice_ru: str = ""


@dataclass(frozen=True, slots=True)
class SheetReading:
    """How a sheet was understood: shown to the office, so that a wrong guess is seen before it is applied.

    `columns` maps a field to its heading's text ('' when the column was guessed by content), `letters` to the column
    as Excel names it, `confidence` to how sure that is (0…1; 1 when the office said it). `shape` is the same for files
    of the same headings.
    """

    name: str | None
    heading_row: int | None
    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    organisation_id: str | None
    data_rows: int
    letters: Mapping[str, str] = field(default_factory=dict)
    confidence: Mapping[str, float] = field(default_factory=dict)
    shape: str = ""


@dataclass(frozen=True, slots=True)
class ToldSheet:
    """A sheet with a register: where its headings stand, and what was decided, row after row, to be walked once."""

    name: str | None
    heading_row: int | None
    rows: Iterator[RowOutcome]


@dataclass(frozen=True, slots=True)
class FileRefusal:
    """The whole file is refused: a stable code and what to do."""

    code: str
    message_ru: str
