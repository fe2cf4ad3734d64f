"""What a phone did offline arrives once, is merged field by field, and is never dropped silently."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import ConsentGiven, MemberAdmitted, MemberChanged, MemberLeft
from registry import keys
from tests.integration.registry import care
from tests.integration.registry.conftest import chair
from tests.integration.registry.pushing import PERSON, conflicts, outcome
from tests.pocket import Pocket


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"]}


async def test_every_kind_of_operation_is_applied(world: Any, phone: Any, published: Any, done: Any) -> None:
    leaver, mover, comer = [await world.member(world.school) for _ in range(3)]
    stranger = await world.member(world.other)
    accepted, declined = [(await world.apply(world.school))["application_id"] for _ in range(2)]
    body = {"member_id": stranger, "to_organisation_id": str(world.school)}
    coming = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)["transfer_id"]
    body["member_id"] = comer
    body["to_organisation_id"] = str(world.other)
    await phone.pull()
    operations = [
        phone.do("admit_member", organisation_id=str(world.school), **PERSON),
        phone.change(
            phone.member, "Паспорт", last_name="Новая", phone="+79131112233", email=None, category="pensioner"
        ),
        phone.about("leave", leaver, effective_on="2026-01-15"),
        phone.about("give_consent", phone.member, purpose="bonus"),
        phone.about("withdraw_consent", phone.member, purpose="cards"),
        phone.decide(accepted, "admit", protocol_number="13"),
        phone.decide(declined, "decline", reason="Не работает у нас"),
        phone.about("release_member", mover, to_organisation_id=str(world.other)),
        phone.answer_transfer("accept_transfer", coming),
    ]
    await phone.push()
    found = {key: (phone.results[key]["outcome"], phone.results[key]["code"]) for key in operations}
    # The third of the member's own is on a version that the second has raised: nothing of it conflicts.
    assert list(found.values()) == [("applied", None)] * len(operations)
    assert len(await published(MemberAdmitted)) == 7
    assert len(await published(MemberChanged)) == len(await published(MemberLeft)) == 1
    assert len(await published(ConsentGiven)) == 1
    await phone.pull()
    row = phone.store.members[phone.member]
    assert (row["last_name"], row["phone"], row["email"], row["category"]) == (
        "Новая",
        "+79131112233",
        None,
        "pensioner",
    )
    assert row["consents"] == ["bonus", "membership"]
    entered = phone.store.members[phone.results[operations[0]]["member_id"]]
    assert (entered["last_name"], entered["phone"]) == ("Ёлкина", "+79135550001")
    assert leaver not in phone.store.members
    assert stranger in phone.store.members
    assert phone.store.applications == {}
    refusal = Pocket(world.client, world.staff("primary_staff", world.other))
    await refusal.pull()
    (waiting,) = refusal.store.transfers
    key = refusal.answer_transfer("refuse_transfer", waiting, reason="Нет ставки")
    assert await outcome(refusal, key) == ("applied", None)


async def test_a_batch_sent_again_gets_the_same_outcomes(world: Any, phone: Any, database: Database) -> None:
    phone.do("admit_member", organisation_id=str(world.school), **PERSON)
    phone.change(phone.member, phone="+79130000001")
    phone.about("leave", phone.member, effective_on="1990-01-01")
    sent = list(phone.queue)
    await phone.push()
    first = dict(phone.results)
    phone.queue = sent[::-1]
    await phone.push()
    assert {key: {**one, "repeated": False} for key, one in phone.results.items()} == first
    assert all(one["repeated"] for one in phone.results.values())
    phone.queue = sent
    phone.device_id, known = str(uuid.uuid4()), phone.device_id
    await phone.push()
    assert all(one["repeated"] for one in phone.results.values()), "the same person with the phone set up anew"
    phone.device_id = known
    assert (await phone.outcomes()).keys() == first.keys()
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from member")) == 2


async def test_the_same_batch_twice_at_once_is_applied_once(world: Any, phone: Any, published: Any) -> None:
    phone.do("admit_member", organisation_id=str(world.school), **PERSON)
    phone.change(phone.member, category="student")
    twin = Pocket(world.client, phone.bearer)
    twin.device_id, twin.queue = phone.device_id, phone.queue[::-1]
    await asyncio.gather(phone.push(), twin.push())
    assert {key: one["outcome"] for key, one in phone.results.items()} == {
        key: one["outcome"] for key, one in twin.results.items()
    }
    assert len(await published(MemberChanged)) == 1
    assert len(await published(MemberAdmitted)) == 2


async def test_an_id_used_for_something_else_is_refused(world: Any, phone: Any) -> None:
    key = phone.change(phone.member, phone="+79130000001")
    await phone.push()
    other = phone.about("leave", phone.member)
    phone.queue[-1]["operation_id"] = key
    assert other not in phone.results
    assert await outcome(phone, key) == ("refused", "operation_id_reused")
    assert (await phone.outcomes())[key]["outcome"] == "applied"


async def test_one_refused_operation_does_not_hold_up_the_others(world: Any, phone: Any, done: Any) -> None:
    keys = [
        phone.about("leave", phone.member, effective_on="2001-01-01"),
        phone.do("admit_member", organisation_id=str(world.school), **{**PERSON, "birth_date": "2020-01-01"}),
        phone.change(phone.member, phone="+79130000001"),
        phone.do("leave", member_id=str(uuid.uuid4()), base_version=1),
    ]
    await phone.push()
    assert [(phone.results[key]["outcome"], phone.results[key]["code"]) for key in keys] == [
        ("refused", "date_out_of_range"),
        ("refused", "too_young"),
        ("applied", None),
        ("refused", "not_found"),
    ]
    assert {item["code"] for item in await conflicts(world, done)} == {
        "date_out_of_range",
        "too_young",
        "not_found",
    }
    (late,) = [item for item in await conflicts(world, done) if item["code"] == "date_out_of_range"]
    take = {
        "take": "phone",
        "current_version": late["current_version"],
        "corrections": {"effective_on": datetime.now(UTC).date().isoformat()},
    }
    done(await world.client.post(f"/v1/sync/conflicts/{late['item_id']}/resolve", json=take, headers=phone.bearer))
    await phone.pull()
    assert phone.store.members == {}


async def test_an_operation_that_cannot_be_read_is_named_and_the_rest_goes_through(world: Any, phone: Any) -> None:
    phone.do("admit_member", organisation_id=str(world.school), **{**PERSON, "phone": "нет"})
    fine = phone.change(phone.member, phone="+79130000001")
    phone.do("change_member", member_id=phone.member, base_version=1, base={}, changes={"phone": "+79130000002"})
    await phone.push()
    assert (len(phone.broken), phone.results.keys(), phone.queue) == (2, {fine}, [])


async def test_the_clock_of_the_phone_decides_nothing(world: Any, phone: Any, done: Any) -> None:
    other = chair(world)
    await other.pull()
    far, long_ago = "2090-01-01T00:00:00+00:00", "1971-01-01T00:00:00+00:00"
    keys = [phone.change(phone.member, phone="+79130000001"), other.change(phone.member, phone="+79130000002")]
    phone.queue[0]["made_at"], other.queue[0]["made_at"] = long_ago, far
    assert await outcome(phone, keys[0]) == ("applied", None)
    assert await outcome(other, keys[1]) == ("conflict", "fields_changed"), "whoever arrives second is compared"
    leaving = phone.about("leave", phone.member)
    phone.queue[0]["made_at"] = far
    assert await outcome(phone, leaving) == ("applied", None)
    extract = done(await world.client.get(f"/v1/members/{phone.member}/extract", headers=world.federal))
    assert extract["stays"][0]["to_on"] == datetime.now(UTC).date().isoformat()
    (item,) = await conflicts(world, done)
    assert item["made_at"].startswith("2090-01-01")
    tomorrow = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    key = phone.do("admit_member", organisation_id=str(world.school), **PERSON, effective_on=tomorrow)
    assert await outcome(phone, key) == ("refused", "date_out_of_range")


async def test_what_the_office_does_not_reach_is_as_if_it_were_not_there(
    world: Any, phone: Any, done: Any
) -> None:
    stranger = await world.member(world.other)
    application = (await world.apply(world.other))["application_id"]
    keys = [
        phone.do("leave", member_id=stranger, base_version=1),
        phone.do(
            "change_member",
            member_id=stranger,
            base_version=1,
            base={"phone": None},
            changes={"phone": "+79130000001"},
        ),
        phone.do(
            "decide_application", application_id=application, base_version=1, decision="decline", reason="Нет"
        ),
        phone.do("admit_member", organisation_id=str(world.other), **PERSON),
    ]
    await phone.push()
    assert {(phone.results[key]["outcome"], phone.results[key]["code"]) for key in keys} == {
        ("refused", "not_found")
    }
    items = await conflicts(world, done)
    assert [(item["about"], item["current_version"]) for item in items] == [(None, None)] * 4
    assert {side["current"] for item in items for side in item["sides"]} == {None}
    there = world.staff("primary_staff", world.other)
    for path in ("/v1/sync/conflicts", "/v1/sync/stranded"):
        assert done(await world.client.get(path, headers=there))["items"] == []


async def test_personal_data_stand_in_person_alone(world: Any, phone: Any, done: Any, database: Database) -> None:
    phone.do("admit_member", organisation_id=str(world.school), **PERSON)
    phone.do("admit_member", organisation_id=str(world.school), **PERSON)
    phone.change(phone.member, "Паспорт", last_name="Ёлкина", phone="+79135550001")
    done(await world.patch(f"/v1/members/{phone.member}", {"phone": "+79130000002"}))
    await phone.push()
    assert "Ёлкина" not in str(phone.results)
    async with database.sessions() as session:
        tables = await session.scalars(
            sa.text("select tablename from pg_tables where schemaname = 'public' and tablename <> 'person'")
        )
        for table in tables.all():
            rows = await session.scalars(sa.text(f'select cast(t as text) from "{table}" as t'))
            text = "\n".join(rows.all())
            for secret in ("Ёлкина", "елкина", "9135550001", "\\xd081d0bb"):
                assert secret not in text, table


async def test_a_forgotten_person_leaves_no_proposal(
    world: Any, phone: Any, done: Any, database: Database
) -> None:
    phone.change(phone.member, phone="+79135550001")
    done(await world.patch(f"/v1/members/{phone.member}", {"phone": "+79130000002"}))
    await phone.push()
    await care.erase(world, phone.member)
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from person")) == 0
    (item,) = await conflicts(world, done)
    assert (item["sides"], item["about"]) == ([{"field": "phone", "current": None, "proposed": None}], None)
    late = phone.change(phone.member, phone="+79135550003")
    assert await outcome(phone, late) == ("refused", "membership_ended")
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from person")) == 0


async def test_the_members_extract_has_what_waits_about_them(world: Any, phone: Any, done: Any) -> None:
    phone.change(phone.member, phone="+79135550001")
    done(await world.patch(f"/v1/members/{phone.member}", {"phone": "+79130000002"}))
    await phone.push()
    extract = done(await world.client.get(f"/v1/members/{phone.member}/extract", headers=world.self(phone.member)))
    (operation,) = extract["phone_operations"]
    assert (operation["kind"], operation["outcome"], operation["proposed"]) == (
        "change_member",
        "conflict",
        {"phone": "+79135550001"},
    )


async def test_members_and_strangers_send_nothing(world: Any, phone: Any, refused: Any) -> None:
    phone.change(phone.member, phone="+79135550001")
    body = {"device_id": str(uuid.uuid4()), "operations": phone.queue}
    for headers in (world.self(phone.member), world.staff("auditor"), world.staff("internal_app")):
        refused(await world.client.post("/v1/sync", json=body, headers=headers), 403, "forbidden")
