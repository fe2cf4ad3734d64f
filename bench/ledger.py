"""The ledger's rows: posting in the consumer, a hot account, whole purchases, the API."""

import asyncio

from bench import ledger_api, ledger_base, ledger_consumer
from bench.measure import Row, measure, measure_alone
from bench.part import Part, Run
from cashback.main import service
from common import migrate
from common.testing import TestIssuer

TRANSFERS = 20_000
SECONDS = 3.0
"""How long the client drives the API in one turn."""


async def rows(run: Run) -> list[Row]:
    """Measure all of them: they share a base."""
    servers, tell = run.servers, run.tell
    await asyncio.to_thread(migrate.upgrade, service, servers.postgres.url("cashback"))
    await ledger_base.prepare(servers)
    settings, dsn, issuer = ledger_base.settings_of(servers), servers.dsn("cashback"), TestIssuer(servers.folder)
    measured = [
        await measure(
            "ledger, batches in the consumer; plain SQL",
            "transfers/s",
            ours=lambda: ledger_consumer.consumer_rate(settings, TRANSFERS),
            limit=lambda: ledger_consumer.plain_rate(dsn, TRANSFERS),
            turns=run.turns,
            aim=0.7,
            report=tell,
        ),
        await measure(
            "ledger, one hot account; many accounts",
            "transfers/s",
            ours=lambda: ledger_consumer.consumer_rate(settings, TRANSFERS, partners=1),
            limit=lambda: ledger_consumer.consumer_rate(settings, TRANSFERS),
            turns=run.turns,
            aim=0.8,
            report=tell,
        ),
        await measure_alone(
            "purchases taken whole by the consumer",
            "purchases/s",
            lambda: ledger_consumer.intake_rate(settings, TRANSFERS // 4),
            turns=run.turns.no_more_than(3),
            report=tell,
        ),
    ]
    with ledger_api.serving_cashback(servers, issuer.jwks_url) as port:
        measured.append(
            await measure(
                f"ledger, one by one through the API; plain SQL, {ledger_api.CONNECTIONS} connections each",
                "purchases/s",
                ours=lambda: ledger_api.api_rate(port, issuer, SECONDS),
                limit=lambda: ledger_api.plain_api_rate(dsn, SECONDS),
                turns=run.turns,
                aim=0.7,
                report=tell,
            )
        )
    return measured


PART = Part("ledger", ("ledger",), rows, databases=("cashback",))
