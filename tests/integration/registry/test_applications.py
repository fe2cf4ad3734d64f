"""Joining without paper: apply, follow, admit or decline."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import ApplicationDecided, ApplicationSubmitted, MemberAdmitted


async def test_an_applicant_is_admitted(world: Any, done: Any, published: Any) -> None:
    receipt = await world.apply(world.school, birth_date="1985-03-04", consents=["cards", "membership"])
    assert set(receipt) == {"application_id", "follow_code", "status"}
    follow = f"/v1/applications/status/{receipt['follow_code']}"
    assert done(await world.client.get(follow))["status"] == "submitted"
    path = f"/v1/applications/{receipt['application_id']}"
    body = {"protocol_number": "12/1", "effective_on": "2021-02-15"}
    admitted = done(await world.client.post(f"{path}/admit", json=body, headers=world.federal))
    assert admitted == {
        "member_id": admitted["member_id"],
        "organisation_id": str(world.school),
        "status": "member",
        "category": "working",
        "pedagogical": None,
        "sex": "female",
        "birth_year": 1985,
        "joined_on": "2021-02-15",
        "left_on": None,
        "version": 1,
    }
    progress = done(await world.client.get(follow))
    assert (progress["status"], progress["decided_on"]) == ("admitted", "2021-02-15")
    (event,) = await published(MemberAdmitted)
    assert str(event.member_id) == admitted["member_id"]
    assert (event.consents, event.origin, str(event.joined_on)) == (
        ["cards", "membership"],
        "application",
        "2021-02-15",
    )
    assert [e.status for e in await published(ApplicationSubmitted, ApplicationDecided)] == [
        "submitted",
        "admitted",
    ]


async def test_the_queue_shows_names_to_staff_and_records_who_read(
    world: Any, done: Any, database: Database
) -> None:
    receipt = await world.apply(world.school, last_name="Кузнецова")
    await world.apply(world.other)
    staff = {**world.staff("primary_staff", world.school), "X-Purpose": "committee meeting"}
    page = done(await world.client.get("/v1/applications", params={"status": "submitted"}, headers=staff))
    (item,) = page["items"]
    assert (item["last_name"], item["check_off"], item["member_id"]) == ("Кузнецова", False, None)
    done(await world.client.get(f"/v1/applications/{receipt['application_id']}", headers=staff))
    async with database.sessions() as session:
        rows = (
            await session.execute(
                sa.text(
                    "select subject, action, purpose, whose_kind, whose, count from access_log order by access_id"
                )
            )
        ).all()
    reads = [(row.subject, row.action, row.purpose, row[5]) for row in rows if row.action != "apply"]
    assert reads == [
        ("primary_staff-1", "list_applications", "committee meeting", 1),
        ("primary_staff-1", "read_application", "committee meeting", 1),
    ]
    assert [str(row.whose[0]) for row in rows[2:]] == [receipt["application_id"]] * 2


async def test_the_record_of_accesses_cannot_be_changed(world: Any, database: Database) -> None:
    await world.apply(world.school)
    for statement in ("update access_log set subject = 'x'", "delete from access_log", "truncate access_log"):
        with pytest.raises(sa.exc.DBAPIError):
            async with database.sessions.begin() as session:
                await session.execute(sa.text(statement))


async def test_a_decline_gives_its_reason_to_the_applicant(world: Any, done: Any, refused: Any) -> None:
    receipt = await world.apply(world.school)
    path = f"/v1/applications/{receipt['application_id']}"
    body = {"reason": "Работает в другой организации"}
    answer = done(await world.client.post(f"{path}/decline", json=body, headers=world.federal))
    assert (answer["status"], answer["member_id"]) == ("declined", None)
    progress = done(await world.client.get(f"/v1/applications/status/{receipt['follow_code']}"))
    assert progress["decline_reason"] == "Работает в другой организации"
    for route, again in (("decline", body), ("admit", {"protocol_number": "1"})):
        response = await world.client.post(f"{path}/{route}", json=again, headers=world.federal)
        refused(response, 409, "application_already_decided")


async def test_a_member_is_not_admitted_twice_however_the_name_is_spelled(
    world: Any, done: Any, refused: Any
) -> None:
    person = {"last_name": "Алёшина", "first_name": "Ольга", "birth_date": "1980-01-02"}
    await world.member(world.school, **person)
    again = await world.apply(world.other, **{**person, "last_name": "АЛЕШИНА"})
    assert again["status"] == "submitted"
    path = f"/v1/applications/{again['application_id']}/admit"
    body: dict[str, Any] = {"protocol_number": "1", "effective_on": "2021-03-01"}
    refused(await world.client.post(path, json=body, headers=world.federal), 409, "already_member")
    twin = {**body, "namesake_confirmed": True}
    done(await world.client.post(path, json=twin, headers=world.federal))


async def test_who_left_may_join_again(world: Any, done: Any) -> None:
    person = {"last_name": "Орлова", "birth_date": "1980-01-02"}
    first = await world.member(world.school, **person)
    leave = {"effective_on": "2021-04-01"}
    done(await world.client.post(f"/v1/members/{first}/leave", json=leave, headers=world.federal))
    assert await world.member(world.school, **person, effective_on="2021-05-01") != first


async def test_two_committees_admitting_one_person_at_once_make_one_member(world: Any, published: Any) -> None:
    person = {"last_name": "Орлова", "birth_date": "1980-01-02"}
    receipts = [await world.apply(place, **person) for place in (world.school, world.other)]
    answers = await asyncio.gather(
        *(
            world.client.post(
                f"/v1/applications/{receipt['application_id']}/admit",
                json={"protocol_number": "1", "effective_on": "2021-03-01"},
                headers=world.federal,
            )
            for receipt in receipts
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await published(MemberAdmitted)) == 1


async def test_applications_that_cannot_be_are_refused(world: Any, refused: Any) -> None:
    async def send(organisation: Any = None, **fields: Any) -> Any:
        body = world.application(organisation or world.school, **fields)
        return await world.client.post("/v1/applications", json=body)

    refused(await send(consents=["cards"]), 422, "membership_consent_required")
    refused(await send(consent_text_version="1917"), 422, "consent_text_unknown")
    refused(await send(birth_date="2007-02-02", effective_on="2021-02-01"), 422, "too_young")
    assert (await send(birth_date="2007-02-01", effective_on="2021-02-01")).status_code == 201
    refused(await send(birth_date="2190-02-01"), 422, "date_out_of_range")
    refused(await send(effective_on="2190-02-01"), 422, "date_out_of_range")
    refused(await send(world.town), 409, "organisation_takes_no_members")
    refused(await send("00000000-0000-7000-8000-000000000000"), 404, "not_found")
    for wrong in (
        {"last_name": "1234"},
        {"last_name": ""},
        {"phone": "8 913"},
        {"email": "нет"},
        {"sex": "?"},
        {"snils": "1"},
        {"birth_date": "1899-01-01"},
    ):
        refused(await send(**wrong), 422, "request_invalid")
    refused(await world.client.get("/v1/applications/status/0123456789012345678901"), 404, "not_found")


async def test_consent_texts_are_public_and_their_hash_is_kept(world: Any, done: Any, database: Database) -> None:
    texts = {text["purpose"]: text for text in done(await world.client.get("/v1/public/consent-texts"))}
    assert set(texts) == {"membership", "cards", "bonus", "marketing"}
    await world.member(world.school, consents=["membership"])
    async with database.sessions() as session:
        kept = (
            await session.execute(sa.text("select purpose, text_version, text_hash, channel from consent"))
        ).one()
    assert tuple(kept) == ("membership", "2021-1", texts["membership"]["text_hash"], "online")


async def test_a_repeated_application_is_one_application(world: Any, published: Any) -> None:
    body = world.application(world.school)
    key = {"Idempotency-Key": "8d7b3f0e-one-click-too-many"}
    first, second = [await world.client.post("/v1/applications", json=body, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    assert len(await published(ApplicationSubmitted)) == 1
