"""What a worker says of itself: ready when its groups have given it its part, alive while batches come to an end."""

import asyncio
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from common import streams
from common.db import Database
from common.processing import Processor
from common.settings import Settings
from common.streams import Streams
from common.testing import eventually
from common.topics import provision
from tests.conftest import APACHE
from tests.kernel import toy
from tests.kernel.toy import COUNTERS
from tests.kernel.world import send_raw


@pytest.fixture
def extra_settings(kafka_bootstrap: str) -> dict[str, Any]:
    return {"kafka_bootstrap": kafka_bootstrap, "kafka_idempotent": APACHE, "topic_partitions": 1}


async def test_a_worker_beyond_the_partitions_is_ready(settings: Settings, database: Database) -> None:
    """Or a rollout that starts the new worker before it ends an old one never comes to its end."""
    await provision(settings, [COUNTERS])
    one, two = (Streams("toy", toy.subscriptions(settings), database, settings) for _ in range(2))
    await one.start()
    await two.start()
    try:

        async def both() -> bool:
            return one.assigned and two.assigned

        await eventually(both, timeout=20)
    finally:
        await one.stop()
        await two.stop()


async def test_a_batch_that_never_ends_is_no_life(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provision(settings, [COUNTERS])
    monkeypatch.setattr(streams, "POLL_INTERVAL_SECONDS", 0.3)
    ends = asyncio.Event()

    async def hang(_processor: Processor, _records: Any) -> None:
        await ends.wait()

    monkeypatch.setattr(Processor, "process", hang)
    worker = Streams("toy", toy.subscriptions(settings), database, settings)
    await worker.start()
    try:
        assert worker.alive
        await send_raw(settings, str(uuid7()).encode(), b"{}", [])

        async def dead() -> bool:
            return not worker.alive

        await eventually(dead, timeout=20)
        ends.set()

        async def well() -> bool:
            return worker.alive

        await eventually(well, timeout=5)
    finally:
        await worker.stop()
