"""A phone has what its organisation has: all of it at first, every change after, and nothing that is not its own."""

import asyncio
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.rounds import run_round
from registry import keys
from registry.commands.import_batches import import_members, roll_back_batch
from registry.main import service as registry
from tests.integration.registry import care
from tests.pocket import Pocket


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"]}


@pytest.fixture
async def phone(world: Any) -> Pocket:
    """Of the school's chair, synchronised while the school is empty."""
    pocket = Pocket(world.client, world.staff("primary_staff", world.school))
    await pocket.pull()
    return pocket


async def page(pocket: Pocket, **params: Any) -> dict[str, Any]:
    asked = {"device_id": pocket.device_id, **({"cursor": pocket.cursor} if pocket.cursor else {}), **params}
    answer = await pocket.http.get("/v1/sync", params=asked, headers={**pocket.bearer, "X-Purpose": "sync"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def stones(pocket: Pocket) -> set[tuple[str, str]]:
    """The tombstones of the next page, which the phone takes."""
    found = await page(pocket)
    pocket.store.take(found)
    pocket.cursor = found["cursor"]
    return {(stone["id"], stone["reason"]) for stone in found["tombstones"]}


async def test_the_snapshot_is_the_scope_and_nothing_else(world: Any, done: Any) -> None:
    mine = [await world.member(world.school) for _ in range(3)]
    foreign = await world.member(world.other)
    open_application = await world.apply(world.school)
    await world.apply(world.other)
    body = {"member_id": foreign, "to_organisation_id": str(world.school), "effective_on": "2021-05-01"}
    coming = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)
    pocket = Pocket(world.client, world.staff("primary_staff", world.school))
    first = await page(pocket)
    assert (first["reset"], first["scope_changed"], first["more"], first["tombstones"]) == (True, False, False, [])
    await pocket.pull()
    store = pocket.store
    assert store.organisations.keys() == {str(world.school)}
    assert store.members.keys() == set(mine)
    assert store.applications.keys() == {open_application["application_id"]}
    assert store.transfers.keys() == {coming["transfer_id"]}
    assert store.transfers[coming["transfer_id"]]["first_name"] == "Анна"
    row = store.members[mine[0]]
    assert (row["first_name"], row["category"], row["consents"]) == ("Анна", "working", ["cards", "membership"])
    assert row["phone"].startswith("+7913")
    town = Pocket(world.client, world.staff("territorial_staff", world.town))
    await town.pull()
    assert town.store.organisations.keys() == {str(world.town), str(world.school), str(world.other)}
    assert town.store.members.keys() == {*mine, foreign}


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


async def test_a_change_reaches_the_next_synchronisation_of_another_phone(
    world: Any, phone: Pocket, done: Any
) -> None:
    member = await world.member(world.school)
    await phone.pull()
    assert phone.store.members[member]["category"] == "working"
    done(await world.patch(f"/v1/members/{member}", {"category": "pensioner", "phone": "+79990000000"}))
    await phone.pull()
    row = phone.store.members[member]
    assert (row["category"], row["phone"]) == ("pensioner", "+79990000000")
    consent = f"/v1/members/{member}/consents/cards/withdraw"
    done(await world.client.post(consent, json={}, headers=world.federal))
    await world.patch(f"/v1/organisations/{world.school}", {"name": "Новое имя", "effective_on": "2021-06-01"})
    await phone.pull()
    assert phone.store.members[member]["consents"] == ["membership"]
    assert phone.store.organisations[str(world.school)]["name"] == "Новое имя"


async def imported(database: Database, folder: Path) -> tuple[uuid.UUID, str]:
    """A register of one person of the school: its batch, and the member."""
    register = folder / "register.csv"
    register.write_text("ФИО;Дата рождения;ППО\nЛишняя Ольга Львовна;01.02.1980;Берёзовская СОШ № 2\n")
    batch = (await import_members(database, [register], date(2022, 1, 1))).batch_id
    async with database.sessions() as session:
        row = sa.text("select member_id from import_row where batch_id = :batch")
        return batch, str(await session.scalar(row, {"batch": batch}))


async def test_whoever_left_the_scope_leaves_the_phone_with_the_reason(
    world: Any, phone: Pocket, database: Database, done: Any, tmp_path: Path
) -> None:
    moved, left, expelled, erased, doubled = [await world.member(world.school) for _ in range(5)]
    batch, mistaken = await imported(database, tmp_path)
    survivor = await world.member(world.other)
    application = (await world.apply(world.school))["application_id"]
    await phone.pull()
    assert phone.store.members[mistaken]["last_name"] == "Лишняя"
    body = {"member_id": moved, "to_organisation_id": str(world.other), "effective_on": "2021-05-01"}
    transfer = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)["transfer_id"]
    await phone.pull()
    assert transfer in phone.store.transfers
    day = {"effective_on": "2021-05-02"}
    for path, sent in (
        (f"/v1/transfers/{transfer}/accept", day),
        (f"/v1/members/{left}/leave", day),
        (f"/v1/members/{expelled}/expel", {"reason": "Решение", "protocol_number": "3", **day}),
        (f"/v1/applications/{application}/decline", {"reason": "Нет"}),
    ):
        done(await world.client.post(path, json=sent, headers=world.federal))
    await care.erase(world, erased)
    await care.merge(world, survivor, doubled)
    async with database.sessions.begin() as session:
        assert await roll_back_batch(session, batch) == {"retracted": 1}
    found = await stones(phone)
    expected = {
        (moved, "transferred"),
        (left, "left"),
        (expelled, "expelled"),
        (erased, "erased"),
        (doubled, "merged"),
        (mistaken, "retracted"),
        (application, "decided"),
        (transfer, "decided"),
    }
    assert expected <= found
    # The applications by which the erased had come were decided long ago, and the phone has none of them.
    assert {reason for _, reason in found - expected} <= {"decided"}
    assert (phone.store.members, phone.store.applications, phone.store.transfers) == ({}, {}, {})


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


