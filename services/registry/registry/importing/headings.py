"""Where the table of a sheet begins and what its columns mean."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from registry.importing.columns import LONG_HEADING, assign, category_marks, guess, heading_field, is_summary
from registry.importing.contents import ColumnContent, look_at
from registry.importing.dates import Order, column_order, read_date
from registry.importing.mapping import FIELDS, NO_MAPPING, shape_of
from registry.importing.mapping import Mapping as Corrections
from registry.importing.reading import RawRow, filled
from registry.importing.texts import clean, fold_heading
from registry.importing.values import Category
from registry.importing.vocabulary import PATRONYMIC, Field

# Titles, addresses and instructions above a heading seldom take more rows than this.
_SEARCHED_ROWS = 60
_NAME_FIELDS: tuple[Field, ...] = ("full_name", "last", "first", "patronymic", "first_patronymic")


@dataclass(frozen=True, slots=True)
class Layout:
    """A sheet's table: columns by field, the rows above it, and where its data begin (index into the
    rows)."""

    columns: Mapping[Field, int]
    headings: Mapping[Field, str]
    heading_row: int | None
    data_from: int
    titles: tuple[str, ...]
    heading_texts: frozenset[str]
    organisation_columns: tuple[int, ...] = ()
    category_marks: Mapping[int, Category] = field(default_factory=dict)
    birth_order: Order = "dmy"
    joined_order: Order = "dmy"
    ignored: tuple[str, ...] = field(default=())
    confidence: Mapping[Field, float] = field(default_factory=dict)
    """How sure each column is, 0…1; 1 when the office said it."""
    shape: str = ""


def find_layout(rows: Sequence[RawRow], as_of: date, mapping: Corrections = NO_MAPPING) -> Layout | None:
    """The layout of a register of people; None when the sheet holds no such table."""
    at = _said_heading(rows, mapping) or _heading_index(rows)
    if at is None:
        return _by_content_alone(rows, as_of, mapping)
    top, bottom = at
    texts = _merged_texts(rows, top, bottom)
    data_from = bottom + 1
    while data_from < len(rows) and (_is_numbering(rows[data_from]) or not any(filled(rows[data_from]))):
        data_from += 1
    contents = _contents(rows[data_from:], as_of)
    columns = assign(texts, contents)
    said = mapping.said(texts, max(contents, default=-1) + 1)
    _apply(columns, said)
    if not any(name in columns for name in ("full_name", "last")) or (not said and is_summary(texts, columns)):
        return None
    known = set(columns.values())
    return Layout(
        columns=columns,
        headings={name: texts.get(column, "") for name, column in columns.items()},
        heading_row=rows[bottom].number,
        data_from=data_from,
        titles=_titles(rows[:top]),
        heading_texts=_heading_texts(rows[top : bottom + 1], texts),
        category_marks=category_marks(texts, rows[data_from:], set(columns.values())),
        organisation_columns=tuple(
            column for column, text in texts.items() if heading_field(fold_heading(text)) == "organisation"
        ),
        birth_order=_order(rows[data_from:], columns.get("birth_date")),
        joined_order=_order(rows[data_from:], columns.get("joined_on")),
        ignored=tuple(text for column, text in texts.items() if column not in known and text),
        confidence=_confidence(columns, said, texts, contents),
        shape=shape_of(texts.values()),
    )


def _said_heading(rows: Sequence[RawRow], mapping: Corrections) -> tuple[int, int] | None:
    """The row in which the headings stand that the office named."""
    wanted = mapping.headings
    best, most = None, 0
    for index, row in enumerate(rows[:_SEARCHED_ROWS] if wanted else ()):
        found = len({fold_heading(cell) for _, cell in filled(row)} & wanted)
        if found > most:
            best, most = index, found
    return None if best is None else (best, best)


def _heading_texts(rows: Sequence[RawRow], merged: Mapping[int, str]) -> frozenset[str]:
    """By what the same heading is known when it stands there again, at the top of a new page."""
    texts = [*merged.values(), *(clean(cell) for row in rows for _, cell in filled(row))]
    return frozenset(form for text in texts for form in (fold_heading(text), text.strip(" .:").lower())) - {""}


def _apply(columns: dict[Field, int], said: Mapping[int, str]) -> None:
    """What the office said stands over every guess."""
    for name, column in list(columns.items()):
        if column in said:
            del columns[name]
    named: dict[Field, int] = {name: column for column, name in said.items() if name in FIELDS}  # type: ignore[misc]
    if "full_name" in named and not {"last", "first"} & named.keys():
        for name in _NAME_FIELDS:
            columns.pop(name, None)
    if "last" in named:
        columns.pop("full_name", None)
    columns.update(named)


def _confidence(
    columns: Mapping[Field, int],
    said: Mapping[int, str],
    texts: Mapping[int, str],
    contents: Mapping[int, ColumnContent],
) -> dict[Field, float]:
    sure: dict[Field, float] = {}
    for name, column in columns.items():
        content = contents.get(column)
        fits = content.fits(name) if content and content.filled else 0.5
        if said.get(column) == name:
            sure[name] = 1.0
        elif heading_field(fold_heading(texts.get(column, ""))) == name:
            sure[name] = round(0.7 + 0.3 * fits, 2)
        else:
            sure[name] = round(0.6 * fits, 2)
    return sure


def _heading_index(rows: Sequence[RawRow]) -> tuple[int, int] | None:
    """First and last index of the heading's rows (a heading of two or three rows is usual)."""
    best, best_score = None, 1.0
    for index, row in enumerate(rows[:_SEARCHED_ROWS]):
        texts = [fold_heading(cell) for _, cell in filled(row)]
        if len(texts) < 2 or any(_is_value(text) for text in texts):
            continue
        fields = {found for text in texts if (found := heading_field(text))}
        # a data row names fields by accident («школа», «работник») but not several different ones
        score = len(fields) + len(fields) / len(texts) + 0.5 * any(name in fields for name in _NAME_FIELDS)
        if len(fields) >= 2 and score > best_score + 0.01:
            best, best_score = index, score
    if best is None:
        return None
    top = bottom = best
    while bottom + 1 < len(rows) and _continues(rows[bottom + 1]):
        bottom += 1
    while top > 0 and _continues(rows[top - 1]) and len(list(filled(rows[top - 1]))) > 1:
        top -= 1
    return top, bottom


