"""How the command line speaks: a table on a terminal, plain lines elsewhere, a sentence when it refuses."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140)
errors = Console(stderr=True, highlight=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Numbers stand right, words left."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] == "" for row in rows)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(_number(cell) if isinstance(cell, int) else plain(str(cell))) for cell in row))
    console.print(shown)


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def plain(text: str) -> str:
    """The text with everything that a terminal would obey made visible."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def say(sentence: str) -> None:
    """Print as it is: no markup, no line broken that would then be copied broken."""
    console.print(Text(plain(sentence)), soft_wrap=True)


def warn(sentence: str) -> None:
    errors.print(Text(plain(sentence)), style="yellow", soft_wrap=True)


def refuse(sentence: str, code: int = 2) -> NoReturn:
    errors.print(Text(plain(sentence)), style="red", soft_wrap=True)
    raise typer.Exit(code)
