"""`python -m bench`: the kernel's speed beside limits measured in the same run."""

import argparse
import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import uvloop
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from bench import api, cards, cashback, importing, national, pocket, posting, projection, relay, report, reports
from bench.measure import Row, measure, measure_alone
from bench.world import DATABASES, ROOT, Servers, Table, member_messages, servers
from cashback.main import service as cashback_service
from common import migrate
from common.events.registry import MEMBERS
from common.settings import Settings
from common.testing import TestIssuer
from common.topics import provision
from tests.kernel import toy

KERNEL = ("relay", "projection", "idiomatic", "api", "import", "pocket", *cards.ROWS)
REPORTS = reports.ROWS
LEDGER = ("ledger",)
ROWS = (*KERNEL, *REPORTS, *LEDGER)
AIM = 0.5
EVENTS, KEYS = 20_000, 5_000
IDIOMATIC_EVENTS = 1_500
TRANSFERS = 20_000
IMPORTED_MEMBERS = 300_000
IMPORT_AIM = 0.25
"""An import reads, judges, compares and writes: at most four times the time of only copying what it writes."""
SECONDS = 3.0
"""How long the client drives an API in one turn."""

Report = Callable[[str], None]


async def run(servers: Servers, wanted: list[str], turns: int, members: int, report: Report) -> list[Row]:
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
    if "import" in wanted:
        rows.append(await _import_row(servers, members, min(turns, 3), report))
    rows += await cards.rows(servers, settings, wanted, turns, report)
    if "pocket" in wanted:
        rows += await _pocket_rows(servers, turns, report)
    return rows


async def _import_row(servers: Servers, members: int, turns: int, report: Report) -> Row:
    trial = importing.ImportTrial(servers, members)
    report(f"import: registers of {members} members are made")
    await trial.prepare()
    row = await measure(
        f"import of {members:,} members beside COPY",
        "members/s",
        ours=trial.import_rate,
        limit=trial.copy_rate,
        turns=turns,
        aim=IMPORT_AIM,
        report=report,
    )
    return replace(row, note=f"at most {trial.peak_mib:,.0f} MiB in the import's processes")


async def _ledger_rows(servers: Servers, turns: int, report: Report) -> list[Row]:
    await asyncio.to_thread(migrate.upgrade, cashback_service, servers.postgres.url("cashback"))
    await cashback.prepare(servers)
    settings, dsn, issuer = cashback.settings_of(servers), servers.dsn("cashback"), TestIssuer(servers.folder)
    rows = [
        await measure(
            "ledger, batches in the consumer; plain SQL",
            "transfers/s",
            ours=lambda: cashback.consumer_rate(settings, TRANSFERS),
            limit=lambda: cashback.plain_rate(dsn, TRANSFERS),
            turns=turns,
            aim=0.7,
            report=report,
        ),
        await measure(
            "ledger, one hot account; many accounts",
            "transfers/s",
            ours=lambda: cashback.consumer_rate(settings, TRANSFERS, partners=1),
            limit=lambda: cashback.consumer_rate(settings, TRANSFERS),
            turns=turns,
            aim=0.8,
            report=report,
        ),
        await measure_alone(
            "purchases taken whole by the consumer",
            "purchases/s",
            lambda: cashback.intake_rate(settings, TRANSFERS // 4),
            turns=3,
            report=report,
        ),
    ]
    with posting.serving_cashback(servers, issuer.jwks_url) as port:
        rows.append(
            await measure(
                f"ledger, one by one through the API; plain SQL, {posting.CONNECTIONS} connections each",
                "purchases/s",
                ours=lambda: posting.api_rate(port, issuer, SECONDS),
                limit=lambda: posting.plain_api_rate(dsn, SECONDS),
                turns=turns,
                aim=0.7,
                report=report,
            )
        )
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
    parser.add_argument(
        "--size", type=float, default=1.0, help="of the reports' base, as a share of the whole union"
    )
    parser.add_argument("--members", type=int, default=IMPORTED_MEMBERS, help="how many are imported")
    arguments = parser.parse_args()
    wanted = arguments.rows or list(ROWS)
    if unknown := set(wanted) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    logging.getLogger().setLevel(logging.WARNING)
    console, facts = Console(), report.machine()
    size = national.Size.share(arguments.size)
    parts: list[tuple[str, tuple[str, ...], Callable[[Servers, list[str], Report], Awaitable[list[Row]]]]] = [
        ("kernel", KERNEL, lambda on, rows, tell: run(on, rows, arguments.turns, arguments.members, tell)),
        ("reports", REPORTS, lambda on, rows, tell: reports.rows(on, rows, arguments.turns, size, tell)),
        ("ledger", LEDGER, lambda on, _, tell: _ledger_rows(on, arguments.turns, tell)),
    ]
    for name, known, measured in parts:
        chosen = [row for row in wanted if row in known]
        if not chosen:
            continue
        with (
            progress(console) as tell,
            servers((*DATABASES, *reports.DATABASES)) as started,
            # The event loop of production: uvicorn takes it wherever it is installed.
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            rows = runner.run(_awaited(measured(started, chosen, tell)))
        report.show(rows, facts, console)
        if set(chosen) == set(known):
            report.write(rows, facts, ROOT / "build" / "bench" / f"{name}.json")


async def _awaited(rows: Awaitable[list[Row]]) -> list[Row]:
    return await rows


if __name__ == "__main__":
    main()
