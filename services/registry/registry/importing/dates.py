"""Dates as offices write them."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from registry.importing.texts import clean, fold

DateProblem = Literal["missing", "unreadable", "nonexistent", "incomplete"]
Order = Literal["dmy", "mdy"]


@dataclass(frozen=True, slots=True)
class DateReading:
    """`value`, or the problem. `two_digit_year` tells that the century was chosen by the reader."""

    value: date | None
    problem: DateProblem | None = None
    two_digit_year: bool = False


_MONTHS = {
    "янв": 1, "фев": 2, "мар": 3, "апр": 4, "май": 5, "мая": 5, "июн": 6, "июл": 7, "авг": 8, "сен": 9,
    "окт": 10, "ноя": 11, "дек": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7,
    "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_EMPTY_WORDS = re.compile(
    r"^(?:нет( данных| сведений)?|не ?известн\w*|не ?указан\w*|не ?заполнен\w*|отсутству\w*|н ?/ ?[аду]"
    r"|б ?/ ?[дн]"
    r"|уточн\w*|null|none|nan|n/?a|unknown|-+|—+|–+|\?+|\.+|_+|0)$"
)
_ISO = re.compile(r"(?<!\d)(\d{4})\s*[-./]\s*(\d{1,2})\s*[-./]\s*(\d{1,2})(?!\d)")
_DMY = re.compile(r"(?<!\d)(\d{1,2})\s*([-./,\\ ])\s*(\d{1,2})\s*[-./,\\ ]\s*(\d{4}|\d{2})(?!\d)")
_WORDY = re.compile(r"(?<!\d)(\d{1,2})[\s.\-]*([а-яa-z]{3,9})[\s.,\-]*(\d{4}|\d{2})(?!\d)")
_WORDY_MDY = re.compile(r"([a-zа-я]{3,9})[\s.]+(\d{1,2})(?:st|nd|rd|th)?[\s,]+(\d{4})(?!\d)")
_PACKED = re.compile(r"^(\d{2})(\d{2})(\d{4})$")
_PACKED_ISO = re.compile(r"^((?:19|20)\d{2})(\d{2})(\d{2})$")
_USUAL = re.compile(r"^[0-9]{2}\.[0-9]{2}\.[0-9]{4}$")
_SLASH = re.compile(r"^\s*(\d{1,2})[/-](\d{1,2})[/-]\d{2,4}")
_EPOCH = date(1899, 12, 30)
# Serials from 1910 to 2080; smaller numbers are years or ordinals.
_SERIALS = range(3654, 65746)


def read_date(cell: object, as_of: date, order: Order = "dmy") -> DateReading:
    """Reads one cell; never raises.

    A two-digit year means the past: the last century whenever the same year of this one is after `as_of`.
    `order` is how figures split by «/» or «-» stand in this column (see `column_order`).
    """
    if isinstance(cell, datetime):
        return DateReading(cell.date())
    if isinstance(cell, date):
        return DateReading(cell)
    if isinstance(cell, bool):
        return DateReading(None, "unreadable")
    if isinstance(cell, int | float):
        return _from_number(float(cell))
    if isinstance(cell, str) and _USUAL.match(cell):
        # nearly all rows: «05.03.1980» needs no folding
        return _build(cell[6:], cell[3:5], cell[:2], as_of)
    text = clean(cell)
    if not text:
        return DateReading(None, "missing")
    return _from_text(fold(text), as_of, order)


def column_order(cells: list[object]) -> Order:
    """«mdy» only for a column that proves it: several second figures over 12 and no first figure over 12."""
    firsts = seconds = 0
    for cell in cells:
        if isinstance(cell, str) and (match := _SLASH.match(cell)):
            firsts += int(match[1]) > 12
            seconds += int(match[2]) > 12
    return "mdy" if seconds >= 3 and firsts == 0 else "dmy"


def _from_number(number: float) -> DateReading:
    if number == 0:
        return DateReading(None, "missing")
    whole = int(number) if abs(number) < 1e9 else 0
    if whole in _SERIALS and not 1900 <= whole <= 2100:
        return DateReading(_EPOCH + timedelta(days=whole))
    if number == whole and whole > 65746:
        packed = f"{whole:08d}"
        if _PACKED_ISO.match(packed) or _PACKED.match(packed):
            return _from_text(packed, date.max, "dmy")
    return DateReading(None, "incomplete" if 1900 <= whole <= 2100 else "unreadable")


def _from_text(text: str, as_of: date, order: Order) -> DateReading:
    if _EMPTY_WORDS.match(text):
        return DateReading(None, "missing")
    if match := _ISO.search(text):
        return _build(match[1], match[2], match[3], as_of)
    if match := _DMY.search(text):
        day, month = match[1], match[3]
        if order == "mdy" and match[2] in "/-":
            day, month = month, day
        return _build(match[4], month, day, as_of)
    if (match := _WORDY.search(text)) and (named := _MONTHS.get(match[2][:3])):
        return _build(match[3], str(named), match[1], as_of)
    if (match := _WORDY_MDY.search(text)) and (named := _MONTHS.get(match[1][:3])):
        return _build(match[3], str(named), match[2], as_of)
    digits = text.removesuffix("г").removesuffix("г.").strip(" .")
    if digits.isdigit() and digits.isascii():
        return _from_digits(digits, as_of)
    return DateReading(None, "unreadable")


def _from_digits(digits: str, as_of: date) -> DateReading:
    if match := _PACKED_ISO.match(digits):
        iso = _build(match[1], match[2], match[3], as_of)
        if iso.value:
            return iso
    if match := _PACKED.match(digits):
        return _build(match[3], match[2], match[1], as_of)
    if len(digits) == 5 and int(digits) in _SERIALS:
        return DateReading(_EPOCH + timedelta(days=int(digits)))
    return DateReading(None, "incomplete" if len(digits) == 4 else "unreadable")


def _build(year: str, month: str, day: str, as_of: date) -> DateReading:
    number = int(year)
    short = len(year) == 2
    if short:
        century = as_of.year // 100 * 100
        number += century if century + number <= as_of.year else century - 100
    try:
        return DateReading(date(number, int(month), int(day)), two_digit_year=short)
    except ValueError:
        return DateReading(None, "nonexistent")
