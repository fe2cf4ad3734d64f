"""The relay: reads the outbox, sends, deletes. Runs in every worker; any number of them may run at once."""

import asyncio
import contextlib
import random
from collections import Counter

import sqlalchemy as sa
from aiokafka import AIOKafkaProducer

from common import telemetry
from common.db import Database
from common.events import topic_of_partner
from common.events.base import Topic
from common.kafka import kafka_security
from common.outbox import SHARD_LOCK_CLASS, dump_headers, outbox_backlog
from common.settings import Settings
from common.topics import provision

_SHORTEST_NAP, _LONGEST_NAP = 0.020, 0.200
"""Seconds between looks at an empty outbox. NOTIFY in the writing transaction costs 13-34 % of throughput."""

_WAITING = sa.text(
    "select shard from generate_series(0, :last) shard"
    " where exists (select from outbox where outbox.shard = shard.shard)"
)
_LOCK = sa.text("select pg_try_advisory_xact_lock(:lock_class, :shard)")
_READ = sa.text(
    "select id, topic, key, payload, headers from outbox where shard = :shard order by id limit :batch"
)
_MOVE = sa.text(
    "with sent as (delete from outbox where id = any(:ids) returning *)"
    " insert into event_history (id, topic, key, payload, headers, created_at)"
    " select id, topic, key, payload, headers, created_at from sent where not replayed"
).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger)))


def build_producer(settings: Settings) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=settings.kafka_idempotent,
        linger_ms=3,
        max_batch_size=262_144,
        compression_type="gzip",
        request_timeout_ms=10_000,
        **kafka_security(settings),
    )


class Relay:
    """Sends the outbox of one database, each event at least once and in order per key.

    Per shard: take the shard's advisory lock, read up to `relay_batch` rows by id, send them, move them
    to the history, commit. A kill at any point leaves the rows for whoever takes the lock next.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._made: set[str] = set()
        """Topics of partners that are known to stand."""
        self._making = asyncio.Lock()

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name="relay")

    async def stop(self) -> None:
        """End after the rounds under way; what is unsent stays in the outbox."""
        self._stopping.set()
        if self._task:
            _, unfinished = await asyncio.wait([self._task], timeout=self._settings.shutdown_seconds)
            for task in unfinished:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _supervise(self) -> None:
        # A producer that has lost its sequence is dead for good (aiokafka #1017): build another.
        while not self._stopping.is_set():
            producer = build_producer(self._settings)
            # A broker that lost its topics has failed our producer too: look again.
            self._made.clear()
            try:
                await producer.start()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send_loop(producer))
                    group.create_task(self._watch_backlog())
            except Exception as error:
                cause: BaseException = error
                while isinstance(cause, ExceptionGroup):
                    cause = cause.exceptions[0]
                telemetry.RELAY_FAILURES.inc()
                telemetry.log().warning("relay_failed", **telemetry.describe(cause))
                await self._nap(random.uniform(0.2, 1.0))  # noqa: S311 (jitter, not a secret)
            finally:
                with contextlib.suppress(Exception):
                    await producer.stop()

    async def _send_loop(self, producer: AIOKafkaProducer) -> None:
        nap = _SHORTEST_NAP
        while not self._stopping.is_set():
            # One look for all shards: idle relays would else be most of what an idle database does.
            waiting = await self._shards_waiting()
            async with asyncio.TaskGroup() as group:
                rounds = [group.create_task(self.relay_once(producer, shard)) for shard in waiting]
            sent = [task.result() for task in rounds]
            # Another relay may hold the locks of what waits: then it is as if nothing did.
            nap = _SHORTEST_NAP if any(sent) else min(nap * 2, _LONGEST_NAP)
            if max(sent, default=0) < self._settings.relay_batch:
                await self._nap(nap)

    async def _shards_waiting(self) -> list[int]:
        async with self._database.engine.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            last = self._settings.outbox_shards - 1
            return list(await alone.scalars(_WAITING, {"last": last}))

    async def relay_once(self, producer: AIOKafkaProducer, shard: int) -> int:
        """Send one batch of a shard; returns how many. 0: nothing to send, or another relay has the lock."""
        async with self._database.engine.begin() as connection:
            if not await connection.scalar(_LOCK, {"lock_class": SHARD_LOCK_CLASS, "shard": shard}):
                return 0
            rows = (await connection.execute(_READ, {"shard": shard, "batch": self._settings.relay_batch})).all()
            if not rows:
                return 0
            await self._make_topics({row.topic for row in rows})
            acknowledgements = [
                await producer.send(topic, payload, key=key.encode(), headers=dump_headers(headers))
                for _, topic, key, payload, headers in rows
            ]
            await asyncio.gather(*acknowledgements)
            # Now, not after the commit: what is sent and cannot be moved goes out again, and is counted again.
            for topic, count in Counter(row.topic for row in rows).items():
                telemetry.OUTBOX_PUBLISHED.labels(topic).inc(count)
            await connection.execute(_MOVE, {"ids": [row.id for row in rows]})
        return len(rows)

    async def _make_topics(self, names: set[str]) -> None:
        """A partner comes while we run: its topic is made before its first event goes out."""
        if names <= self._made:
            return
        # One shard at a time: a topic that two ask for at once would fail the round of all of them.
        async with self._making:
            new = names - self._made
            missing: list[Topic] = [topic for name in sorted(new) if (topic := topic_of_partner(name)) is not None]
            if missing:
                await provision(self._settings, missing)
            self._made |= new

    async def _watch_backlog(self) -> None:
        while not self._stopping.is_set():
            async with self._database.sessions() as session:
                waiting, age = await outbox_backlog(session)
            telemetry.OUTBOX_WAITING.set(waiting)
            telemetry.OUTBOX_AGE.set(age)
            await self._nap(1.0)

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
