"""What a batch leaves behind when part of it fails: sessions, shelves, and records made to be unreadable."""

import asyncio
from datetime import date
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common import parking
from common.consumers import Delivery, Subscription
from common.db import Database
from common.errors import BusinessError
from common.parking import Parked, Record
from common.processing import Processor
from common.projections import Projection
from common.settings import Settings
from common.testing import record_of
from tests.kernel import toy
from tests.kernel.toy import COUNTERS, Counted, Counter, Seen
from tests.kernel.world import effects


def count(counter: UUID, version: int, value: int = 0) -> Counted:
    return Counted(counter_id=counter, value=value, version=version, effective_on=date(2021, 1, 1))


@pytest.fixture
def processor(settings: Settings, database: Database) -> Processor:
    return Processor(toy.subscriptions(settings)[0], database)


async def parked(database: Database) -> list[Parked]:
    async with database.sessions() as session:
        return await parking.parked_records(session)


class Refused(BusinessError):
    code = "refused_for_the_test"


async def test_an_effect_tried_again_sees_nothing_of_what_was_rolled_back(database: Database) -> None:
    """The objects that an effect loaded before its savepoint was undone must not answer for the database."""
    subscription = Subscription("toy", COUNTERS)
    subscription.projects(Projection(Seen, key="counter_id"), Counted)
    states: list[tuple[int, int]] = []

    @subscription.effect(Counted)
    async def compare(session: AsyncSession, event: Counted, _delivery: Delivery) -> None:
        row = await session.get_one(Seen, event.counter_id)
        if event.version == 2:
            raise Refused("Send it later.")
        states.append((event.version, row.version))

    counter = uuid7()
    await Processor(subscription, database).process([record_of(count(counter, 1)), record_of(count(counter, 2))])
    assert states[-1] == (1, 1)
    assert [p.code for p in await parked(database)] == ["refused_for_the_test"]


async def test_a_row_locked_before_a_rollback_is_read_again(database: Database) -> None:
    """The rollback lets its lock go: what another transaction did meanwhile is not overwritten."""
    counter, other = uuid7(), uuid7()
    async with database.sessions.begin() as session:
        session.add(Counter(counter_id=counter, name="counter", value=0, version=1))
    subscription = Subscription("toy", COUNTERS)
    attempts = 0

    @subscription.effect(Counted)
    async def add(session: AsyncSession, event: Counted, _delivery: Delivery) -> None:
        nonlocal attempts
        row = await session.get(Counter, counter, with_for_update=True)
        assert row is not None
        if event.counter_id == other:
            attempts += 1
            if attempts == 1:
                asyncio.get_running_loop().create_task(add_one())
                await asyncio.sleep(0.1)
            raise Refused("Send it later.")
        if attempts:
            await asyncio.wait_for(added.wait(), 5)
        row.value += 1

    added = asyncio.Event()

    async def add_one() -> None:
        async with database.sessions.begin() as session:
            await session.execute(sa.text("update counter set value = value + 1"))
        added.set()

    # The pair is tried together, undone, and then each alone.
    await Processor(subscription, database).process([record_of(count(other, 1)), record_of(count(counter, 1))])
    async with database.sessions() as session:
        assert (await session.get_one(Counter, counter)).value == 2


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("empty", None),), id="a header without a value"),
        pytest.param((("nul\x00", b"1"),), id="a header with NUL in its name"),
        pytest.param((("ce_time", b"0001-01-01T00:00:00"),), id="a moment without a zone"),
    ],
)
async def test_no_header_stops_the_batch(
    processor: Processor, database: Database, headers: tuple[tuple[str, bytes], ...]
) -> None:
    good, odd = uuid7(), record_of(count(uuid7(), 1), 0)
    named = {name for name, _ in headers}
    odd = Record(
        odd.topic, 0, 0, odd.raw_key, b"poison", (*(h for h in odd.headers if h[0] not in named), *headers)
    )
    sound = Record(odd.topic, 0, 1, odd.raw_key, record_of(count(UUID(odd.key), 1)).payload, odd.headers)
    await processor.process([odd, record_of(count(good, 1), 2)])
    assert await effects(database) == {good: [1]}
    assert [p.code for p in await parked(database)] == ["unreadable"]
    await processor.process([sound])
    assert await processor.retry() == (0, 2)


async def test_a_sound_event_with_a_moment_without_a_zone_does_not_come_for_ever(
    processor: Processor, database: Database
) -> None:
    await processor.process([record_of(count(uuid7(), 1), 0, None, ce_time="0001-01-01T00:00:00")])
    assert [p.code for p in await parked(database)] == ["unreadable"]


async def test_a_batch_that_comes_again_parks_nothing_twice(processor: Processor, database: Database) -> None:
    """Offsets are committed after the database: a kill between the two gives the same records again."""
    counter = uuid7()
    sound = record_of(count(counter, 1), 0)
    batch = [Record(sound.topic, 0, 0, sound.raw_key, b"{", sound.headers), record_of(count(counter, 2), 1)]
    await processor.process(batch)
    await processor.process(batch)
    assert [p.record.offset for p in await parked(database)] == [0, 1]


async def test_a_database_behind_the_release_parks_nothing(processor: Processor, database: Database) -> None:
    """A missing table is not the record's fault: it waits for the migration."""
    processor._failures = -20
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("alter table applied rename to applied_before"))
    record = record_of(count(uuid7(), 1))
    with pytest.raises(sa.exc.ProgrammingError):
        await processor.process([record])
    assert await parked(database) == []
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("alter table applied_before rename to applied"))
    await processor.process([record])
    assert await effects(database) == {UUID(record.key): [1]}
