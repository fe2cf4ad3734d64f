"""A right ends, a member moves, an organisation closes while a phone is offline: its edits find the new owner."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from tests.pocket import Pocket

PERSON = {
    "last_name": "Ёлкина",
    "first_name": "Вера",
    "birth_date": "1985-04-05",
    "sex": "female",
    "category": "working",
    "consents": ["membership"],
    "protocol_number": "12",
}
ENDED = {"powers_until": "2020-12-31"}


@pytest.fixture
async def phone(world: Any) -> Pocket:
    """Of the school's first chair, with one member and one application on it."""
    pocket = Pocket(world.client, bearer(world, world.school, "first-chair"))
    pocket.member = await world.member(world.school)  # type: ignore[attr-defined]
    pocket.application = (await world.apply(world.school))["application_id"]  # type: ignore[attr-defined]
    await pocket.pull()
    return pocket


def bearer(world: Any, organisation: Any, sub: str, **claims: Any) -> dict[str, str]:
    headers = world.issuer.bearer("primary_staff", sub=sub, organisation_id=organisation, **claims)
    return {**headers, "X-Purpose": "sync"}


async def stranded(world: Any, done: Any, headers: dict[str, str]) -> list[dict[str, Any]]:
    return list(done(await world.client.get("/v1/sync/stranded", headers=headers))["items"])


async def accept(world: Any, item: dict[str, Any], headers: dict[str, str], **body: Any) -> Any:
    sent = {"current_version": item["current_version"], **body}
    return await world.client.post(f"/v1/sync/stranded/{item['item_id']}/accept", json=sent, headers=headers)


async def test_when_the_term_ends_the_next_chair_decides(world: Any, phone: Any, done: Any, refused: Any) -> None:
    keys = [
        phone.change(phone.member, phone="+79130000001"),
        phone.decide(phone.application, "admit", protocol_number="13"),
        phone.do("admit_member", organisation_id=str(world.school), **PERSON),
        phone.about("leave", phone.member),
    ]
    phone.bearer = bearer(world, world.school, "first-chair", **ENDED)
    await phone.synchronise()
    assert {phone.results[key]["outcome"] for key in keys} == {"rerouted"}
    assert phone.store.members == {}
    before = {key: one["state"] for key, one in (await phone.outcomes()).items()}
    assert set(before.values()) == {"passed_on"}
    successor = bearer(world, world.school, "second-chair")
    items = await stranded(world, done, successor)
    assert [item["kind"] for item in items] == ["change_member", "decide_application", "admit_member", "leave"]
    assert [item["sent_by"] for item in items] == ["first-chair"] * 4
    change, decide, admit, leave = items
    assert change["sides"][0]["proposed"] == "+79130000001"
    assert change["about"]["first_name"] == "Анна"
    foreign = bearer(world, world.other, "foreign")
    refused(await accept(world, change, foreign), 404, "not_found")
    assert done(await accept(world, change, successor))["state"] == "accepted"
    assert done(await accept(world, decide, successor))["state"] == "accepted"
    entered = done(await accept(world, admit, successor, corrections={"protocol_number": "15"}))
    decline = {"reason": "Заявления нет"}
    path = f"/v1/sync/stranded/{leave['item_id']}/decline"
    assert done(await world.client.post(path, json=decline, headers=successor))["state"] == "declined"
    refused(await world.client.post(path, json=decline, headers=successor), 409, "sync_item_decided")
    assert await stranded(world, done, successor) == []
    pocket = Pocket(world.client, successor)
    await pocket.pull()
    assert pocket.store.members[phone.member]["phone"] == "+79130000001"
    assert len(pocket.store.members) == 3
    assert entered["member_id"] in pocket.store.members
    after = await phone.outcomes()
    assert {(one["state"], one["reason"], one["member_id"]) for one in after.values()} == {
        ("passed_on", None, None)
    }
    phone.bearer = bearer(world, world.school, "first-chair")
    told = await phone.outcomes()
    assert [told[key]["state"] for key in keys] == ["accepted", "accepted", "accepted", "declined"]
    assert told[keys[3]]["reason"] == "Заявления нет"


async def test_another_scope_in_the_token_strands_the_edits_of_the_old_one(
    world: Any, phone: Any, done: Any
) -> None:
    key = phone.change(phone.member, phone="+79130000001")
    phone.bearer = bearer(world, world.other, "first-chair")
    await phone.synchronise()
    assert phone.results[key]["outcome"] == "rerouted"
    assert phone.store.organisations.keys() == {str(world.other)}
    (item,) = await stranded(world, done, bearer(world, world.school, "second-chair"))
    assert item["member_id"] == phone.member
    assert await stranded(world, done, phone.bearer) == []