async def test_an_organisation_that_moves_away_takes_its_rows_off_the_phone(world: Any, done: Any) -> None:
    gone, kept = await world.member(world.school), await world.member(world.other)
    region = await world.organisation("regional", world.root)
    town = await world.organisation("territorial", region)
    old = Pocket(world.client, world.staff("territorial_staff", world.town))
    new = Pocket(world.client, world.staff("territorial_staff", town))
    await old.pull()
    await new.pull()
    move = {"parent_id": str(town), "reason": "Так решено", "effective_on": "2021-06-01"}
    done(await world.client.post(f"/v1/organisations/{world.school}/move", json=move, headers=world.federal))
    assert await old.pull()
    assert await new.pull()
    assert (set(old.store.members), set(new.store.members)) == ({kept}, {gone})
    assert str(world.school) not in old.store.organisations
    assert str(world.school) in new.store.organisations
    done(await world.patch(f"/v1/members/{gone}", {"phone": "+70000000004"}))
    await old.pull()
    await new.pull()
    assert gone not in old.store.members
    assert new.store.members[gone]["phone"] == "+70000000004"


async def test_when_the_right_ends_the_phone_is_emptied(world: Any, phone: Pocket, refused: Any) -> None:
    await world.member(world.school)
    await phone.pull()
    ended = {"sub": "primary_staff-1", "organisation_id": world.school, "powers_until": "2020-12-31"}
    phone.bearer = world.issuer.bearer("primary_staff", **ended)
    assert await phone.pull()
    assert phone.store == Pocket(world.client, {}).store
    stranger = Pocket(world.client, world.issuer.bearer("primary_staff", **{**ended, "sub": "stranger"}))
    params = {"device_id": stranger.device_id}
    refused(await world.client.get("/v1/sync", params=params, headers=stranger.bearer), 403, "forbidden")
    phone.bearer = world.staff("primary_staff", world.other)
    assert await phone.pull()
    assert phone.store.organisations.keys() == {str(world.other)}


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


async def test_federal_staff_name_an_organisation(world: Any, refused: Any) -> None:
    params = {"device_id": str(uuid.uuid4())}
    answer = await world.client.get("/v1/sync", params=params, headers=world.federal)
    refused(answer, 409, "sync_needs_organisation")


async def test_who_holds_which_office_is_on_the_phone(world: Any, phone: Pocket, done: Any) -> None:
    chair, former, future = [await world.member(world.school) for _ in range(3)]
    foreign = await world.member(world.other)
    today = datetime.now(UTC).date()

    async def elect(member: str, place: Any, office: str, begins: int, ends: int) -> str:
        body = {
            "member_id": member,
            "office": office,
            "starts_on": str(today + timedelta(days=begins)),
            "ends_on": str(today + timedelta(days=ends)),
            "protocol_number": "5",
            "protocol_on": str(today),
        }
        path = f"/v1/organisations/{place}/offices"
        return str(done(await world.client.post(path, json=body, headers=world.federal), 201)["term_id"])

    term = await elect(chair, world.school, "chair", -30, 300)
    await elect(former, world.school, "audit_member", -300, -1)
    coming = await elect(future, world.school, "committee_member", 20, 300)
    await elect(foreign, world.other, "chair", -30, 300)
    await phone.pull()
    assert phone.store.offices.keys() == {term, coming}
    row = phone.store.offices[term]
    assert row == done(await world.client.get(f"/v1/offices/{term}", headers=world.federal))
    fresh = Pocket(world.client, phone.bearer)
    await fresh.pull()
    assert fresh.store == phone.store
    named = {"last_name": "Переименованная", "reason": "Паспорт"}
    done(await world.patch(f"/v1/members/{chair}", named))
    await phone.pull()
    assert phone.store.offices[term]["last_name"] == "Переименованная"
    path = f"/v1/offices/{term}/end"
    done(await world.client.post(path, json={"reason": "Отставка"}, headers=world.federal))
    assert (term, "ended") in await stones(phone)
    assert phone.store.offices.keys() == {coming}
    read = done(await world.client.get("/v1/access-log", params={"whose_id": foreign}, headers=world.federal))
    assert "sync" not in {row["action"] for row in read["items"]}


async def test_staff_get_nothing_without_saying_why(world: Any, phone: Pocket, refused: Any) -> None:
    bearer = {name: value for name, value in phone.bearer.items() if name != "X-Purpose"}
    for path in ("/v1/sync", "/v1/sync/conflicts", "/v1/sync/stranded"):
        answer = await world.client.get(path, params={"device_id": phone.device_id}, headers=bearer)
        refused(answer, 422, "purpose_required")
