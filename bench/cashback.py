"""The ledger: posting in the consumer, a hot account, and the API, beside plain SQL that writes the same rows."""

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from bench.world import Servers
from cashback import keys, ledger
from cashback.commands.intake import take_reports
from cashback.config import CashbackSettings
from cashback.consumers import report_of
from cashback.ledger import Entry, Kind, Ref
from cashback.policy import policy_of
from common.consumers import Delivery, Subscription
from common.db import Database
from common.events.partners import PURCHASE_REPORTS, OrderLineReported
from common.parking import Record
from common.processing import Processor
from common.testing import record_of

BATCH = 1000
PARTNERS, MEMBERS = 200, 40_000
WHEN = datetime(2025, 3, 2, 12, tzinfo=UTC)
EXPLAINED = "Кешбэк 50,00 ₽: 5,00 % от 1 000,00 ₽ по акции «Книги» (условия № 1), до копейки вниз."


def settings_of(servers: Servers) -> CashbackSettings:
    files = keys.ensure(servers.folder / "keys")
    return CashbackSettings(
        database_url=servers.postgres.url("cashback"),
        jwks_url="file:///none",
        pairwise_key_file=files["UNION_PAIRWISE_KEY_FILE"],
        ledger_key_file=files["UNION_LEDGER_KEY_FILE"],
    )


async def prepare(servers: Servers) -> None:
    """Partners with a campaign, members who take part, and a click of each member at each of some partners."""
    connection = await asyncpg.connect(servers.dsn("cashback"))
    partners = [partner_of(n) for n in range(PARTNERS)]
    campaigns = [uuid.uuid5(uuid.NAMESPACE_OID, partner) for partner in partners]
    members = [uuid.uuid5(uuid.NAMESPACE_OID, f"member {n}") for n in range(MEMBERS)]
    year = (date(2025, 1, 1), date(2025, 12, 31))
    await connection.executemany(
        "insert into partner (partner, name, hold_days, landing_url) values ($1, $1, 14, 'https://x.example/')",
        [(partner,) for partner in partners],
    )
    await connection.executemany(
        "insert into campaign (campaign_id, partner, status, version) values ($1, $2, 'open', 1)",
        list(zip(campaigns, partners, strict=True)),
    )
    await connection.executemany(
        "insert into campaign_terms (campaign_id, version, title, basis_points, min_basket, rounding, from_on, to_on)"
        " values ($1, 1, 'Книги', 500, 0, 'floor', $2, $3)",
        [(campaign, *year) for campaign in campaigns],
    )
    await connection.executemany(
        "insert into participant (member_id, status, enrolled_on, version) values ($1, 'enrolled', $2, 1)",
        [(member, year[0]) for member in members],
    )
    await connection.executemany(
        "insert into participation (member_id, number, enrolled_on) values ($1, 1, $2)",
        [(member, year[0]) for member in members],
    )
    await connection.executemany(
        "insert into click (click_id, member_id, campaign_id, campaign_version, clicked_at) values ($1, $2, $3, 1, $4)",
        [(click_of(n), members[n], campaigns[n % PARTNERS], WHEN) for n in range(MEMBERS)],
    )
    await connection.close()


def partner_of(number: int) -> str:
    return f"partner-{number % PARTNERS}"


def moment_of(number: int) -> datetime:
    """Purchases of one member are on different days, so that no limit against fraud is hit."""
    return WHEN + timedelta(number // MEMBERS % 25)


def click_of(number: int) -> UUID:
    """Of a member at the partner of the same number."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"click {number % MEMBERS}")


def _refs(number: int, partners: int) -> tuple[Ref, Ref]:
    owner = str(uuid.uuid5(uuid.NAMESPACE_OID, f"member {number % MEMBERS}"))
    return Ref(Kind.PARTNER_RECEIVABLE, partner_of(number % partners)), Ref(Kind.MEMBER_PENDING, owner)


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

    refs = [_refs(n, partners) for n in range(count)]

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


LOCK = "select account_id, balance from account where account_id = any($1) order by account_id for update"
ENTRIES = """insert into journal_entry (entry_id, kind, reference, occurred_at, explained, lines)
 select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::smallint[])"""
POSTINGS = """insert into posting (entry_id, line, account_id, amount)
 select * from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[])"""
BALANCES = """update account set balance = account.balance + u.c
 from unnest($1::uuid[], $2::bigint[]) as u(a, c) where account_id = u.a"""


async def plain_rate(dsn: str, count: int) -> float:
    """The same journal rows by hand: three statements a batch on one connection, the arrays ready-made."""
    connection = await asyncpg.connect(dsn)
    refs = [_refs(n, PARTNERS) for n in range(count)]
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


async def make_accounts(connection: "asyncpg.Connection[asyncpg.Record]", refs: Sequence[Ref]) -> None:
    await connection.executemany(
        "insert into account (account_id, kind, owner, balance, allow_negative, allow_positive)"
        " values ($1, $2, $3, 0, true, true) on conflict do nothing",
        [(ref.account_id, ref.kind.value, ref.owner) for ref in set(refs)],
    )
