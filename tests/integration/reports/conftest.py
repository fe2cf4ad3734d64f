import random
from collections.abc import Awaitable, Callable, Iterable

import pytest

from common.app import Service
from common.db import Database
from common.parking import Record
from common.processing import Processor
from common.settings import Settings
from reports.main import service as reports_service

DeliverAll = Callable[..., Awaitable[None]]


@pytest.fixture
def service() -> Service:
    return reports_service


@pytest.fixture
def deliver_all(service: Service, settings: Settings, database: Database) -> DeliverAll:
    """`await deliver_all(records, shuffle=…)`: everything in batches of 50, topic by topic."""
    processors = {s.topic.name: Processor(s, database) for s in service.subscriptions(settings)}

    async def run(records: Iterable[Record], shuffle: random.Random | None = None) -> None:
        waiting = list(records)
        if shuffle:
            shuffle.shuffle(waiting)
        for topic in dict.fromkeys(record.topic for record in waiting):
            of_topic = [record for record in waiting if record.topic == topic]
            for start in range(0, len(of_topic), 50):
                await processors[topic].process(of_topic[start : start + 50])

    return run
