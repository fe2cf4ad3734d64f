"""The kernel's rows: relay, projection beside the idiomatic handler, API."""

from pydantic import SecretStr
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from bench import api, projection, relay
from bench.measure import Row, measure, measure_alone
from bench.part import Part, Run
from bench.world import Servers, Table, member_messages
from common.events.registry import MEMBERS
from common.settings import Settings
from common.testing import TestIssuer
from common.topics import provision
from tests.kernel import toy

AIM = 0.5
EVENTS, KEYS = 20_000, 5_000
IDIOMATIC_EVENTS = 1_500
SECONDS = 3.0
"""How long the client drives an API in one turn."""


def settings_of(servers: Servers) -> Settings:
    return Settings(
        database_url=SecretStr(servers.postgres.url("bench")),
        kafka_bootstrap=servers.broker.bootstrap,
        kafka_idempotent=False,
        jwks_url="file:///none",
    )


async def rows(run: Run) -> list[Row]:
    """Measure the wanted rows, one after another."""
    settings = settings_of(run.servers)
    measured = []
    if run.wanted & {"relay", "projection", "idiomatic"}:
        await _create_tables(run.servers.postgres.url("bench"), Table.metadata)
        measured += await _stream_rows(run, settings)
    if "api" in run.wanted:
        measured.append(await _api_row(run, settings.database_pool))
    return measured


async def _stream_rows(run: Run, settings: Settings) -> list[Row]:
    dsn, messages = run.servers.dsn("bench"), member_messages(EVENTS, KEYS)
    measured = []
    await provision(settings, [MEMBERS])
    if "relay" in run.wanted:
        measured.append(
            await measure(
                "relay",
                "events/s",
                ours=lambda: relay.relay_rate(settings, dsn, messages),
                limit=lambda: relay.bare_producer_rate(settings, messages),
                turns=run.turns,
                aim=AIM,
                report=run.tell,
            )
        )
        # The topic of the projections is a fresh one: the broker forgets everything when it restarts.
        run.servers.broker.restart()
        await provision(settings, [MEMBERS])
    if run.wanted & {"projection", "idiomatic"}:
        await relay.bare_producer_rate(settings, messages)
    if "projection" in run.wanted:
        measured.append(
            await measure(
                "projection",
                "events/s",
                ours=lambda: projection.kernel_rate(settings, dsn, EVENTS),
                limit=lambda: projection.bare_rate(settings, dsn, EVENTS),
                turns=run.turns,
                aim=AIM,
                report=run.tell,
            )
        )
    if "idiomatic" in run.wanted:
        measured.append(
            await measure_alone(
                "projection, one message a transaction",
                "events/s",
                lambda: projection.idiomatic_rate(settings, dsn, IDIOMATIC_EVENTS),
                turns=run.turns.no_more_than(3),
                report=run.tell,
            )
        )
    return measured


async def _api_row(run: Run, pool: int) -> Row:
    for database in ("kernel", "bare"):
        await _create_tables(run.servers.postgres.url(database), toy.service.metadata)
    issuer = TestIssuer(run.servers.folder)
    token = issuer.token("federal_staff")
    with api.kernel_api(run.servers, issuer.jwks_url, pool) as kernel, api.bare_api(run.servers, pool) as bare:
        return await measure(
            "API",
            "changes/s",
            ours=lambda: api.changes_rate(kernel, token, SECONDS),
            limit=lambda: api.changes_rate(bare, token, SECONDS),
            turns=run.turns,
            aim=AIM,
            report=run.tell,
        )


async def _create_tables(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


PART = Part("kernel", ("relay", "projection", "idiomatic", "api"), rows, databases=("bench", "kernel", "bare"))
