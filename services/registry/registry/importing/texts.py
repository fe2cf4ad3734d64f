"""Folding of Russian text: what makes two spellings one, and nothing more."""

import re
import unicodedata
from functools import lru_cache

# Latin letters (and the digits people type for letters) that look like Cyrillic ones.
_LOOKALIKES = {
    **dict(zip("ABCEHKMOPTXYaceopxykmtbhuëË", "АВСЕНКМОРТХУасеорхукмтвниёЁ", strict=True)),
    "Ï": "Ї",
    "ï": "ї",
    "I": "І",
    "i": "і",
    "S": "Ѕ",
    "s": "ѕ",
    "J": "Ј",
    "j": "ј",
}
# Only letters that stay in the Russian alphabet are repaired: «і» in a Russian surname would be a new error.
_REPAIR = str.maketrans({k: v for k, v in _LOOKALIKES.items() if re.match("[А-Яа-яЁё]", v)})
_LATIN_TWINS = frozenset(chr(code) for code in _REPAIR)
_DIGIT_TWINS = str.maketrans({"0": "о", "3": "з", "4": "ч", "6": "б"})

_CYRILLIC = re.compile(r"[А-Яа-яЁё]")
_MAY_NEED_REPAIR = re.compile(r"[A-Za-zËë]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff\ufffd]")
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+", re.UNICODE)


def clean(value: object) -> str:
    """The text of a cell: whole floats without «.0», no control characters, single spaces; '' for nothing."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    text = value if isinstance(value, str) else str(value)
    # most cells are clean already: this way is several times shorter
    if text.isprintable() and "  " not in text and unicodedata.is_normalized("NFC", text):
        return text.strip()
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text))
    return _SPACES.sub(" ", text).strip()


def repair_lookalikes(text: str) -> str:
    """Latin letters inside Cyrillic words become the Cyrillic letters they were meant to be.

    A word wholly of Latin twins is repaired only beside Cyrillic words («Cacoeва» is one word, «COBA Анна»
    two); genuinely Latin names keep their letters.
    """
    if not _MAY_NEED_REPAIR.search(text):
        return text
    has_cyrillic = bool(_CYRILLIC.search(text))

    def repair(match: re.Match[str]) -> str:
        word = match.group()
        if _CYRILLIC.search(word):
            return word.translate(_REPAIR)
        letters = [ch for ch in word if ch.isalpha()]
        if has_cyrillic and letters and len(letters) == len(word) and all(ch in _LATIN_TWINS for ch in letters):
            return word.translate(_REPAIR)
        return word

    return _WORD.sub(repair, text)


def repair_digits(word: str) -> str:
    """«Иван0в» → «Иванов»: a digit between Cyrillic letters of a name is a letter mistyped."""
    return word.translate(_DIGIT_TWINS) if _CYRILLIC.search(word) and len(word) > 2 else word


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """The comparable form: lower case, ё → е, look-alikes repaired; single spaces."""
    return repair_lookalikes(clean(text)).lower().replace("ё", "е")


def fold_heading(value: object) -> str:
    """A heading's words: folded, hyphenation and punctuation turned into single spaces."""
    text = fold(clean(value).replace("-\n", ""))
    return _SPACES.sub(" ", re.sub(r"[^\w№@]+", " ", text.replace("_", " "))).strip()


def one_edit_apart(left: str, right: str) -> bool:
    """True when one insertion, deletion, substitution or swap of neighbours makes `left` into `right`."""
    if left == right:
        return False
    if len(left) > len(right):
        left, right = right, left
    gap = len(right) - len(left)
    if gap > 1:
        return False
    start = 0
    while start < len(left) and left[start] == right[start]:
        start += 1
    if gap:
        return left[start:] == right[start + 1 :]
    if left[start + 1 :] == right[start + 1 :]:
        return True
    return is_swap_at(left, right, start)


def is_swap_at(left: str, right: str, at: int) -> bool:
    """True when `left` and `right` differ by the two neighbouring letters at `at` changed over."""
    return (
        at + 1 < len(left)
        and left[at] == right[at + 1]
        and left[at + 1] == right[at]
        and left[at + 2 :] == right[at + 2 :]
    )


def neighbours_swapped(left: str, right: str) -> bool:
    """True when one swap of neighbouring letters makes `left` into `right`."""
    if len(left) != len(right) or left == right:
        return False
    at = next(i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
    return is_swap_at(left, right, at)
