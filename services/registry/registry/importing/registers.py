"""One sheet of a register → parsed people, row by row, each with the reasons against taking it."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from typing import NamedTuple

from registry.importing.dates import DateReading, Order, read_date
from registry.importing.headings import Layout, find_layout
from registry.importing.mapping import NO_MAPPING, Mapping
from registry.importing.messages import (
    Objection,
    birth_date_objection,
    name_objection,
    organisation_objection,
)
from registry.importing.names import PersonName, name_of_parts, name_of_text
from registry.importing.organisation_index import OrganisationIndex
from registry.importing.outcomes import ParsedPerson
from registry.importing.reading import Cell, RawRow, Sheet, filled
from registry.importing.rows import RowSorter
from registry.importing.texts import clean
from registry.importing.values import (
    Category,
    infer_sex,
    is_mark,
    read_card_number,
    read_category,
    read_email,
    read_phone,
    read_sex,
)
from registry.importing.vocabulary import ORGANISATION, Field


class ParsedRow(NamedTuple):
    """A data row: the person as far as it could be read, and what speaks against it (the gravest first)."""

    row: int
    name: PersonName
    person: ParsedPerson
    objections: tuple[Objection, ...]


class Register:
    """A sheet understood as a register of people."""

    def __init__(
        self, sheet: Sheet, layout: Layout, organisations: OrganisationIndex, stem: str, as_of: date
    ) -> None:
        """`stem` is the file's name without its ending: offices name a file by the organisation's code."""
        self.sheet = sheet
        self.layout = layout
        self._index = organisations
        self._as_of = as_of
        self._cell_of = dict(layout.columns)
        self._districts: tuple[int, ...] = ()
        self.within = self._context(stem)
        self.organisation_id, self._organisation_text = self._default(stem)
        self._choose_organisation_column()
        self._fills_down = self._names_each_organisation_once()
        self._column_names_organisations = self.organisation_id is None or self._column_is_right()

    @property
    def columns(self) -> dict[str, str]:
        """The headings of the columns that are read, by field; '' for a column guessed by its content."""
        known = self.layout.headings
        return {
            name: known.get(name, "") if self.layout.columns.get(name) == column else ""
            for name, column in self._cell_of.items()
        }

    @property
    def places(self) -> dict[Field, int]:
        """The columns that are read, by field."""
        return dict(self._cell_of)

    def rows(self) -> Iterator[ParsedRow]:
        sorter = RowSorter(self.layout)
        caption: tuple[str | None, str] | None = None
        above: tuple[str | None, str] | None = None
        for row in islice(self.sheet, self.layout.data_from, None):
            kind = sorter.kind(row)
            if kind == "person":
                parsed = self._parse(row, above or caption)
                if self._fills_down and parsed.person.organisation_text:
                    above = parsed.person.organisation_id, parsed.person.organisation_text
                yield parsed
            elif kind == "caption":
                text = next(text for cell in row.cells if (text := clean(cell)))
                caption, above = (self._index.match(text, self.within), text), None

    def _context(self, stem: str) -> str | None:
        """The organisation that the whole sheet is about, of any kind: it decides between namesakes."""
        for text in (*reversed(self.layout.titles), self.sheet.name or "", stem):
            if text and (found := self._index.match(text, members_only=False)):
                return found
        return None

    def _default(self, stem: str) -> tuple[str | None, str]:
        """The organisation of the rows that name none: by the titles, the sheet's name, the file's name."""
        said = ""
        for text in (*reversed(self.layout.titles), self.sheet.name or "", stem):
            for part in (text, *_after_colon(text)):
                if part and (found := self._index.match(part, self.within)):
                    return found, part
            if not said and ORGANISATION.search(text.lower()):
                said = text
        return None, said

    def _choose_organisation_column(self) -> None:
        """Of several columns of organisations (district, school) the one whose names are primaries is
        the one; the others tell the district."""
        columns = self.layout.organisation_columns
        sample = self.sheet.head[self.layout.data_from :][:300]
        if not any(name in self._cell_of for name in _ORGANISATION_FIELDS):
            # no heading and no look of a name: codes are known only by the tree itself
            taken = set(self._cell_of.values())
            width = max((len(row.cells) for row in sample), default=0)
            free = range(width) if self.organisation_id is None else ()
            columns = tuple(column for column in free if column not in taken)
        elif len(columns) < 2:
            return

        people = [row for row in sample if sum(1 for _ in filled(row)) > 2]

        def known(column: int) -> int:
            texts = [clean(row.cells[column]) for row in people if column < len(row.cells)]
            return sum(self._index.match(text, self.within) is not None for text in texts if text)

        if not columns:
            return
        best = max(columns, key=known)
        if known(best) * 2 >= min(len(people), 2):
            self._cell_of["organisation"] = best
        self._districts = tuple(c for c in self.layout.organisation_columns if c != best)

    def _names_each_organisation_once(self) -> bool:
        """True for a column of merged cells: the name stands in the first row of its people only."""
        column = self._cell_of.get("organisation")
        if column is None:
            return False
        rows = [row for row in self.sheet.head[self.layout.data_from :] if sum(map(bool, row.cells)) > 2]
        named = sum(1 for row in rows if column < len(row.cells) and clean(row.cells[column]))
        return 0 < named < len(rows) / 2

    def _column_is_right(self) -> bool:
        """False for a column of faculties or posts, none of which is an organisation, in a sheet of one
        primary."""
        texts = {
            text
            for row in self.sheet.head[self.layout.data_from :]
            for name in ("organisation_code", "organisation")
            if (text := clean(self._cell(row, name)))
        }
        return any(self._index.match(text, self.within) for text in texts)

    def _cell(self, row: RawRow, name: Field) -> Cell:
        column = self._cell_of.get(name)
        return row.cells[column] if column is not None and column < len(row.cells) else None

    def _parse(self, row: RawRow, caption: tuple[str | None, str] | None) -> ParsedRow:
        cell = self._cell
        name = self._name(row)
        birth_cell = cell(row, "birth_date")
        birth = read_date(birth_cell, self._as_of, self.layout.birth_order)
        category = read_category(cell(row, "category")) or self._marked_category(row)
        organisation_id, organisation_text = self._organisation(row, caption)
        person = ParsedPerson(
            last=name.last,
            first=name.first,
            patronymic=name.patronymic,
            sex=read_sex(cell(row, "sex")) or infer_sex(name.last, name.patronymic),
            birth_date=birth.value,
            phone=read_phone(cell(row, "phone")),
            email=read_email(cell(row, "email")),
            category=category,
            card_number=read_card_number(cell(row, "card_number")),
            joined_on=_past(cell(row, "joined_on"), self._as_of, self.layout.joined_order),
            organisation_id=organisation_id,
            organisation_text=organisation_text,
        )
        objections = (
            name_objection(name),
            birth_date_objection(birth, clean(birth_cell), category, self._as_of),
            organisation_objection(organisation_id, organisation_text),
        )
        return ParsedRow(row.number, name, person, tuple(o for o in objections if o is not None))

    def _marked_category(self, row: RawRow) -> Category | None:
        """The heading of the one column of categories («Работающий», «Студент») that holds a mark in
        this row."""
        marked = [
            category
            for column, category in self.layout.category_marks.items()
            if column < len(row.cells) and is_mark(row.cells[column])
        ]
        return marked[0] if len(marked) == 1 else None

    def _name(self, row: RawRow) -> PersonName:
        columns = self._cell_of
        if "full_name" in columns:
            return name_of_text(self._cell(row, "full_name"))
        if "first_patronymic" in columns:
            first, *rest = clean(self._cell(row, "first_patronymic")).split(" ", 1) or [""]
            return name_of_parts(self._cell(row, "last"), first, rest[0] if rest else "")
        return name_of_parts(self._cell(row, "last"), self._cell(row, "first"), self._cell(row, "patronymic"))

    def _organisation(self, row: RawRow, caption: tuple[str | None, str] | None) -> tuple[str | None, str]:
        if self._column_names_organisations:
            said = ""
            within = self._district(row) if self._districts else self.within
            for name in _ORGANISATION_FIELDS:
                if name in self._cell_of and (text := clean(self._cell(row, name))):
                    if found := self._index.match(text, within):
                        return found, text
                    said = text
            if said:
                return None, said
        return caption or (self.organisation_id, self._organisation_text)

    def _district(self, row: RawRow) -> str | None:
        for column in self._districts:
            if column < len(row.cells) and (text := clean(row.cells[column])):
                found = self._index.match(text, members_only=False)
                if found:
                    return found
        return self.within


_ORGANISATION_FIELDS: tuple[Field, ...] = ("organisation_code", "organisation")


def _after_colon(text: str) -> tuple[str, ...]:
    """«Организация: ППО …» and «Список членов Профсоюза ППО …» say the name after a lead-in."""
    parts = []
    if ":" in text:
        parts.append(text.split(":", 1)[1])
    match = ORGANISATION.search(text.lower())
    if match and match.start() > 0:
        parts.append(text[match.start() :])
    return tuple(part.strip() for part in parts)


def _past(cell: Cell, as_of: date, order: Order) -> date | None:
    reading: DateReading = read_date(cell, as_of, order)
    return reading.value if reading.value and reading.value <= as_of else None


def registers_of(
    sheets: Iterable[Sheet],
    organisations: OrganisationIndex,
    stem: str,
    as_of: date,
    mapping: Mapping = NO_MAPPING,
) -> Iterator[Register]:
    """The sheets that hold a register; others (instructions, summaries, empty sheets) are left out."""
    for sheet in sheets:
        layout = find_layout(sheet.head, as_of, mapping)
        if layout is not None:
            yield Register(sheet, layout, organisations, stem, as_of)
