"""Pages, cursors and open transactions: whatever comes in between, a phone gets each change, and it is recorded."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.rounds import run_round
from registry.main import service as registry
from tests.integration.registry.pulling import fresh, page, stones
from tests.pocket import Pocket


@pytest.fixture
async def phone(world: Any) -> Pocket:
    return await fresh(world)


async def test_pages_of_any_size_give_the_same(world: Any) -> None:
    for _ in range(5):
        await world.member(world.school)
    for _ in range(2):
        await world.apply(world.other)
    whole = Pocket(world.client, world.staff("territorial_staff", world.town))
    await whole.pull()
    for size in (1, 2, 3, 10):
        pocket = Pocket(world.client, world.staff("territorial_staff", world.town), page=size)
        await pocket.pull()
        assert pocket.store == whole.store
        assert (await page(pocket))["more"] is False


async def test_a_slow_transaction_that_commits_late_is_not_lost(
    world: Any, phone: Pocket, database: Database, done: Any
) -> None:
    """It numbers its changes first and commits last: after faster ones were synchronised, twice."""
    slow, fast, later = [await world.member(world.school) for _ in range(3)]
    await phone.pull()
    change = sa.text(
        "update person set phone = :phone where person_id = (select person_id from member where member_id = :id)"
    ).bindparams(sa.bindparam("id", type_=sa.Uuid))
    async with database.sessions() as session:
        await session.execute(change, {"phone": "+70000000001", "id": uuid.UUID(slow)})
        for member in (fast, later):
            done(await world.patch(f"/v1/members/{member}", {"phone": "+70000000002"}))
            await phone.pull()
            assert phone.store.members[member]["phone"] == "+70000000002"
            assert phone.store.members[slow]["phone"] != "+70000000001"
        await session.commit()
    await phone.pull()
    assert phone.store.members[slow]["phone"] == "+70000000001"


async def test_a_snapshot_taken_while_a_transaction_is_open_gets_it_afterwards(
    world: Any, database: Database
) -> None:
    member = await world.member(world.school)
    pocket = Pocket(world.client, world.staff("primary_staff", world.school), page=1)
    async with database.sessions() as session:
        await session.execute(
            sa.text("update member set category = 'student', version = 9 where member_id = :id").bindparams(
                sa.bindparam("id", uuid.UUID(member), sa.Uuid)
            )
        )
        await pocket.pull()
        assert pocket.store.members[member]["version"] == 1
        await session.commit()
    await pocket.pull()
    assert (pocket.store.members[member]["version"], pocket.store.members[member]["category"]) == (9, "student")


async def test_a_change_during_the_pages_is_there_at_their_end(world: Any, done: Any) -> None:
    members = sorted([await world.member(world.school) for _ in range(3)])
    pocket = Pocket(world.client, world.staff("primary_staff", world.school))
    for number in range(3):
        taken = await page(pocket, limit=1)
        pocket.store.take(taken)
        pocket.cursor = taken["cursor"]
        if number == 2:
            done(await world.patch(f"/v1/members/{members[0]}", {"phone": "+70000000003"}))
            newest = await world.member(world.school)
            leave = {"effective_on": "2021-05-02"}
            done(await world.client.post(f"/v1/members/{members[2]}/leave", json=leave, headers=world.federal))
    await pocket.pull()
    assert pocket.store.members.keys() == {members[0], members[1], newest}
    assert pocket.store.members[members[0]]["phone"] == "+70000000003"


async def test_many_rows_at_once_are_loaded_anew(world: Any, phone: Pocket, database: Database) -> None:
    await world.member(world.school)
    await phone.pull()
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text(
                """
                with people as (
                    insert into person (person_id, last_name, first_name, birth_date, match_key)
                    select gen_random_uuid(), 'Ли', 'Анна', date '1990-01-01', 'x' from generate_series(1, 700)
                    returning person_id
                )
                insert into member (member_id, person_id, organisation_id, status, birth_year, joined_on, version)
                select gen_random_uuid(), person_id, :school, 'member', 1990, date '2021-01-01', 1 from people
                """
            ).bindparams(sa.bindparam("school", world.school, sa.Uuid))
        )
    async with database.sessions() as session:
        noted = await session.scalar(sa.text("select count(*) from sync_change where row_id is null"))
    assert noted == 1
    assert (str(world.school), "reload") in await stones(phone)
    await phone.pull()
    assert len(phone.store.members) == 701


async def test_a_cursor_that_is_not_the_phones_starts_afresh(
    world: Any, phone: Pocket, database: Database
) -> None:
    member = await world.member(world.school)
    thief = Pocket(world.client, world.issuer.bearer("primary_staff", sub="b", organisation_id=world.other))
    thief.cursor = phone.cursor
    found = await page(thief)
    assert (found["reset"], found["members"]) == (True, [])
    phone.store.members["stale"] = {"organisation_id": str(world.school)}
    async with database.sessions.begin() as session:
        await session.execute(sa.text("update sync_cursor set created_at = created_at - interval '91 days'"))
    await phone.pull()
    assert phone.store.members.keys() == {member}
    async with database.sessions.begin() as session:
        await session.execute(sa.text("update sync_cursor set cluster = 1"))
    assert (await page(phone))["reset"] is True


async def test_a_cursor_that_nobody_gave_out_is_refused(world: Any, phone: Pocket, refused: Any) -> None:
    for cursor in ("nonsense", "ü", "AAAA"):
        params = {"device_id": phone.device_id, "cursor": cursor}
        answer = await world.client.get("/v1/sync", params=params, headers=phone.bearer)
        refused(answer, 422, "cursor_invalid")


async def test_each_page_is_one_record_of_access(world: Any, phone: Pocket, database: Database) -> None:
    members = {await world.member(world.school) for _ in range(4)}
    await phone.pull()
    await phone.pull()
    async with database.sessions() as session:
        rows = (
            await session.execute(sa.text("select whose, count as seen from access_log where action = 'sync'"))
        ).all()
    assert [({str(key) for key in row.whose}, row.seen) for row in rows] == [(members, 4)]


async def test_a_phone_that_finds_nothing_new_leaves_nothing_behind(
    world: Any, phone: Pocket, database: Database
) -> None:
    cursor = phone.cursor
    for _ in range(3):
        await phone.pull()
    assert phone.cursor == cursor
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from sync_cursor")) == 1


async def test_phones_at_once_do_not_disturb_each_other(world: Any) -> None:
    member = await world.member(world.school)
    pockets = [Pocket(world.client, world.staff("primary_staff", world.school), page=1) for _ in range(4)]
    await asyncio.gather(*(pocket.pull() for pocket in pockets for _ in range(2)))
    assert all(pocket.store.members.keys() == {member} for pocket in pockets)


async def test_what_is_old_is_forgotten_but_for_each_phones_last_cursor(
    world: Any, phone: Pocket, database: Database, settings: Any
) -> None:
    await world.member(world.school)
    await phone.pull()
    old = "update {} set created_at = created_at - interval '100 days'"
    async with database.sessions.begin() as session:
        for table in ("sync_cursor", "sync_change"):
            await session.execute(sa.text(old.format(table)))
    (purge,) = (one for one in registry.rounds if one.name == "forget_sync")
    assert await run_round(database, settings, purge, datetime.now(UTC) + timedelta(seconds=1))
    async with database.sessions() as session:
        counts = [
            await session.scalar(sa.text(f"select count(*) from {table}"))
            for table in ("sync_cursor", "sync_change")
        ]
    assert counts == [1, 0]
    assert (await page(phone))["reset"] is True
    await phone.pull()
    assert len(phone.store.members) == 1
