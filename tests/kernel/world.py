"""What the delivery tests share: worker processes, writers, readers of the log."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import httpx
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.db import Database
from common.settings import Settings
from common.testing import eventually
from local_stack.ports import free_port
from tests.kernel.toy import COUNTERS, Applied, Counter, Seen, tell

ROOT = Path(__file__).parents[2]


class Worker:
    """A worker process of the toy service."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.port = free_port()
        environment = {
            "UNION_DATABASE_URL": settings.database_url.get_secret_value(),
            "UNION_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "UNION_KAFKA_IDEMPOTENT": str(settings.kafka_idempotent).lower(),
            "UNION_KAFKA_FETCH_WAIT_MS": "50",
            "UNION_JWKS_URL": settings.jwks_url,
            "UNION_HTTP_PORT": str(self.port),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.kernel.toy", "worker"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )
        self.log = log

    async def ready(self) -> None:
        async with httpx.AsyncClient() as client:

            async def is_ready() -> bool:
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.port}/health/ready")
                except httpx.HTTPError:
                    return False
                return answer.status_code == 200

            await eventually(is_ready, timeout=40)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def stop(self, within: float = 10.0) -> int:
        """SIGTERM; the exit code. Fails when it takes longer than `within` seconds."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, within)


async def make_counters(database: Database, count: int) -> list[UUID]:
    ids = sorted(uuid7() for _ in range(count))
    async with database.sessions.begin() as session:
        await session.execute(
            insert(Counter), [{"counter_id": i, "name": "counter", "value": 0, "version": 0} for i in ids]
        )
    return ids


async def write(
    database: Database, ids: Sequence[UUID], events: int, dice: random.Random, per_change: int = 10
) -> int:
    """Change random counters until `events` events are committed; now and then roll a change back."""
    written = 0
    while written < events:
        chosen = sorted(dice.sample(list(ids), min(per_change, len(ids), events - written)))
        session = database.sessions()
        async with session, session.begin() as transaction:
            counters = (
                await session.scalars(
                    sa.select(Counter)
                    .where(col(Counter.counter_id).in_(chosen))
                    .order_by(col(Counter.counter_id))
                    .with_for_update()
                )
            ).all()
            for counter in counters:
                counter.version += 1
                counter.value = counter.version * 1000
                tell(session, counter)
            if dice.random() < 0.05:
                await transaction.rollback()
                continue
        written += len(chosen)
    return written


async def log_of_topic(settings: Settings) -> dict[str, list[int]]:
    """Every record of the counters' topic: the versions per key, in the order of the log."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(COUNTERS.name, p) for p in range(settings.topic_partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        versions: dict[str, list[int]] = defaultdict(list)
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    versions[record.key.decode()].append(int(dict(record.headers)["ce_sequence"]))
        return versions
    finally:
        await consumer.stop()


async def send_raw(
    settings: Settings, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes | None]]
) -> None:
    """Put a record on the counters' topic past the outbox, as a broken producer would."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(COUNTERS.name, value, key=key, headers=list(headers))
    finally:
        await producer.stop()


def first_occurrences(versions: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(versions))


async def effects(database: Database) -> dict[UUID, list[int]]:
    """The versions that the effect acted on, per counter, in the order of acting."""
    found: dict[UUID, list[int]] = defaultdict(list)
    async with database.sessions() as session:
        rows = await session.execute(
            sa.select(col(Applied.counter_id), col(Applied.version)).order_by(col(Applied.applied_id))
        )
        for counter_id, version in rows:
            found[counter_id].append(version)
    return found


async def counted(database: Database) -> int:
    async with database.sessions() as session:
        return int((await session.execute(sa.select(sa.func.count()).select_from(Applied))).scalar_one())


async def projection(database: Database) -> dict[UUID, tuple[int, int]]:
    async with database.sessions() as session:
        rows = await session.execute(sa.select(col(Seen.counter_id), col(Seen.value), col(Seen.version)))
        return {row.counter_id: (row.value, row.version) for row in rows}


async def truth(database: Database) -> dict[UUID, tuple[int, int]]:
    """The aggregates themselves, those that have changed at all."""
    async with database.sessions() as session:
        rows = await session.execute(
            sa.select(col(Counter.counter_id), col(Counter.value), col(Counter.version)).where(
                col(Counter.version) > 0
            )
        )
        return {row.counter_id: (row.value, row.version) for row in rows}


async def outbox_size(database: Database) -> int:
    async with database.sessions() as session:
        return int((await session.execute(sa.text("select count(*) from outbox"))).scalar_one())
