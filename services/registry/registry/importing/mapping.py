"""What an office says of its columns, where the guess is wrong."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any, get_args

from registry.importing.texts import fold_heading
from registry.importing.vocabulary import Field

FIELDS: frozenset[str] = frozenset(get_args(Field))
IGNORED = "ignore"
_LETTERS = re.compile(r"^column ([A-Z]{1,3})$")
_MOST = 500

Columns = dict[str, str]
"""Heading, or «column C», → a field or `ignore`."""


class MappingInvalid(ValueError):
    """The document is none; the message says what to write."""


@dataclass(frozen=True)
class Mapping:
    """`columns` correct the guess in every file; `files` (patterns of names) in theirs; `saved` (by the shape of the
    headings) are what the office said of earlier files of the same headings."""

    columns: Columns = field(default_factory=dict)
    files: dict[str, Columns] = field(default_factory=dict)
    saved: dict[str, Columns] = field(default_factory=dict)

    @classmethod
    def of_document(cls, document: Any, saved: dict[str, Columns] | None = None) -> "Mapping":
        """Of `{"columns": {"Дата": "birth_date", "column C": "ignore"}, "files": {"T*.csv": {…}}}`, JSON or YAML.

        Raises MappingInvalid.
        """
        if not isinstance(document, dict) or set(document) - {"columns", "files"}:
            raise MappingInvalid(
                "Write columns: {heading: field}, and files: {name: {heading: field}} if they differ."
            )
        files = document.get("files", {})
        if not isinstance(files, dict) or len(files) > _MOST:
            raise MappingInvalid("Under files write a pattern of file names, and under it heading: field.")
        return cls(
            _columns(document.get("columns", {})),
            {str(name): _columns(columns) for name, columns in files.items()},
            saved or {},
        )

    def of_file(self, name: str) -> "Mapping":
        """What holds for one file."""
        columns = dict(self.columns)
        for pattern, others in self.files.items():
            if fnmatch(name, pattern):
                columns |= others
        return Mapping(columns, {}, self.saved)

    @property
    def headings(self) -> frozenset[str]:
        return frozenset(fold_heading(text) for text in self.columns if not _LETTERS.match(text))

    def said(self, texts: dict[int, str], width: int) -> dict[int, str]:
        """Column → field or `ignore`, for headings by column."""
        columns = self.columns or self.saved.get(shape_of(texts.values()), {})
        by_heading = {fold_heading(text): name for text, name in columns.items()}
        said = {c: by_heading[folded] for c, text in texts.items() if (folded := fold_heading(text)) in by_heading}
        for text, name in columns.items():
            if match := _LETTERS.match(text):
                at = column_number(match[1])
                if at < width:
                    said[at] = name
        return said


NO_MAPPING = Mapping()


def _columns(document: Any) -> Columns:
    if not isinstance(document, dict) or len(document) > _MOST:
        raise MappingInvalid("Under columns write heading: field, one a line.")
    for heading, name in document.items():
        if name is not None and name not in FIELDS | {IGNORED}:
            raise MappingInvalid(
                f"There is no field {str(name)[:40]!r}; there are: {', '.join(sorted(FIELDS))}, ignore."
            )
        if not 0 < len(str(heading)) <= 200:
            raise MappingInvalid("A heading has at most 200 letters.")
    return {str(heading): name or IGNORED for heading, name in document.items()}


def shape_of(headings: Iterable[str]) -> str:
    """Equal for files whose headings are the same words in any order."""
    words = "\n".join(sorted(folded for text in headings if (folded := fold_heading(text))))
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def column_letters(number: int) -> str:
    """0 → A, 26 → AA, as Excel has them."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
