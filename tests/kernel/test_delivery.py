"""Nothing is lost, nothing happens twice, order per key holds: with real processes killed at bad moments."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.outbox import republish
from common.relay import Relay, build_producer
from common.settings import Settings
from common.testing import eventually
from common.topics import provision
from local_stack.postgres import Postgres
from tests.conftest import APACHE, TestBroker
from tests.kernel.toy import COUNTERS
from tests.kernel.world import (
    ROOT,
    Worker,
    counted,
    effects,
    first_occurrences,
    log_of_topic,
    make_counters,
    outbox_size,
    projection,
    truth,
    write,
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def extra_settings(kafka_bootstrap: str) -> dict[str, Any]:
    return {"kafka_bootstrap": kafka_bootstrap, "kafka_idempotent": APACHE}


@pytest.fixture
async def topics(settings: Settings) -> None:
    assert await provision(settings, [COUNTERS]) == [COUNTERS.name]


@pytest.fixture
def start(settings: Settings, tmp_path: Path, topics: None) -> Iterator[Callable[[], Worker]]:
    """Starts worker processes and leaves none behind."""
    workers: list[Worker] = []

    def run() -> Worker:
        workers.append(Worker(settings, tmp_path / f"worker-{len(workers)}.log"))
        return workers[-1]

    yield run
    for worker in workers:
        worker.kill()


@pytest.fixture
def dice() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


async def test_twenty_thousand_events_through_two_relays_one_of_them_killed(
    database: Database, settings: Settings, start: Callable[[], Worker], dice: random.Random
) -> None:
    ids = await make_counters(database, 500)
    doomed, survivor = start(), start()
    await asyncio.gather(doomed.ready(), survivor.ready())
    writers = asyncio.gather(*(write(database, ids, 2_500, random.Random(dice.random())) for _ in range(8)))

    async def some_are_sent() -> bool:
        return await doomed.metric("outbox_published_total") > 2_000

    await eventually(some_are_sent, timeout=60)
    doomed.kill()
    assert sum(await writers) == 20_000

    async def all_acted_upon() -> bool:
        return await outbox_size(database) == 0 and await counted(database) == 20_000

    await eventually(all_acted_upon, timeout=90)
    expected = {str(i): list(range(1, version + 1)) for i, (_, version) in (await truth(database)).items()}
    log = await log_of_topic(settings)
    assert {key: first_occurrences(versions) for key, versions in log.items()} == expected
    assert sum(len(versions) for versions in log.values()) >= 20_000
    assert {str(i): versions for i, versions in (await effects(database)).items()} == expected
    assert await projection(database) == await truth(database)


async def test_a_crash_between_commit_and_send_loses_nothing(
    database: Database, settings: Settings, start: Callable[[], Worker], broker: TestBroker, dice: random.Random
) -> None:
    ids = await make_counters(database, 20)
    doomed = start()
    await doomed.ready()
    await write(database, ids, 1, dice)

    async def relay_is_connected() -> bool:
        # A relay that is still greeting the broker when it freezes would hold no batch, and no lock.
        return await outbox_size(database) == 0

    await eventually(relay_is_connected)
    broker.freeze()
    # Committed, and the relay cannot get rid of them: it dies with the batch in its hands.
    await write(database, ids, 300, dice)
    assert await outbox_size(database) == 300

    async def relay_holds_a_batch() -> bool:
        async with database.sessions() as session:
            locks = await session.execute(
                sa.text(
                    "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2"
                    " and database = (select oid from pg_database where datname = current_database())"
                )
            )
            return bool(locks.scalar_one())

    await eventually(relay_holds_a_batch)
    doomed.kill()
    broker.thaw()
    start()

    async def all_acted_upon() -> bool:
        return await counted(database) == 301

    await eventually(all_acted_upon, timeout=60)
    assert await projection(database) == await truth(database)


async def test_kills_restarts_and_freezes_leave_every_effect_exactly_once(
    database: Database,
    settings: Settings,
    start: Callable[[], Worker],
    broker: TestBroker,
    postgres: Postgres,
    dice: random.Random,
) -> None:
    ids = await make_counters(database, 50)
    worker = start()
    await worker.ready()

    async def write_and_wait_for(share: float) -> None:
        before = await counted(database)
        await write(database, ids, 1_500, dice)

        async def enough() -> bool:
            return await counted(database) >= before + 1_500 * share

        await eventually(enough, timeout=90)

    await write_and_wait_for(0.2)
    worker.kill()  # in the midst of its batches
    worker = start()
    await worker.ready()

    await write_and_wait_for(0.2)
    await asyncio.to_thread(postgres.restart)
    await database.engine.dispose()

    await write_and_wait_for(0.2)
    broker.freeze()
    thaw_at = time.monotonic() + 5

    async def five_seconds_over() -> bool:
        return time.monotonic() >= thaw_at

    await eventually(five_seconds_over)
    broker.thaw()

    async def all_acted_upon() -> bool:
        return await counted(database) >= 4_500

    await eventually(all_acted_upon, timeout=90)
    expected = {i: list(range(1, version + 1)) for i, (_, version) in (await truth(database)).items()}
    assert await effects(database) == expected
    assert await projection(database) == await truth(database)


async def test_sigterm_ends_a_worker_without_loss_or_repetition(
    database: Database, start: Callable[[], Worker], dice: random.Random
) -> None:
    ids = await make_counters(database, 50)
    first = start()
    await first.ready()
    await write(database, ids, 3_000, dice)

    async def under_way() -> bool:
        return 0 < await counted(database) < 3_000

    await eventually(under_way)
    assert await first.stop(within=10) == 0
    second = start()
    await second.ready()

    async def all_acted_upon() -> bool:
        return await outbox_size(database) == 0 and await counted(database) >= 3_000

    await eventually(all_acted_upon, timeout=60)
    expected = {i: list(range(1, version + 1)) for i, (_, version) in (await truth(database)).items()}
    assert await effects(database) == expected


async def test_a_wiped_broker_is_refilled_without_a_second_effect(
    database: Database,
    settings: Settings,
    start: Callable[[], Worker],
    broker: TestBroker,
    dice: random.Random,
) -> None:
    ids = await make_counters(database, 30)
    worker = start()
    await worker.ready()
    await write(database, ids, 1_000, dice)

    async def all_acted_upon() -> bool:
        return await outbox_size(database) == 0 and await counted(database) == 1_000

    await eventually(all_acted_upon, timeout=60)
    assert await worker.stop() == 0
    before = await effects(database)

    broker.wipe()
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("truncate seen"))
    assert await provision(settings, [COUNTERS]) == [COUNTERS.name]
    worker = start()
    await worker.ready()
    position, sent = 0, 0
    while True:
        async with database.sessions.begin() as session:
            position, count = await republish(session, [COUNTERS.name], position, 400)
        sent += count
        if not count:
            break
    assert sent == 1_000

    async def restored() -> bool:
        return await projection(database) == await truth(database)

    await eventually(restored, timeout=60)

    async def all_seen_as_duplicates() -> bool:
        return await worker.metric("events_duplicate_total") == 1_000

    await eventually(all_seen_as_duplicates, timeout=60)
    assert await effects(database) == before


async def test_a_writer_that_dies_before_its_commit_publishes_nothing(
    database: Database, settings: Settings, start: Callable[[], Worker], dice: random.Random
) -> None:
    [counter] = await make_counters(database, 1)
    script = (
        "import asyncio, os, sys, uuid\n"
        "from common.db import Database\nfrom common.settings import Settings\n"
        "from tests.kernel.toy import Counter, tell\n"
        "async def main():\n"
        "    database = Database.connect(Settings())\n"
        "    session = database.sessions()\n"
        "    counter = await session.get(Counter, uuid.UUID(sys.argv[1]), with_for_update=True)\n"
        "    counter.version += 1\n"
        "    tell(session, counter)\n"
        "    await session.begin_nested()\n"
        "    await session.flush()\n"
        "    os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    environment = {
        "UNION_DATABASE_URL": settings.database_url.get_secret_value(),
        "UNION_JWKS_URL": settings.jwks_url,
    }
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(counter)], cwd=ROOT, env=environment, check=False
    )
    assert died.returncode == 9
    assert await outbox_size(database) == 0
    worker = start()
    await worker.ready()
    await write(database, [counter], 1, dice)

    async def acted_upon() -> bool:
        return await counted(database) > 0

    await eventually(acted_upon)
    assert await effects(database) == {counter: [1]}


async def test_a_republish_ends_each_key_with_its_newest_state(
    database: Database, settings: Settings, topics: None, dice: random.Random
) -> None:
    """A compacted topic keeps the last record of a key: an old one may not be sent again after a new one."""
    ids = await make_counters(database, 3)
    relay, producer = Relay(database, settings), build_producer(settings)

    async def send_all() -> None:
        for shard in range(settings.outbox_shards):
            await relay.relay_once(producer, shard)

    await producer.start()
    try:
        await write(database, ids, 3, dice, per_change=3)
        await send_all()
        await write(database, ids, 3, dice, per_change=3)
        async with database.sessions.begin() as session:
            assert (await republish(session, [COUNTERS.name], 0, 400))[1] == 3
        await send_all()
    finally:
        await producer.stop()
    assert set(map(tuple, (await log_of_topic(settings)).values())) == {(1, 1, 2)}
    assert await outbox_size(database) == 0
