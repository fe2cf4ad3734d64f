"""Where the table of a sheet begins and what its columns mean."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from registry.importing.contents import ColumnContent, look_at
from registry.importing.dates import Order, column_order
from registry.importing.reading import RawRow, filled
from registry.importing.texts import clean, fold_heading
from registry.importing.vocabulary import MEMBER_HEADINGS, PATRONYMIC, Field

# Titles, addresses and instructions above a heading seldom take more rows than this.
_SEARCHED_ROWS = 60
_LONG_HEADING = 80
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
    birth_order: Order = "dmy"
    joined_order: Order = "dmy"
    ignored: tuple[str, ...] = field(default=())


def heading_field(text: str) -> Field | None:
    """The field that a heading names, or None for an unknown one and for one known to be of no use."""
    if not text or len(text) > _LONG_HEADING:
        return None
    for candidate, pattern in MEMBER_HEADINGS:
        if pattern.search(text):
            return candidate
    return None


def find_layout(rows: Sequence[RawRow], as_of: date) -> Layout | None:
    """The layout of a register of people; None when the sheet holds no such table."""
    at = _heading_index(rows)
    if at is None:
        return _by_content_alone(rows, as_of)
    top, bottom = at
    texts = _merged_texts(rows, top, bottom)
    data_from = bottom + 1
    while data_from < len(rows) and (_is_numbering(rows[data_from]) or not any(filled(rows[data_from]))):
        data_from += 1
    contents = _contents(rows[data_from:], as_of)
    columns = _assign(texts, contents)
    if not any(name in columns for name in ("full_name", "last")):
        return None
    known = set(columns.values())
    return Layout(
        columns=columns,
        headings={name: texts.get(column, "") for name, column in columns.items()},
        heading_row=rows[bottom].number,
        data_from=data_from,
        titles=_titles(rows[:top]),
        heading_texts=frozenset(
            form for t in texts.values() for form in (fold_heading(t), t.strip(" .").lower())
        )
        - {""},
        birth_order=_order(rows[data_from:], columns.get("birth_date")),
        joined_order=_order(rows[data_from:], columns.get("joined_on")),
        ignored=tuple(text for column, text in texts.items() if column not in known and text),
    )


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
    if not texts or any(re.search(r"\d", text) or len(text) > _LONG_HEADING for text in texts):
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
        len(figures) > 2
        and figures == [str(n) for n in range(int(figures[0]), int(figures[0]) + len(figures))]
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


def _assign(texts: Mapping[int, str], contents: Mapping[int, ColumnContent]) -> dict[Field, int]:
    nothing = ColumnContent(0)
    wanted: dict[Field, list[tuple[float, int]]] = {}
    refused: set[int] = set()
    for column, text in texts.items():
        folded = fold_heading(text)
        name = heading_field(folded)
        content = contents.get(column, nothing)
        if (
            name in ("last", "first", "first_patronymic")
            and content.full_names > 0.6
            and name != "first_patronymic"
        ):
            name = "full_name" if name == "last" or "last" not in wanted else "first_patronymic"
        if name is None:
            refused.update({column} if folded and _known_useless(folded) else ())
            continue
        if _contradicts(name, content):
            continue
        wanted.setdefault(name, []).append((content.fits(name) + min(content.filled, 100) / 1000, -column))
    columns: dict[Field, int] = {}
    for name, candidates in wanted.items():
        columns[name] = -max(candidates)[1]
    if "full_name" in columns and "last" in columns:
        stronger = contents.get(columns["full_name"], nothing).full_names > 0.3
        for dropped in ("last", "first", "patronymic") if stronger else ("full_name",):
            columns.pop(dropped, None)
    free = [c for c in contents if c not in columns.values() and c not in refused]
    _guess(columns, {c: contents[c] for c in free})
    return columns


def _known_useless(folded: str) -> bool:
    return any(name is None and pattern.search(folded) for name, pattern in MEMBER_HEADINGS)


def _contradicts(name: Field, content: ColumnContent) -> bool:
    """True when the cells are plainly something else than the heading says."""
    if content.filled < 5:
        return False
    if name in ("birth_date", "joined_on"):
        return content.emails + content.full_names + content.organisations > 0.5
    if name in ("full_name", "last", "first", "patronymic", "organisation"):
        return content.dates + content.phones + content.emails > 0.5
    if name in ("category", "sex"):
        return content.dates + content.phones + content.full_names > 0.5
    if name == "phone":
        return content.dates + content.emails + content.full_names > 0.5
    return content.dates > 0.5 if name == "card_number" else False


def _guess(columns: dict[Field, int], free: dict[int, ColumnContent]) -> None:
    """Fills the fields that no heading gave from the columns that no heading claimed."""

    def take(name: Field, least: float) -> None:
        if name not in columns and free:
            best = max(free, key=lambda c: (free[c].fits(name), -c))
            if free[best].fits(name) >= least:
                columns[name] = best
                del free[best]

    dates = sorted((c for c in free if free[c].dates >= 0.5), key=lambda c: free[c].median_year)
    for name in ("birth_date", "joined_on"):
        if name not in columns and dates:
            columns[name] = dates.pop(0)
            del free[columns[name]]
    if "full_name" not in columns and "last" not in columns:
        take("full_name", 0.5)
    if "full_name" not in columns:
        take("patronymic", 0.5)
        take("first", 0.3) if "first_patronymic" not in columns else None
        take("last", 0.5)
    take("email", 0.3)
    take("phone", 0.4)
    take("sex", 0.8)
    take("category", 0.7)
    if "organisation_code" not in columns:
        take("organisation", 0.5)


def _by_content_alone(rows: Sequence[RawRow], as_of: date) -> Layout | None:
    """A register without a heading: needs a column of names and one of dates."""
    columns: dict[Field, int] = {}
    contents = _contents(rows, as_of)
    _guess(columns, dict(contents))
    name = columns.get("full_name", columns.get("last"))
    birth = columns.get("birth_date")
    if name is None or birth is None or contents[birth].filled < 2:
        return None
    first = next((i for i, row in enumerate(rows) if {name, birth} <= {c for c, _ in filled(row)}), None)
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
    )


def _titles(rows: Sequence[RawRow]) -> tuple[str, ...]:
    return tuple(clean(cell) for row in rows for _, cell in filled(row))


def _order(rows: Sequence[RawRow], column: int | None) -> Order:
    if column is None:
        return "dmy"
    return column_order([row.cells[column] for row in rows if column < len(row.cells)])
