"""How the command line speaks: a table on a terminal, plain lines elsewhere, a sentence when it refuses."""

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True, highlight=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Numbers stand right, words left."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] == "" for row in rows)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(f"{cell:,}".replace(",", " ") if isinstance(cell, int) else str(cell) for cell in row))
    console.print(shown)


def refuse(sentence: str, code: int = 2) -> NoReturn:
    errors.print(sentence, style="red")
    raise typer.Exit(code)
