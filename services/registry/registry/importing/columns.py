"""What the columns of a table mean: by their headings first, by their contents where these are silent."""

import re
from collections.abc import Mapping, Sequence

from registry.importing.contents import ColumnContent
from registry.importing.reading import RawRow
from registry.importing.texts import clean, fold_heading
from registry.importing.values import Category, is_mark, read_category
from registry.importing.vocabulary import MEMBER_HEADINGS, Field

LONG_HEADING = 80
_SUMMARY = re.compile(r"председател|количеств|кол во|численност|всего|охват|chair|total|head ?count")


def heading_field(text: str) -> Field | None:
    """The field that a heading names, or None for an unknown one and for one known to be of no use."""
    if not text or len(text) > LONG_HEADING:
        return None
    for candidate, pattern in MEMBER_HEADINGS:
        if pattern.search(text):
            return candidate
    return None


def assign(texts: Mapping[int, str], contents: Mapping[int, ColumnContent]) -> dict[Field, int]:
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
    guess(columns, {c: contents[c] for c in free})
    return columns


def category_marks(texts: Mapping[int, str], rows: Sequence[RawRow], taken: set[int]) -> dict[int, Category]:
    """Columns headed by a category's word and holding nothing but marks; one alone may be anything else."""
    marks: dict[int, Category] = {}
    for column, text in texts.items():
        category = None if column in taken or text.isdigit() else read_category(text)
        if category is None:
            continue
        cells = [row.cells[column] for row in rows[:300] if column < len(row.cells) and clean(row.cells[column])]
        if cells and sum(map(is_mark, cells)) * 10 >= len(cells) * 9:
            marks[column] = category
    return marks if len(set(marks.values())) > 1 else {}


def is_summary(texts: Mapping[int, str], columns: Mapping[Field, int]) -> bool:
    """True for a table of organisations with their heads and counts: people are named in it, not
    registered."""
    return "birth_date" not in columns and any(_SUMMARY.search(fold_heading(text)) for text in texts.values())


def _known_useless(folded: str) -> bool:
    return any(name is None and pattern.search(folded) for name, pattern in MEMBER_HEADINGS)


def _contradicts(name: Field, content: ColumnContent) -> bool:
    """True when the cells are plainly something else than the heading says."""
    if content.filled < 2:
        return False
    if content.filled < 5:
        # few cells: only when none of them leaves a doubt
        other = max(content.full_names, content.dates, content.emails, content.phones)
        return other == 1.0 and content.fits(name) < 0.5 and name not in ("card_number", "first_patronymic")
    if name in ("birth_date", "joined_on"):
        return content.emails + content.full_names + content.organisations > 0.5
    if name in ("full_name", "last", "first", "patronymic", "organisation"):
        return content.dates + content.phones + content.emails > 0.5
    if name in ("category", "sex"):
        return content.dates + content.phones + content.full_names > 0.5
    if name == "phone":
        return content.dates + content.emails + content.full_names > 0.5
    return content.dates > 0.5 if name == "card_number" else False


def guess(columns: dict[Field, int], free: dict[int, ColumnContent]) -> None:
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
