"""Posting in the kernel's consumer, beside plain SQL that writes the same rows."""

import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from bench.ledger_base import (
    BALANCES,
    ENTRIES,
    EXPLAINED,
    LOCK,
    PARTNERS,
    POSTINGS,
    WHEN,
    click_of,
    make_accounts,
    moment_of,
    partner_of,
    refs_of,
)
from cashback import ledger
from cashback.commands.intake import take_reports
from cashback.config import CashbackSettings
from cashback.consumers import report_of
from cashback.ledger import Entry
from cashback.policy import policy_of
from common.consumers import Delivery, Subscription
from common.db import Database
from common.events.partners import PURCHASE_REPORTS, OrderLineReported
from common.parking import Record
from common.processing import Processor
from common.testing import record_of

BATCH = 1000


def _records(count: int, topic: str) -> list[Record]:
    """A report of a line each, by as many partners as there are, all on one topic."""
    made = []
    for n in range(count):
        event = OrderLineReported(
            version=1,
            effective_on=WHEN.date(),
            order=uuid7().hex,
            line=1,
            what="reported",
            click_id=click_of(n * PARTNERS),
            amount=100_000,
            purchased_at=moment_of(n * PARTNERS),
        )
        record = record_of(event)
        made.append(Record(topic, 0, n, record.raw_key, record.payload, record.headers))
    return made


async def consumer_rate(settings: CashbackSettings, count: int, partners: int = PARTNERS) -> float:
    """Transfers a second that the kernel's consumer reads, posts and commits, an entry an event."""
    topic = PURCHASE_REPORTS.of(partner_of(0))
    subscription = Subscription("bench", topic)

    refs = [refs_of(n, partners) for n in range(count)]

    @subscription.bulk_effect(OrderLineReported)
    async def post_entries(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        entries = []
        for delivery in deliveries:
            receivable, pending = refs[delivery.record.offset]
            movements = [(receivable, -5000), (pending, 5000)]
            entries.append(Entry("accrual", f"bench:{delivery.event.key}", WHEN, EXPLAINED, movements))
        await ledger.post(session, *entries)

    return await _process(settings, subscription, _records(count, topic.name))


async def intake_rate(settings: CashbackSettings, count: int) -> float:
    """Purchases a second that the consumer takes whole: rules, purchase, report, entry, event."""
    topic = PURCHASE_REPORTS.of(partner_of(0))
    subscription = Subscription("bench", topic)

    policy = policy_of(settings)

    @subscription.bulk_effect(OrderLineReported)
    async def take(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        reports = [report_of(partner_of(0), d.event) for d in deliveries if isinstance(d.event, OrderLineReported)]
        told = await take_reports(session, reports, "topic", policy, deliveries[0].now)
        if refusals := [one.refusal for one in told if one.refusal]:
            raise RuntimeError(f"refused: {refusals[0]}")

    return await _process(settings, subscription, _records(count, topic.name))


async def _process(settings: CashbackSettings, subscription: Subscription, records: Sequence[Record]) -> float:
    database = Database.connect(settings)
    processor = Processor(subscription, database)
    async with database.engine.connect():
        pass
    begun = time.perf_counter()
    for first in range(0, len(records), BATCH):
        await processor.process(records[first : first + BATCH])
    seconds = time.perf_counter() - begun
    async with database.sessions() as session:
        connection = await session.connection()
        parked = (await connection.exec_driver_sql("select count(*) from parked_record")).scalar_one()
    await database.close()
    if parked:
        raise RuntimeError(f"{parked} records were parked")
    return len(records) / seconds


async def plain_rate(dsn: str, count: int) -> float:
    """The same journal rows by hand: three statements a batch on one connection, the arrays ready-made."""
    connection = await asyncpg.connect(dsn)
    refs = [refs_of(n, PARTNERS) for n in range(count)]
    await make_accounts(connection, [ref for pair in refs for ref in pair])
    batches = []
    for first in range(0, count, BATCH):
        part = refs[first : first + BATCH]
        ids = [uuid7() for _ in part]
        lines = [(i, 1, a.account_id, -5000) for i, (a, _) in zip(ids, part, strict=True)]
        lines += [(i, 2, b.account_id, 5000) for i, (_, b) in zip(ids, part, strict=True)]
        sums: dict[UUID, int] = {}
        for _, _, account, amount in lines:
            sums[account] = sums.get(account, 0) + amount
        n = len(part)
        entries = (ids, ["accrual"] * n, [f"plain:{i}" for i in ids], [WHEN] * n, [EXPLAINED] * n, [2] * n)
        batches.append((entries, tuple(map(list, zip(*lines, strict=True))), sums))
    begun = time.perf_counter()
    for entries, postings, sums in batches:
        async with connection.transaction():
            await connection.fetch(LOCK, sorted(sums))
            await connection.execute(ENTRIES, *entries)
            await connection.execute(POSTINGS, *postings)
            await connection.execute(BALANCES, list(sums), list(sums.values()))
    seconds = time.perf_counter() - begun
    await connection.close()
    return count / seconds
