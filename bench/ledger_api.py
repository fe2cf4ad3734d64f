"""Purchases one by one through the API, beside plain SQL that writes the same rows."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from bench.client import created_rate, post, serving
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
    settings_of,
)
from bench.world import Servers
from cashback.ledger import Kind, Ref
from common.outbox import shard_of
from common.testing import TestIssuer
from local_stack.ports import free_port

CONNECTIONS = 32


@contextlib.contextmanager
def serving_cashback(servers: Servers, jwks_url: str) -> Iterator[int]:
    settings, port = settings_of(servers), free_port()
    environment = {
        "UNION_DATABASE_URL": settings.database_url.get_secret_value(),
        "UNION_DATABASE_POOL": str(CONNECTIONS),
        "UNION_JWKS_URL": jwks_url,
        "UNION_HTTP_PORT": str(port),
        "UNION_PAIRWISE_KEY_FILE": str(settings.pairwise_key_file),
        "UNION_LEDGER_KEY_FILE": str(settings.ledger_key_file),
    }
    with serving("cashback.main", "api", servers=servers, environment=environment, port=port):
        yield port


async def api_rate(port: int, issuer: TestIssuer, seconds: float) -> float:
    """Purchases a second that the API answers 201 to, over as many connections as the plain SQL has."""
    tokens = [issuer.token("partner", sub=f"p{n}", partner=partner_of(n)) for n in range(CONNECTIONS)]
    return await created_rate(port, [_purchases(n, token) for n, token in enumerate(tokens)], seconds)


def _purchases(number: int, token: str) -> Iterator[bytes]:
    for click in itertools.count(number, PARTNERS):
        purchase = {
            "click_id": click_of(click),
            "order": uuid7().hex,
            "amount": 100_000,
            "purchased_at": moment_of(click),
        }
        yield post("/v1/purchases", token, str(uuid7()), orjson.dumps(purchase))


_CLICK = """select c.*, t.*, p.hold_days, exists (select from participation s where s.member_id = c.member_id
 and s.enrolled_on <= $2), exists (select from partner_relation r where r.partner = p.partner
 and r.member_id = c.member_id) from click c join campaign m using (campaign_id)
 join campaign_terms t on t.campaign_id = c.campaign_id and t.version = c.campaign_version
 join partner p on p.partner = m.partner where c.click_id = $1"""
_LIMITS = """select distinct on (limit_id) * from fraud_limit where partner is null or partner = $1
 order by limit_id, version desc"""
_COUNTED = """select count(*), sum(accrued) from purchase where member_id = $1
 and purchased_at between $2::timestamptz - interval '1 day' and $2::timestamptz + interval '1 day'"""
_HEARS = "select exists (select from webhook where partner = $1)"
_KEY = "insert into idempotency_key (subject, key, request_hash) values ($1, $2, $3) on conflict do nothing"
_KEPT = "update idempotency_key set status = 201, headers = $3, body = $4 where subject = $1 and key = $2"
_KNOWN = "select * from purchase where partner = $1 and order_number = $2 and line = 1 for no key update"
_REPORTED = "select * from partner_report where partner = $1 and order_number = $2 and line = 1"
_PURCHASE = """insert into purchase (purchase_id, click_id, member_id, partner, campaign_id, campaign_version,
 order_number, line, reported, amount, accrued, cashback, status, purchased_at, purchased_on, hold_until, explanation,
 explanation_en, version) values ($1, $2, $3, $4, $5, 1, $6, 1, 100000, 100000, 5000, 5000, 'pending', $7, $8, $8, $9,
 $9, 1)"""
_REPORT = """insert into partner_report values ($1, $2, 1, 'reported', '1', $3, 'api', $4, 'pending', 100000, 5000, 1,
 now())"""
_OUTBOX = """insert into outbox (shard, topic, key, payload, headers)
 values ($1, 'cashback.purchase.v1', $2, $3, $4), ($1, $5, $2, $6, $4)"""
_PAYLOAD = orjson.dumps(
    {
        "version": 1,
        "effective_on": WHEN.date(),
        "purchase_id": "0" * 36,
        "member_id": "0" * 36,
        "partner": partner_of(0),
        "campaign_id": "0" * 36,
        "amount": 100_000,
        "cashback": 5000,
        "status": "pending",
    }
)
"""As long as an event, and as an answer."""
_HEADERS = orjson.dumps(
    {
        "ce_specversion": "1.0",
        "ce_type": "cashback.purchase_reported.v1",
        "ce_id": "0" * 36,
        "ce_source": "urn:union:cashback",
        "ce_subject": "0" * 36,
        "ce_time": WHEN,
        "ce_sequence": "1",
        "ce_dataschema": "urn:union:events:cashback.purchase_reported.v1",
        "content-type": "application/json",
        "traceparent": "0" * 55,
    }
).decode()


async def plain_api_rate(dsn: str, seconds: float) -> float:
    """The same transaction by hand, without HTTP, tokens or checks, its statements one after another.

    It reads, locks and writes the same rows: the key with its answer, purchase, report, entry, postings, balances, both
    events.
    """
    begun = time.perf_counter()
    counts = await asyncio.gather(*(_transact(dsn, n, begun + seconds) for n in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - begun)


async def _transact(dsn: str, number: int, deadline: float) -> int:
    connection = await asyncpg.connect(dsn)
    partner, done = partner_of(number), 0
    while time.perf_counter() < deadline:
        key, order, purchase = str(uuid7()), uuid7().hex, uuid7()
        async with connection.transaction():
            await connection.execute(_KEY, "plain", key, bytes(32))
            await connection.fetch(_KNOWN, partner, order)
            await connection.fetch(_REPORTED, partner, order)
            turn = number + done * PARTNERS
            when = moment_of(turn)
            click = await connection.fetchrow(_CLICK, click_of(turn), when.date())
            assert click is not None
            member = click["member_id"]
            refs = Ref(Kind.PARTNER_RECEIVABLE, partner), Ref(Kind.MEMBER_PENDING, str(member))
            if len(await connection.fetch(LOCK, sorted(ref.account_id for ref in refs))) < 2:
                await make_accounts(connection, refs)
                await connection.fetch(LOCK, sorted(ref.account_id for ref in refs))
            await connection.fetch(_LIMITS, partner)
            await connection.fetch(_COUNTED, member, when)
            campaign = click["campaign_id"]
            of_purchase = (
                purchase,
                click["click_id"],
                member,
                partner,
                campaign,
                order,
                when,
                when.date(),
                EXPLAINED,
            )
            await connection.execute(_PURCHASE, *of_purchase)
            await connection.execute(_REPORT, partner, order, bytes(32), purchase)
            entry, accounts = uuid7(), [ref.account_id for ref in refs]
            await connection.execute(
                ENTRIES, [entry], ["accrual"], [f"plain:{purchase}"], [WHEN], [EXPLAINED], [2]
            )
            await connection.execute(POSTINGS, [entry, entry], [1, 2], accounts, [-5000, 5000])
            await connection.execute(BALANCES, accounts, [-5000, 5000])
            await connection.fetchval(_HEARS, partner)
            shard, topic = shard_of(str(purchase), 4), f"partner.{partner}.cashback.v1"
            await connection.execute(_OUTBOX, shard, str(purchase), _PAYLOAD, _HEADERS, topic, _PAYLOAD)
            await connection.execute(
                _KEPT, "plain", key, '{"etag": "1", "content-type": "application/json"}', _PAYLOAD
            )
        done += 1
    await connection.close()
    return done
