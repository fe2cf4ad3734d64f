"""People's names: the parts, their order, their letters."""

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from registry.importing.given_names import GIVEN_NAMES
from registry.importing.texts import clean, fold, repair_digits, repair_lookalikes
from registry.importing.vocabulary import PATRONYMIC, SURNAME

_NOT_LETTERS = re.compile(r"[^\w\s'’`.\-()]+|_+")
_NOTE = re.compile(r"\([^)]*\)|\(.*$")
_NO_NAME = re.compile(
    r"^(?:нет(?: данных)?|не ?указан\w*|не ?известн\w*|уточн\w*|вакан\w*|б ?/ ?и|x+|х+|null|none|n ?a|test)$"
)
_TURKIC_ENDINGS = frozenset(("оглы", "кызы", "угли", "улы", "гызы", "уулу"))
_LETTER = re.compile(r"[^\W\d_]")


class PersonName(NamedTuple):
    """`written` is what the register says, unchanged; the parts are cleaned and in the usual order."""

    written: str
    last: str
    first: str
    patronymic: str

    @property
    def missing(self) -> bool:
        """True when it names nobody in particular: no surname, no given name, or initials for one."""
        return not self.last or not self.first or self.has_initials

    @property
    def has_initials(self) -> bool:
        return len(self.first.rstrip(".")) < 2 or "." in self.first

    @property
    def shown(self) -> str:
        return " ".join(part for part in (self.last, self.first, self.patronymic) if part)


def match_key(last_name: str, first_name: str, patronymic: str | None, birth_date: date) -> str:
    """Equal for two spellings of one person: letters folded, the order of the parts left out of account."""
    parts = sorted(part for part in map(fold, (last_name, first_name, patronymic or "")) if part)
    return f"{birth_date.isoformat()} {' '.join(parts)}"


def name_of_parts(last: object, first: object, patronymic: object) -> PersonName:
    """A name out of three cells. A cell of surnames that holds the whole name is taken apart."""
    written = " ".join(_raw(part) for part in (last, first, patronymic)).strip()
    whole = _words(_raw(last))
    if len(whole) > 1 and not _raw(first).strip() and not _raw(patronymic).strip():
        return name_of_text(last)
    last_part, first_part, middle = (" ".join(_words(_raw(part))) for part in (last, first, patronymic))
    return PersonName(written, *_in_order(last_part, first_part, middle))


def name_of_text(cell: object) -> PersonName:
    """A name out of one cell: «Фамилия Имя Отчество», also «Имя Отчество Фамилия» when the endings show
    it."""
    written = _raw(cell)
    words = _words(written)
    if len(words) > 3 and words[-1].lower() in _TURKIC_ENDINGS:
        words = [*words[:-2], f"{words[-2]} {words[-1]}"]
    if len(words) == 3 and PATRONYMIC.search(fold(words[1])) and not PATRONYMIC.search(fold(words[2])):
        words = [words[2], words[0], words[1]]
    if not words:
        return PersonName(written, "", "", "")
    last, first, *rest = [*words, ""] if len(words) == 1 else words
    return PersonName(written, *_in_order(last, first, " ".join(rest)))


def _raw(cell: object) -> str:
    return cell if isinstance(cell, str) else clean(cell)


def _in_order(last: str, first: str, patronymic: str) -> tuple[str, str, str]:
    """Puts surname and given name right where a well-known given name stands in the surname's place."""
    given, surname = fold(last), fold(first)
    if given in GIVEN_NAMES and surname and surname not in GIVEN_NAMES and SURNAME.search(surname):
        return first, last, patronymic
    return last, first, patronymic


def _words(text: str) -> list[str]:
    if not text or text.isspace():
        return []
    plain = clean(text)
    if not _LETTER.search(plain) or _NO_NAME.match(plain.lower()):
        return []
    if "(" in plain:
        plain = _NOTE.sub(" ", plain)
    plain = _NOT_LETTERS.sub(" ", repair_lookalikes(plain)).replace(" -", "-").replace("- ", "-")
    if "." in plain:
        plain = plain.replace(".", ". ")
    return [_cased(word) for word in plain.split() if _LETTER.search(word)]


@lru_cache(maxsize=65536)
def _cased(word: str) -> str:
    """«ИВАНОВА» and «иванова» → «Иванова»; hyphened parts alike; mixed case («МакГрегор») stays."""
    if any(ch.isdigit() for ch in word):
        word = repair_digits(word)
    word = word.strip("-'’`")
    if word.lower() in _TURKIC_ENDINGS:
        return word.lower()
    capitals = sum(ch.isupper() for ch in word)
    if capitals == 1 and word[:1].isupper():
        return word
    if word[:1].isupper() and capitals <= word.count("-") + 1 + ("'" in word or "’" in word):
        return word
    if word[:1].isupper() and capitals == 2 and len(word) > 5 and word[1:2].islower():
        return word
    return "-".join(part[:1].upper() + part[1:].lower() for part in word.split("-"))