async def test_a_member_transferred_meanwhile_is_the_new_organisations_to_decide(
    world: Any, phone: Any, done: Any, refused: Any
) -> None:
    key = phone.change(phone.member, phone="+79130000001", category="student")
    body = {"member_id": phone.member, "to_organisation_id": str(world.other), "effective_on": "2021-05-01"}
    transfer = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)
    path = f"/v1/transfers/{transfer['transfer_id']}/accept"
    done(await world.client.post(path, json={"effective_on": "2021-05-02"}, headers=world.federal))
    await phone.synchronise()
    assert (phone.results[key]["outcome"], phone.results[key]["state"]) == ("rerouted", "passed_on")
    assert phone.store.members == {}
    there = bearer(world, world.other, "other-chair")
    (item,) = await stranded(world, done, there)
    done(await world.patch(f"/v1/members/{phone.member}", {"email": "new@example.org"}))
    refused(await accept(world, item, there), 409, "sync_item_changed")
    (item,) = await stranded(world, done, there)
    assert done(await accept(world, item, there, fields=["phone"]))["applied_fields"] == ["phone"]
    pocket = Pocket(world.client, there)
    await pocket.pull()
    row = pocket.store.members[phone.member]
    assert (row["phone"], row["email"], row["category"]) == ("+79130000001", "new@example.org", "working")


async def test_an_open_item_goes_on_with_the_member(world: Any, phone: Any, done: Any) -> None:
    """What waits for one office is the next one's as soon as the member is; conflicts as well."""
    phone.change(phone.member, phone="+79130000001")
    done(await world.patch(f"/v1/members/{phone.member}", {"phone": "+79130000002"}))
    await phone.push()
    assert phone.results.popitem()[1]["outcome"] == "conflict"
    body = {"member_id": phone.member, "to_organisation_id": str(world.other), "effective_on": "2021-05-01"}
    transfer = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)
    path = f"/v1/transfers/{transfer['transfer_id']}/accept"
    done(await world.client.post(path, json={"effective_on": "2021-05-02"}, headers=world.federal))
    there = bearer(world, world.other, "other-chair")
    (item,) = done(await world.client.get("/v1/sync/conflicts", headers=there))["items"]
    assert item["member_id"] == phone.member
    assert done(await world.client.get("/v1/sync/conflicts", headers=phone.bearer))["items"] == []
    (status,) = (await phone.outcomes()).values()
    assert (status["outcome"], status["state"]) == ("conflict", "passed_on")


async def test_when_an_organisation_moves_the_new_parent_decides(world: Any, done: Any) -> None:
    member = await world.member(world.school)
    region = await world.organisation("regional", world.root)
    town = await world.organisation("territorial", region)
    headers = {
        key: {
            **world.issuer.bearer("territorial_staff", sub=f"staff-{key}", organisation_id=key),
            "X-Purpose": "sync",
        }
        for key in (world.town, town)
    }
    phone = Pocket(world.client, headers[world.town])
    await phone.pull()
    key = phone.change(member, phone="+79130000001")
    move = {"parent_id": str(town), "reason": "Так решено", "effective_on": "2021-06-01"}
    done(await world.client.post(f"/v1/organisations/{world.school}/move", json=move, headers=world.federal))
    await phone.synchronise()
    assert phone.results[key]["outcome"] == "rerouted"
    assert await stranded(world, done, headers[world.town]) == []
    (item,) = await stranded(world, done, headers[town])
    done(await accept(world, item, headers[town]))
    assert (await phone.outcomes())[key]["state"] == "passed_on"


async def test_what_was_meant_for_a_closed_organisation_goes_to_the_one_above(
    world: Any, phone: Any, done: Any, refused: Any
) -> None:
    key = phone.do("admit_member", organisation_id=str(world.school), **PERSON)
    for path, body in (
        (f"/v1/applications/{phone.application}/decline", {"reason": "Закрыта"}),
        (f"/v1/members/{phone.member}/leave", {"effective_on": "2021-06-01"}),
        (f"/v1/organisations/{world.school}/close", {"reason": "Закрыта", "effective_on": "2021-06-02"}),
    ):
        done(await world.client.post(path, json=body, headers=world.federal))
    await phone.push()
    assert phone.results[key]["outcome"] == "rerouted"
    above = world.staff("territorial_staff", world.town)
    (item,) = await stranded(world, done, above)
    refused(await accept(world, item, above), 409, "organisation_takes_no_members")
    (item,) = await stranded(world, done, above)
    accepted = done(await accept(world, item, above, corrections={"organisation_id": str(world.other)}))
    pocket = Pocket(world.client, bearer(world, world.other, "other-chair"))
    await pocket.pull()
    assert pocket.store.members.keys() == {accepted["member_id"]}


