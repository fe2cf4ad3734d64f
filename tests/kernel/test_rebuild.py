"""What a service knows, from the topics again: damage is found to the row and put right, and effects do not repeat."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.parking import Record, park
from common.rebuild import Difference, ParkedFirst, rebuild
from common.settings import Settings
from common.testing import eventually
from tests.kernel.test_delivery import dice, extra_settings, start, topics  # noqa: F401 (fixtures)
from tests.kernel.toy import service
from tests.kernel.world import Worker, effects, make_counters, projection, truth, write


@pytest.fixture
async def told(database: Database, start: Callable[[], Worker], dice: random.Random) -> Worker:  # noqa: F811
    """A worker at work, and 300 changes of 40 counters that it has taken in."""
    worker = start()
    await worker.ready()
    ids = await make_counters(database, 40)
    await write(database, ids, 300, dice)

    async def all_taken_in() -> bool:
        async with database.sessions() as session:
            facts = (await session.execute(sa.text("select count(*) from counter_fact"))).scalar_one()
        return bool(facts == 300)

    await eventually(all_taken_in, timeout=60)
    return worker


async def rebuilt(database: Database, settings: Settings, **how: Any) -> dict[str, Difference]:
    seen: list[tuple[int, int]] = []
    found = await rebuild(service.subscriptions(settings), database, settings, lambda *at: seen.append(at), **how)
    assert seen[-1][0] == seen[-1][1] == found.records >= 300
    return {difference.table: difference for difference in found.differences}


async def damage(database: Database, *statements: str) -> None:
    async with database.sessions.begin() as session:
        for statement in statements:
            await session.execute(sa.text(statement))


async def contents(database: Database) -> list[Any]:
    async with database.sessions() as session:
        tables = ("seen", "counter_fact")
        return [(await session.execute(sa.text(f"select * from {t} order by 1, 2"))).all() for t in tables]


async def test_a_sound_service_is_found_to_be_so(database: Database, settings: Settings, told: Worker) -> None:
    before = await contents(database)
    for dry_run in (True, False):
        found = await rebuilt(database, settings, dry_run=dry_run)
        assert all(difference.same for difference in found.values())
        assert (found["counter_fact"].live, found["counter_fact"].rebuilt) == (300, 300)
    assert await contents(database) == before


async def test_damage_is_found_to_the_row_and_put_right_to_the_digit(
    database: Database, settings: Settings, told: Worker
) -> None:
    before, acted = await contents(database), await effects(database)
    await damage(
        database,
        "delete from seen where counter_id in (select counter_id from seen order by 1 limit 3)",
        "update seen set value = value + 1 where counter_id in (select counter_id from seen order by 1 desc limit 2)",
        "delete from counter_fact where version % 3 = 0",
        "insert into seen values (gen_random_uuid(), 7, 1)",
    )
    found = await rebuilt(database, settings, dry_run=True)
    seen = found["seen"]
    assert (seen.missing, seen.differing, seen.extra) == (3, 2, 1)
    assert found["counter_fact"].missing > 0
    assert await contents(database) != before
    await rebuilt(database, settings, prune=True)
    assert await contents(database) == before
    assert await effects(database) == acted
    async with database.sessions() as session:
        left = await session.scalar(sa.text("select count(*) from pg_namespace where nspname = 'rebuild'"))
    assert left == 0


async def test_extra_rows_stay_unless_they_are_to_be_pruned(
    database: Database, settings: Settings, told: Worker
) -> None:
    await damage(database, "insert into seen values (gen_random_uuid(), 7, 1)")
    assert (await rebuilt(database, settings))["seen"].extra == 1
    assert (await rebuilt(database, settings))["seen"].extra == 1
    assert (await rebuilt(database, settings, prune=True))["seen"].extra == 1
    assert (await rebuilt(database, settings))["seen"].same


async def test_a_rebuild_beside_a_worker_at_work_loses_nothing(
    database: Database,
    settings: Settings,
    told: Worker,
    dice: random.Random,  # noqa: F811
) -> None:
    async with database.sessions() as session:
        ids = list(await session.scalars(sa.text("select counter_id from counter order by 1")))
    await damage(database, "delete from seen", "delete from counter_fact where version > 1")
    writing = asyncio.create_task(write(database, ids, 2_000, dice))
    await rebuilt(database, settings)
    await writing

    async def as_it_is() -> bool:
        return await projection(database) == await truth(database)

    await eventually(as_it_is, timeout=60)
    assert all(difference.same for difference in (await rebuilt(database, settings)).values())


async def test_what_is_parked_comes_first(database: Database, settings: Settings, told: Worker) -> None:
    record = Record("toy.counter.v1", 0, 0, b"key", b"{}", ())
    async with database.sessions.begin() as session:
        await park(session, "toy.toy.counter.v1", [(record, "failed", "x")])
    with pytest.raises(ParkedFirst):
        await rebuild(service.subscriptions(settings), database, settings, lambda *_: None)
    assert (await rebuilt(database, settings, dry_run=True))["seen"].same
