"""`python -m bench`: speed beside limits measured in the same run."""

import argparse
import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Iterator

import uvloop
from rich.console import Console

from bench import cards, importing, kernel, ledger, pocket, report, reports
from bench.measure import Report, Row, Turns
from bench.part import Part, Run
from bench.world import ROOT, servers

PARTS = (kernel.PART, cards.PART, importing.PART, pocket.PART, ledger.PART, reports.PART)
DEFAULT = (kernel.PART, cards.PART)
"""What is measured when nothing is named, within five minutes."""
ROW_SECONDS = 20.0
"""Of a row in that run: a slow or busy machine gets fewer turns, not a longer run."""


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Report]:
    """A line that changes on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    with console.status("starting PostgreSQL and the broker") as status:
        yield status.update


def chosen(names: list[str]) -> list[tuple[Part, frozenset[str]]]:
    """Parts with their wanted rows, given names of parts and rows. Raises KeyError with a name that is neither."""
    known = {name for part in PARTS for name in (part.name, *part.rows)}
    if unknown := set(names) - known:
        raise KeyError(", ".join(sorted(unknown)))
    return [
        (part, frozenset(wanted))
        for part in PARTS
        if (wanted := part.rows if part.name in names else tuple(row for row in part.rows if row in names))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    every = "; ".join(f"{part.name} ({', '.join(part.rows)})" for part in PARTS)
    parser.add_argument("names", nargs="*", help=f"parts or rows: {every}. Without: kernel and cards")
    parser.add_argument("--all", action="store_true", help="every part")
    parser.add_argument("--turns", type=int, default=5, help="how often each pair is measured")
    parser.add_argument("--size", type=float, default=1.0, help="of the reports' base, as a share of the union")
    parser.add_argument("--members", type=int, default=300_000, help="how many are imported")
    arguments = parser.parse_args()
    names = [part.name for part in PARTS] if arguments.all else arguments.names
    try:
        parts = chosen(names or [part.name for part in DEFAULT])
    except KeyError as error:
        parser.error(f"no such part or row: {error.args[0]}")
    turns = Turns(arguments.turns) if names else Turns(arguments.turns, seconds=ROW_SECONDS)
    logging.getLogger().setLevel(logging.WARNING)
    console, facts = Console(), report.machine()
    for part, wanted in parts:
        with (
            progress(console) as tell,
            servers(part.databases) as started,
            # The event loop of production: uvicorn takes it wherever it is installed.
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            run = Run(started, wanted, turns, tell, arguments.size, arguments.members)
            rows = runner.run(_awaited(part.measured(run)))
        report.show(rows, facts, console)
        if wanted == frozenset(part.rows):
            report.write(rows, facts, ROOT / "build" / "bench" / f"{part.name}.json")


async def _awaited(rows: Awaitable[list[Row]]) -> list[Row]:
    return await rows


if __name__ == "__main__":
    main()
