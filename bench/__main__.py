"""`python -m bench`: the kernel's speed beside limits measured in the same run."""

import argparse
import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

import uvloop
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from bench import api, pocket, projection, relay, report
from bench.measure import Row, measure, measure_alone
from bench.world import ROOT, Servers, Table, member_messages, servers
from common.events.registry import MEMBERS
from common.settings import Settings
from common.testing import TestIssuer
from common.topics import provision
from tests.kernel import toy

ROWS = ("relay", "projection", "idiomatic", "api", "pocket")
AIM = 0.5
EVENTS, KEYS = 20_000, 5_000
IDIOMATIC_EVENTS = 1_500
SECONDS = 3.0
"""How long the client drives an API in one turn."""

Report = Callable[[str], None]


async def run(servers: Servers, wanted: list[str], turns: int, report: Report) -> list[Row]:
    """Measure the wanted rows one after another."""
    settings = Settings(
        database_url=SecretStr(servers.postgres.url("bench")),
        kafka_bootstrap=servers.broker.bootstrap,
        kafka_idempotent=False,
        jwks_url="file:///none",
    )
    dsn = servers.dsn("bench")
    for database, metadata in (
        ("bench", Table.metadata),
        ("kernel", toy.service.metadata),
        ("bare", toy.service.metadata),
    ):
        await _create_tables(servers.postgres.url(database), metadata)
    await provision(settings, [MEMBERS])
    rows = []
    messages = member_messages(EVENTS, KEYS)
    if "relay" in wanted:
        rows.append(
            await measure(
                "relay",
                "events/s",
                ours=lambda: relay.relay_rate(settings, dsn, messages),
                limit=lambda: relay.bare_producer_rate(settings, messages),
                turns=turns,
                aim=AIM,
                report=report,
            )
        )
    # The topic of the projections is a fresh one: the broker forgets everything when it restarts.
    servers.broker.restart()
    await provision(settings, [MEMBERS])
    await relay.bare_producer_rate(settings, messages)
    if "projection" in wanted:
        rows.append(
            await measure(
                "projection",
                "events/s",
                ours=lambda: projection.kernel_rate(settings, dsn, EVENTS),
                limit=lambda: projection.bare_rate(settings, dsn, EVENTS),
                turns=turns,
                aim=AIM,
                report=report,
            )
        )
    if "idiomatic" in wanted:
        rows.append(
            await measure_alone(
                "projection, one message a transaction",
                "events/s",
                lambda: projection.idiomatic_rate(settings, dsn, IDIOMATIC_EVENTS),
                turns=3,
                report=report,
            )
        )
    if "api" in wanted:
        rows.append(await _api_row(servers, settings.database_pool, turns, report))
    if "pocket" in wanted:
        rows += await _pocket_rows(servers, turns, report)
    return rows


async def _pocket_rows(servers: Servers, turns: int, report: Report) -> list[Row]:
    async with pocket.phones(servers, TestIssuer(servers.folder)) as (first, second):
        loaded = await measure_alone(
            f"pocket: snapshot of {pocket.MEMBERS:,} members",
            "members/s",
            lambda: pocket.snapshot_rate(first),
            turns=turns,
            report=report,
        )
        await second.pull()
        changed = await measure_alone(
            "pocket: from one phone to another",
            "changes/s",
            lambda: pocket.propagation_rate(first, second),
            turns=turns,
            report=report,
        )
    return [loaded, changed]


async def _api_row(servers: Servers, pool: int, turns: int, report: Report) -> Row:
    issuer = TestIssuer(servers.folder)
    token = issuer.token("federal_staff")
    with api.kernel_api(servers, issuer.jwks_url, pool) as kernel, api.bare_api(servers, pool) as bare:
        return await measure(
            "API",
            "changes/s",
            ours=lambda: api.changes_rate(kernel, token, SECONDS),
            limit=lambda: api.changes_rate(bare, token, SECONDS),
            turns=turns,
            aim=AIM,
            report=report,
        )


async def _create_tables(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Report]:
    """A line that changes on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    with console.status("starting PostgreSQL and the broker") as status:
        yield status.update


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; all without")
    parser.add_argument("--turns", type=int, default=5, help="how often each pair is measured")
    arguments = parser.parse_args()
    wanted = arguments.rows or list(ROWS)
    if unknown := set(wanted) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    logging.getLogger().setLevel(logging.WARNING)
    console, facts = Console(), report.machine()
    with (
        progress(console) as tell,
        servers() as started,
        # The event loop of production: uvicorn takes it wherever it is installed.
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        rows = runner.run(run(started, wanted, arguments.turns, tell))
    report.show(rows, facts, console)
    if set(wanted) == set(ROWS):
        report.write(rows, facts, ROOT / "build" / "bench" / "kernel.json")


if __name__ == "__main__":
    main()
