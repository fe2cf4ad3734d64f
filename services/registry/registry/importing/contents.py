"""What a column holds, judged by its cells alone: the second opinion beside the heading's."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median

from registry.importing.dates import read_date
from registry.importing.given_names import GIVEN_NAMES
from registry.importing.reading import Cell
from registry.importing.texts import clean, fold
from registry.importing.values import read_category, read_email, read_phone, read_sex
from registry.importing.vocabulary import ORGANISATION, PATRONYMIC, SURNAME, Field

SAMPLE = 150
_NAME_WORDS = re.compile(r"^[а-яa-z'’`.\- ]+$")
_ORG_QUOTES = re.compile(r"[«»„“\"№]")


@dataclass(frozen=True, slots=True)
class ColumnContent:
    """Shares (0…1) of the filled cells that look like each thing; `filled` is how many cells were seen."""

    filled: int
    dates: float = 0.0
    median_year: float = 0.0
    phones: float = 0.0
    emails: float = 0.0
    full_names: float = 0.0
    patronymics: float = 0.0
    given_names: float = 0.0
    surnames: float = 0.0
    sexes: float = 0.0
    categories: float = 0.0
    organisations: float = 0.0
    card_numbers: float = 0.0
    distinct: float = 0.0

    def fits(self, field: Field) -> float:
        """How well the cells suit the field, 0…1."""
        match field:
            case "full_name":
                return self.full_names
            case "last":
                return self.surnames
            case "first":
                return self.given_names
            case "patronymic":
                return self.patronymics
            case "first_patronymic":
                return self.full_names
            case "sex":
                return self.sexes
            case "birth_date" | "joined_on":
                return self.dates
            case "phone":
                return self.phones
            case "email":
                return self.emails
            case "organisation":
                return self.organisations
            case "category":
                return self.categories
            case "card_number":
                return self.card_numbers
            case "organisation_code":
                return 0.5 if self.distinct < 0.9 and not self.dates else 0.0


def look_at(cells: Sequence[Cell], as_of: date) -> ColumnContent:
    """Counts over the first SAMPLE filled cells."""
    sample = [cell for cell in cells if cell is not None and clean(cell) != ""][:SAMPLE]
    if not sample:
        return ColumnContent(0)
    counts: Counter[str] = Counter()
    years: list[int] = []
    for cell in sample:
        _count(cell, counts, years, as_of)
    texts = {clean(cell) for cell in sample}
    total = len(sample)
    share = {key: value / total for key, value in counts.items()}
    return ColumnContent(
        filled=total,
        dates=share.get("date", 0.0),
        median_year=median(years) if years else 0.0,
        phones=share.get("phone", 0.0),
        emails=share.get("email", 0.0),
        full_names=share.get("full_name", 0.0),
        patronymics=share.get("patronymic", 0.0),
        given_names=share.get("given", 0.0),
        surnames=share.get("surname", 0.0),
        sexes=share.get("sex", 0.0) if len(texts) <= 6 else 0.0,
        categories=share.get("category", 0.0) if len(texts) <= 25 else 0.0,
        organisations=share.get("organisation", 0.0),
        card_numbers=share.get("card", 0.0) * (len(texts) / total),
        distinct=len(texts) / total,
    )


def _count(cell: Cell, counts: Counter[str], years: list[int], as_of: date) -> None:
    text = clean(cell)
    if isinstance(cell, date | datetime) or any(ch.isdigit() for ch in text):
        reading = read_date(cell, as_of)
        # a bare number may be a serial, an ordinal or a card: only a column of formatted dates counts as
        # dates
        if reading.value and not isinstance(cell, int | float) and not text.isdigit():
            counts["date"] += 1
            years.append(reading.value.year)
        elif read_phone(text):
            counts["phone"] += 1
        elif re.fullmatch(r"[\w№\-/ ]{4,16}", text) and sum(ch.isdigit() for ch in text) >= 4:
            counts["card"] += 1
    if read_email(text):
        counts["email"] += 1
    folded = fold(text)
    if ORGANISATION.search(folded) or (_ORG_QUOTES.search(text) and len(text) > 8):
        counts["organisation"] += 1
    elif _NAME_WORDS.match(folded):
        words = folded.split()
        if len(words) >= 2 and any(PATRONYMIC.search(word) for word in words[1:]):
            counts["full_name"] += 1
        elif len(words) == 1:
            counts["patronymic"] += bool(PATRONYMIC.search(folded))
            counts["given"] += folded in GIVEN_NAMES
            counts["surname"] += bool(SURNAME.search(folded)) and not PATRONYMIC.search(folded)
    # figures alone may be categories as well: without a heading they are taken for those
    counts["sex"] += not text.isdigit() and read_sex(cell) is not None
    counts["category"] += read_category(text) is not None