def _is_value(text: str) -> bool:
    return bool(re.search(r"\d{3,}|\d\D?\d\D\d\d", text)) or (
        " " in text and bool(PATRONYMIC.search(text)) and "отчеств" not in text
    )


def _continues(row: RawRow) -> bool:
    """True for a further row of a heading: short words only, at least one of them naming a field."""
    texts = [fold_heading(cell) for _, cell in filled(row)]
    if not texts or any(re.search(r"\d", text) or len(text) > LONG_HEADING for text in texts):
        return False
    named = [text for text in texts if heading_field(text)]
    if len(texts) == 1:
        return bool(named) and named[0] in ("фамилия", "имя", "отчество", "фио")
    strict = {
        "last",
        "first",
        "patronymic",
        "birth_date",
        "phone",
        "email",
        "joined_on",
        "card_number",
        "full_name",
    }
    return any(heading_field(text) in strict for text in named) and len(named) * 2 >= len(texts)


def _is_numbering(row: RawRow) -> bool:
    """True for the row «1 2 3 4 …» under a heading."""
    figures = [clean(cell) for _, cell in filled(row)]
    return (
        len(figures) > 2 and figures == [str(n) for n in range(int(figures[0]), int(figures[0]) + len(figures))]
        if (figures and figures[0] in ("0", "1"))
        else False
    )


def _merged_texts(rows: Sequence[RawRow], top: int, bottom: int) -> dict[int, str]:
    """Heading texts by column; the lowest row that names a field wins, upper rows fill the gaps."""
    texts: dict[int, str] = {}
    for index in range(bottom, top - 1, -1):
        for column, cell in filled(rows[index]):
            text = clean(cell)
            below = texts.get(column)
            if below is None:
                texts[column] = text
            elif not heading_field(fold_heading(below)):
                texts[column] = f"{text} {below}"
    if bottom == top:
        return texts
    # a group's caption above («ФИО» over three cells) says nothing of a column that has its own caption below
    own = {column for column, _ in filled(rows[bottom])}
    return {c: t for c, t in texts.items() if c in own or not _is_group(rows[top], c, own)}


def _is_group(row: RawRow, column: int, own: set[int]) -> bool:
    following = [c for c, _ in filled(row) if c > column]
    end = following[0] if following else column + 1
    return any(column < c < end for c in own)


def _contents(rows: Sequence[RawRow], as_of: date) -> dict[int, ColumnContent]:
    sample = [row for row in rows[:600] if sum(1 for _ in filled(row)) > 2] or list(rows[:100])
    width = max((len(row.cells) for row in sample), default=0)
    return {
        column: look_at([row.cells[column] if column < len(row.cells) else None for row in sample], as_of)
        for column in range(min(width, 200))
    }


def _by_content_alone(rows: Sequence[RawRow], as_of: date, mapping: Corrections) -> Layout | None:
    """A register without a heading: needs a column of names and one of dates."""
    columns: dict[Field, int] = {}
    contents = _contents(rows, as_of)
    guess(columns, dict(contents))
    said = mapping.said({}, max(contents, default=-1) + 1)
    _apply(columns, said)
    name = columns.get("full_name", columns.get("last"))
    birth = columns.get("birth_date")
    if name is None or birth is None or contents[birth].filled < 2:
        return None
    first = next((i for i, row in enumerate(rows) if _is_first_person(row, name, birth, as_of)), None)
    if first is None:
        return None
    return Layout(
        columns=columns,
        headings={},
        heading_row=None,
        data_from=first,
        titles=_titles(rows[:first]),
        heading_texts=frozenset(),
        birth_order=_order(rows, birth),
        joined_order=_order(rows, columns.get("joined_on")),
        confidence=_confidence(columns, said, {}, contents),
    )


def _is_first_person(row: RawRow, name: int, birth: int, as_of: date) -> bool:
    """A heading too poor to be known as one («ФИО», «Дата») must not be taken for a person."""
    if not {name, birth} <= {column for column, _ in filled(row)}:
        return False
    return bool(read_date(row.cells[birth], as_of).value) or not heading_field(fold_heading(row.cells[name]))


def _titles(rows: Sequence[RawRow]) -> tuple[str, ...]:
    return tuple(clean(cell) for row in rows for _, cell in filled(row))


def _order(rows: Sequence[RawRow], column: int | None) -> Order:
    if column is None:
        return "dmy"
    return column_order([row.cells[column] for row in rows if column < len(row.cells)])
