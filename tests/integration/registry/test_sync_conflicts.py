"""What two have done to one person: merged field by field, or shown to the office with both sides."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from registry import keys
from tests.integration.registry.pushing import PERSON, conflicts, outcome


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"]}


async def test_fields_changed_on_one_side_only_are_merged(world: Any, phone: Any, done: Any) -> None:
    key = phone.change(phone.member, phone="+79130000001", category="student")
    done(await world.patch(f"/v1/members/{phone.member}", {"email": "new@example.org"}))
    assert await outcome(phone, key) == ("merged", None)
    await phone.pull()
    row = phone.store.members[phone.member]
    assert (row["phone"], row["email"], row["category"]) == ("+79130000001", "new@example.org", "student")
    done(await world.patch(f"/v1/members/{phone.member}", {"phone": "+79130000002"}))
    same = phone.change(phone.member, phone="+79130000002")
    assert await outcome(phone, same) == ("merged", None), "both made it the same"


async def test_a_field_changed_on_both_sides_is_shown_with_both_and_decided(
    world: Any, phone: Any, done: Any, refused: Any, database: Database
) -> None:
    member, office = phone.member, world.staff("primary_staff", world.school)
    key = phone.change(
        member, "Паспорт", phone="+79130000001", email="mine@example.org", last_name="Моя", category="student"
    )
    done(await world.patch(f"/v1/members/{member}", {"phone": "+79130000002", "category": "pensioner"}))
    assert await outcome(phone, key) == ("conflict", "fields_changed")
    result = phone.results[key]
    assert (result["fields"], result["applied_fields"]) == (["category", "phone"], ["email", "last_name"])
    (item,) = await conflicts(world, done)
    assert {side["field"]: (side["current"], side["proposed"]) for side in item["sides"]} == {
        "category": ("pensioner", "student"),
        "phone": ("+79130000002", "+79130000001"),
    }
    assert item["about"]["last_name"] == "Моя"
    path = f"/v1/sync/conflicts/{item['item_id']}/resolve"
    take = {"take": "phone", "fields": ["phone"], "current_version": item["current_version"] - 1}
    refused(await world.client.post(path, json=take, headers=office), 409, "sync_item_changed")
    foreign = world.staff("primary_staff", world.other)
    refused(await world.client.post(path, json=take, headers=foreign), 404, "not_found")
    unknown = {**take, "fields": ["email"]}
    refused(await world.client.post(path, json=unknown, headers=office), 422, "sync_fields_unknown")
    take["current_version"] += 1
    assert done(await world.client.post(path, json=take, headers=office))["state"] == "accepted"
    refused(await world.client.post(path, json=take, headers=office), 409, "sync_item_decided")
    await phone.pull()
    row = phone.store.members[member]
    assert (row["phone"], row["email"], row["category"]) == ("+79130000001", "mine@example.org", "pensioner")
    assert await conflicts(world, done) == []
    (decided,) = await conflicts(world, done, decided=True)
    assert (decided["state"], decided["sides"]) == ("accepted", [])
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from person")) == 1, "the proposal is gone"


async def test_a_conflict_may_be_left_as_the_record_is(world: Any, phone: Any, done: Any) -> None:
    key = phone.change(phone.member, phone="+79130000001")
    done(await world.patch(f"/v1/members/{phone.member}", {"phone": "+79130000002"}))
    await phone.push()
    (item,) = await conflicts(world, done)
    body = {"take": "current", "reason": "Номер сменился"}
    path = f"/v1/sync/conflicts/{item['item_id']}/resolve"
    done(await world.client.post(path, json=body, headers=phone.bearer))
    status = (await phone.outcomes())[key]
    assert (status["outcome"], status["state"], status["reason"]) == ("conflict", "declined", "Номер сменился")
    await phone.pull()
    assert phone.store.members[phone.member]["phone"] == "+79130000002"


async def test_a_consent_withdrawn_since_is_not_given_again_by_an_older_paper(
    world: Any, phone: Any, done: Any
) -> None:
    """The values are as the phone had them: only the log of changes tells that the member spoke since."""
    member = phone.member
    give = {"purpose": "bonus", "channel": "online"}
    key = phone.about("give_consent", member, purpose="bonus")
    done(await world.client.post(f"/v1/members/{member}/consents", json=give, headers=world.self(member)), 201)
    withdraw = f"/v1/members/{member}/consents/bonus/withdraw"
    done(await world.client.post(withdraw, json={}, headers=world.self(member)))
    assert await outcome(phone, key) == ("conflict", "changed_since")
    (item,) = await conflicts(world, done)
    assert item["sides"] == [{"field": "consent bonus", "current": "not given", "proposed": "given"}]
    await phone.pull()
    again = phone.about("give_consent", member, purpose="bonus")
    assert await outcome(phone, again) == ("applied", None), "a paper signed after that"
    twice = phone.about("give_consent", member, purpose="bonus")
    assert await outcome(phone, twice) == ("merged", None)


async def test_decisions_made_twice_alike_merge_and_otherwise_conflict(world: Any, phone: Any, done: Any) -> None:
    alike, otherwise = [(await world.apply(world.school))["application_id"] for _ in range(2)]
    await phone.pull()
    keys = [
        phone.decide(alike, "admit", protocol_number="13"),
        phone.decide(otherwise, "admit", protocol_number="13"),
    ]
    admit = {"protocol_number": "9"}
    done(await world.client.post(f"/v1/applications/{alike}/admit", json=admit, headers=world.federal))
    decline = {"reason": "Нет"}
    done(await world.client.post(f"/v1/applications/{otherwise}/decline", json=decline, headers=world.federal))
    assert [await outcome(phone, key) for key in keys] == [("merged", None), ("conflict", "changed_since")]
    (item,) = await conflicts(world, done)
    assert item["sides"] == [{"field": "status", "current": "declined", "proposed": "admitted"}]


async def test_whoever_is_a_member_already_is_entered_only_on_the_offices_word(
    world: Any, phone: Any, done: Any, refused: Any
) -> None:
    first = phone.do("admit_member", organisation_id=str(world.school), **PERSON)
    second = phone.do("admit_member", organisation_id=str(world.school), **{**PERSON, "last_name": "ЕЛКИНА"})
    assert await outcome(phone, first) == ("applied", None)
    assert await outcome(phone, second) == ("duplicate", "already_member")
    (item,) = await conflicts(world, done)
    sides = {side["field"]: side["proposed"] for side in item["sides"]}
    assert (sides["last_name"], sides["birth_date"]) == ("ЕЛКИНА", "1985-04-05")
    path = f"/v1/sync/conflicts/{item['item_id']}/resolve"
    refused(await world.client.post(path, json={"take": "phone"}, headers=phone.bearer), 409, "already_member")
    take = {"take": "phone", "corrections": {"namesake_confirmed": True, "protocol_number": "14"}}
    accepted = done(await world.client.post(path, json=take, headers=phone.bearer))
    await phone.pull()
    assert phone.store.members[accepted["member_id"]]["last_name"] == "ЕЛКИНА"
