"""Which rows of a table are people, which are totals, signatures, headings again or an organisation's
caption."""

from typing import Literal

from registry.importing.headings import Layout
from registry.importing.names import name_of_text
from registry.importing.reading import Cell, RawRow, filled
from registry.importing.texts import clean, fold, fold_heading
from registry.importing.vocabulary import ORGANISATION, SIGNATURE_LINE, SIGNATURES, TOTALS, Field

RowKind = Literal["person", "caption", "nothing"]

_NAMES: tuple[Field, ...] = ("full_name", "last", "first", "first_patronymic")
_PERSONAL: tuple[Field, ...] = ("birth_date", "joined_on", "card_number", "phone", "email")
_OTHER: tuple[Field, ...] = ("category", "organisation", "organisation_code", "sex")


class RowSorter:
    """Sorts the rows of one sheet, top to bottom. Call `kind` once for each row, in order: after a total or a
    signature a lonely name is the one of who signed."""

    def __init__(self, layout: Layout) -> None:
        columns = layout.columns
        self._names = tuple(columns[name] for name in _NAMES if name in columns)
        self._personal = tuple(columns[name] for name in _PERSONAL if name in columns)
        self._other = tuple(columns[name] for name in _OTHER if name in columns)
        self._birth = columns.get("birth_date")
        self._headings = layout.heading_texts
        self._closed = False

    def kind(self, row: RawRow) -> RowKind:
        cells = row.cells
        named = _count(cells, self._names)
        personal = _count(cells, self._personal)
        evidence = personal + _count(cells, self._other)
        if named and personal >= 2 and evidence >= 3 and self._is_plain_person(cells):
            self._closed = False
            return "person"
        return self._sparse(row, named, personal, evidence)

    def _is_plain_person(self, cells: tuple[Cell, ...]) -> bool:
        """The short way for nearly all rows: the name is a text and neither a heading's word nor a
        total's."""
        name = cells[self._names[0]] if self._names[0] < len(cells) else None
        if not isinstance(name, str):
            return False
        lowered = name.strip(" .:").lower()
        if lowered in self._headings or TOTALS.match(lowered):
            return False
        birth = cells[self._birth] if self._birth is not None and self._birth < len(cells) else None
        # «дата рождения» under «дата рождения» is a heading again: such a row is looked at closely
        return not isinstance(birth, str) or any(ch.isdigit() for ch in birth)

    def _sparse(self, row: RawRow, named: int, personal: int, evidence: int) -> RowKind:
        texts = [clean(cell) for _, cell in filled(row)]
        if not texts or self._is_heading_again(row):
            return "nothing"
        if self._is_total(row) or (_is_signature(texts) and (evidence < 2 or not self._has_figures(row))):
            self._closed = True
            return "nothing"
        if len(set(texts)) == 1:
            return self._lonely(texts[0], bool(named))
        if named:
            name = " ".join(clean(row.cells[c]) for c in self._names if c < len(row.cells))
            return "person" if evidence or not (self._closed or name_of_text(name).missing) else "nothing"
        return "person" if personal and evidence >= 2 else "nothing"

    def _lonely(self, text: str, in_name_column: bool) -> RowKind:
        """A row with one text: an organisation's caption over its people, a person without any data, or
        a remark."""
        folded = fold(text)
        if ORGANISATION.search(folded) or any(mark in text for mark in '«»№"'):
            return "caption"
        if in_name_column and not self._closed and not any(ch.isdigit() for ch in text):
            name = name_of_text(text)
            if not name.missing and len(text.split()) in (2, 3, 4):
                return "person"
        return "nothing"

    def _has_figures(self, row: RawRow) -> bool:
        """True when a date, a number or a contact stands where one should."""
        cells = [row.cells[column] for column in self._personal if column < len(row.cells)]
        return any(
            not isinstance(cell, str) or any(ch.isdigit() for ch in cell) for cell in cells if cell is not None
        )

    def _is_total(self, row: RawRow) -> bool:
        texts = [fold(cell) for _, cell in filled(row) if isinstance(cell, str)][:2]
        return any(TOTALS.match(text.lstrip(" .")) for text in texts)

    def _is_heading_again(self, row: RawRow) -> bool:
        if not self._headings:
            return False
        cells = [cell for _, cell in filled(row)]
        texts = [text for cell in cells if isinstance(cell, str) and (text := fold_heading(cell))]
        if len(texts) < 2 or len(texts) * 2 < len(cells):
            return False
        known = sum(text in self._headings for text in texts)
        # a heading over several rows comes again row by row, with captions of groups among them
        return known >= 2 and known * 10 >= len(texts) * 6


def _count(cells: tuple[Cell, ...], columns: tuple[int, ...]) -> int:
    width = len(cells)
    count = 0
    for column in columns:
        if column < width:
            cell = cells[column]
            count += cell is not None and cell != "" and not (type(cell) is str and cell.isspace())
    return count


def _is_signature(texts: list[str]) -> bool:
    return bool(SIGNATURES.match(fold(texts[0])) or any(SIGNATURE_LINE.search(text.lower()) for text in texts))
