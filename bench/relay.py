"""The relay that drains a filled outbox, beside a bare producer that sends the same records."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import orjson

from bench.world import Message, execute
from common.db import Database
from common.outbox import shard_of
from common.relay import Relay, build_producer
from common.settings import Settings
from common.testing import eventually


async def relay_rate(settings: Settings, dsn: str, messages: Sequence[Message]) -> float:
    """Events a second from the relay's start to the empty outbox: read, send, move to the history, commit."""
    await _fill(dsn, settings.outbox_shards, messages)
    database = Database.connect(settings)
    relay = Relay(database, settings)
    watcher = await asyncpg.connect(dsn)

    async def drained() -> bool:
        return not await watcher.fetchval("select exists (select from outbox)")

    begun = time.perf_counter()
    relay.start()
    await eventually(drained, timeout=120, interval=0.01)
    seconds = time.perf_counter() - begun
    await relay.stop()
    await database.close()
    await watcher.close()
    return len(messages) / seconds


async def bare_producer_rate(settings: Settings, messages: Sequence[Message]) -> float:
    """Events a second of the relay's own producer, given the same records from memory."""
    records = [(m.topic, m.payload, m.key.encode(), m.wire_headers) for m in messages]
    producer = build_producer(settings)
    begun = time.perf_counter()
    await producer.start()
    acknowledgements = [
        await producer.send(topic, value, key=key, headers=headers) for topic, value, key, headers in records
    ]
    await asyncio.gather(*acknowledgements)
    seconds = time.perf_counter() - begun
    await producer.stop()
    return len(messages) / seconds


async def _fill(dsn: str, shards: int, messages: Sequence[Message]) -> None:
    await execute(dsn, "truncate outbox, event_history")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table(
            "outbox",
            columns=("shard", "topic", "key", "payload", "headers"),
            records=[
                (shard_of(m.key, shards), m.topic, m.key, m.payload, orjson.dumps(m.headers).decode())
                for m in messages
            ],
        )
        # What the last turn left would otherwise be vacuumed and written out within this one.
        await connection.execute("vacuum analyze outbox")
    finally:
        await connection.close()
