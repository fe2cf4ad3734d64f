"""A part of the benchmarks: rows that share servers, run by name, and land in one file."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.measure import Report, Row, Turns
from bench.world import Servers


@dataclass(frozen=True)
class Run:
    """What a part is given."""

    servers: Servers
    wanted: frozenset[str]
    """The names of rows."""
    turns: Turns
    tell: Report
    size: float = 1.0
    """Of the reports' base, as a share of the whole union."""
    members: int = 300_000
    """How many are imported."""


@dataclass(frozen=True)
class Part:
    name: str
    """Of the file too: build/bench/NAME.json."""
    rows: tuple[str, ...]
    measured: Callable[[Run], Awaitable[list[Row]]]
    databases: tuple[str, ...]
