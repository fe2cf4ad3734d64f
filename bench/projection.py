"""The kernel's consumer with a projection, beside a bare batch consumer and beside the idiomatic handler."""

import asyncio
import itertools
import logging
import time
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from bench.world import Member, execute
from common.consumers import Subscription
from common.db import Database
from common.events.registry import MEMBER_EVENTS, MEMBERS, MemberEvent
from common.projections import Projection
from common.settings import Settings
from common.streams import Streams
from common.telemetry import CONSUMED
from common.testing import eventually

_groups = itertools.count()
_BARE_UPSERT = """
insert into member as t select a, b, c, d, e, f, g, h, i::text[], j from
 unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::date[], $8::date[],
        $9::text[], $10::int[]) as u(a, b, c, d, e, f, g, h, i, j) order by a
 on conflict (member_id) do update set organisation_id = excluded.organisation_id, status = excluded.status,
 category = excluded.category, sex = excluded.sex, birth_year = excluded.birth_year,
 joined_on = excluded.joined_on, left_on = excluded.left_on, consents = excluded.consents,
 version = excluded.version where t.version < excluded.version
"""


async def kernel_rate(settings: Settings, dsn: str, count: int) -> float:
    """A subscription with one projection: `consuming_rate` of it."""
    await execute(dsn, "truncate member")
    subscription = Subscription(f"bench-{next(_groups)}", MEMBERS)
    subscription.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)
    return await consuming_rate(settings, subscription, count)


async def consuming_rate(settings: Settings, subscription: Subscription, count: int) -> float:
    """Events a second from the assignment of the partitions until `count` events are committed."""
    database = Database.connect(settings)
    streams = Streams("bench", [subscription], database, settings)
    await streams.start()

    async def assigned() -> bool:
        return streams.assigned

    async def finished() -> bool:
        return _consumed(subscription.consumer) >= count

    await eventually(assigned, interval=0.002)
    begun = time.perf_counter()
    await eventually(finished, timeout=120, interval=0.01)
    seconds = time.perf_counter() - begun
    await streams.stop()
    await database.close()
    return count / seconds


def _consumed(consumer: str) -> float:
    samples = (sample for metric in CONSUMED.collect() for sample in metric.samples)
    return sum(s.value for s in samples if s.name.endswith("_total") and s.labels["consumer"] == consumer)


async def bare_rate(settings: Settings, dsn: str, count: int) -> float:
    """The same work by hand: getmany, one upsert by unnest, one commit of the offsets a batch.

    No envelope is read, nothing is validated, measured, traced or parked.
    """
    await execute(dsn, "truncate member")
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
    consumer = AIOKafkaConsumer(
        MEMBERS.name,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"bare-{next(_groups)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await consumer.start()

    async def assigned() -> bool:
        return bool(consumer.assignment())

    await eventually(assigned, interval=0.002)
    begun, done = time.perf_counter(), 0
    while done < count:
        batches = await consumer.getmany(timeout_ms=50, max_records=settings.consumer_batch)
        newest: dict[bytes, dict[str, Any]] = {}
        for records in batches.values():
            for record in records:
                body = orjson.loads(record.value)
                seen = newest.get(record.key)
                if seen is None or seen["version"] < body["version"]:
                    newest[record.key] = body
            done += len(records)
        if newest:
            await pool.execute(_BARE_UPSERT, *_columns(list(newest.values())))
            await consumer.commit()
    seconds = time.perf_counter() - begun
    await consumer.stop()
    await pool.close()
    return count / seconds


def _columns(rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [
        [UUID(row["member_id"]) for row in rows],
        [UUID(row["organisation_id"]) for row in rows],
        [row["status"] for row in rows],
        [row["category"] for row in rows],
        [row["sex"] for row in rows],
        [row["birth_year"] for row in rows],
        [date.fromisoformat(row["joined_on"]) for row in rows],
        [date.fromisoformat(row["left_on"]) if row["left_on"] else None for row in rows],
        [f"{{{','.join(row['consents'])}}}" for row in rows],
        [row["version"] for row in rows],
    ]


async def idiomatic_rate(settings: Settings, dsn: str, count: int) -> float:
    """FastStream as its tutorials write it: one message, one validated body, one session, one commit.

    Stops after `count` of the topic's events.
    """
    await execute(dsn, "truncate member")
    database = Database.connect(settings)
    broker = KafkaBroker(settings.kafka_bootstrap, logger=logging.getLogger("bench.faststream"))
    finished, done, begun = asyncio.Event(), 0, 0.0

    @broker.subscriber(
        MEMBERS.name,
        group_id=f"idiomatic-{next(_groups)}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        fetch_max_wait_ms=50,
    )
    async def keep_member(event: MemberEvent) -> None:
        nonlocal done, begun
        begun = begun or time.perf_counter()
        async with database.sessions.begin() as session:
            seen = await session.get(Member, event.member_id, with_for_update=True)
            if seen is None or seen.version < event.version:
                await session.merge(Member(**event.model_dump(include=set(Member.model_fields))))
        done += 1
        if done == count:
            finished.set()

    await broker.start()
    await finished.wait()
    seconds = time.perf_counter() - begun
    await broker.stop()
    await database.close()
    return count / seconds
