"""A phone has what its organisation has: all of it at first, every change after, and nothing that is not its own."""

import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from registry import keys
from registry.commands.import_batches import import_members, roll_back_batch
from tests.integration.registry import care
from tests.integration.registry.pulling import fresh, page, stones
from tests.pocket import Pocket


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"]}


@pytest.fixture
async def phone(world: Any) -> Pocket:
    return await fresh(world)


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