async def test_what_a_merged_organisation_did_offline_is_its_successors_to_decide(
    world: Any, phone: Any, done: Any
) -> None:
    waiting = phone.do("admit_member", organisation_id=str(world.school), **{**PERSON, "birth_date": "2020-01-01"})
    await phone.push()
    keys = [
        phone.change(phone.member, phone="+79130000001"),
        phone.decide(phone.application, "admit", protocol_number="13"),
        phone.do("admit_member", organisation_id=str(world.school), **PERSON),
    ]
    merge = {
        "operation": "merge",
        "organisation_id": str(world.school),
        "into_id": str(world.other),
        "effective_on": "2021-06-01",
        "reason": "Так решено",
    }
    done(await world.client.post("/v1/organisation-operations", json=merge, headers=world.federal), 201)
    await phone.synchronise()
    assert phone.results[waiting]["outcome"] == "refused"
    assert {phone.results[key]["outcome"] for key in keys} == {"rerouted"}
    assert (phone.store.members, phone.store.applications) == ({}, {})
    assert phone.store.organisations[str(world.school)]["status"] == "closed"
    there = bearer(world, world.other, "other-chair")
    (earlier,) = done(await world.client.get("/v1/sync/conflicts", headers=there))["items"]
    assert earlier["code"] == "too_young", "what waited for the merged one goes to its successor too"
    for item in await stranded(world, done, there):
        done(await accept(world, item, there))
    pocket = Pocket(world.client, there)
    await pocket.pull()
    assert len(pocket.store.members) == 3
    assert pocket.store.members[phone.member]["phone"] == "+79130000001"
    assert {status["state"] for status in (await phone.outcomes()).values()} == {"passed_on"}


async def test_the_phone_of_a_stranger_strands_nothing(world: Any, phone: Any, done: Any, refused: Any) -> None:
    """Whoever never had the member learns nothing of it, and asks nobody anything about it."""
    stranger = Pocket(world.client, bearer(world, world.other, "stranger"))
    await stranger.pull()
    key = stranger.do("leave", member_id=phone.member, base_version=1)
    await stranger.push()
    assert stranger.results[key]["code"] == "not_found"
    assert await stranded(world, done, phone.bearer) == []
    lent = {
        "device_id": phone.device_id,
        "operations": [phone.do("leave", member_id=phone.member, base_version=1)],
    }
    lent["operations"] = phone.queue
    ended = bearer(world, world.other, "stranger-without-rights", **ENDED)
    refused(await world.client.post("/v1/sync", json=lent, headers=ended), 403, "forbidden")


async def test_a_member_who_left_meanwhile_is_refused_and_seen(world: Any, phone: Any, done: Any) -> None:
    key = phone.change(phone.member, phone="+79130000001")
    day = {"effective_on": "2021-06-01"}
    done(await world.client.post(f"/v1/members/{phone.member}/leave", json=day, headers=world.federal))
    phone.bearer = bearer(world, world.school, "first-chair", **ENDED)
    await phone.push()
    assert (phone.results[key]["outcome"], phone.results[key]["state"]) == ("refused", "passed_on")
    office = bearer(world, world.school, "second-chair")
    (item,) = done(await world.client.get("/v1/sync/conflicts", headers=office))["items"]
    assert item["code"] == "membership_ended"


async def test_the_reading_of_what_waits_is_recorded(
    world: Any, phone: Any, done: Any, database: Database
) -> None:
    phone.change(phone.member, phone="+79130000001")
    phone.bearer = bearer(world, world.school, "first-chair", **ENDED)
    await phone.push()
    await stranded(world, done, bearer(world, world.school, "second-chair"))
    async with database.sessions() as session:
        rows = await session.execute(
            sa.text(
                "select subject, action from access_log where :member = any(whose) order by access_id"
            ).bindparams(sa.bindparam("member", uuid.UUID(phone.member), sa.Uuid))
        )
    assert [tuple(row) for row in rows][-3:] == [
        ("first-chair", "sync"),
        ("first-chair", "sync_change_member_rerouted"),
        ("second-chair", "list_sync_items"),
    ]
