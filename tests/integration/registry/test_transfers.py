"""A member on the way between two organisations is counted once, all the way."""

import asyncio
from typing import Any

from common.events.registry import MemberTransferred


async def counts(world: Any, done: Any) -> dict[str, int]:
    page = done(await world.client.get("/v1/member-counts", headers=world.federal))
    return {item["organisation_id"]: item["members"] for item in page["items"]}


async def release(world: Any, member: str, to: Any, day: str = "2021-05-01", by: Any = None) -> Any:
    body = {"member_id": member, "to_organisation_id": str(to), "effective_on": day}
    return await world.client.post("/v1/transfers", json=body, headers=by or world.federal)


async def test_a_member_moves_when_the_other_organisation_accepts(
    world: Any, done: Any, published: Any, refused: Any
) -> None:
    member = await world.member(world.school)
    transfer = done(await release(world, member, world.other, by=world.self(member)), 201)
    assert (transfer["status"], transfer["deadline"]) == ("released", "2021-05-31")
    assert await counts(world, done) == {str(world.school): 1}
    assert await published(MemberTransferred) == []
    path = f"/v1/transfers/{transfer['transfer_id']}"
    accept = {"effective_on": "2021-05-10"}
    sender = world.staff("primary_staff", world.school)
    refused(await world.client.post(f"{path}/accept", json=accept, headers=sender), 404, "not_found")
    receiver = world.staff("primary_staff", world.other)
    waiting = done(await world.client.get("/v1/transfers", params={"status": "released"}, headers=receiver))
    assert [(item["transfer_id"], item["first_name"]) for item in waiting["items"]] == [
        (transfer["transfer_id"], "Анна")
    ]
    unseen = done(await world.client.get("/v1/transfers", headers=world.staff("auditor")))
    assert [(item["last_name"], item["birth_date"]) for item in unseen["items"]] == [(None, None)]
    assert done(await world.client.post(f"{path}/accept", json=accept, headers=receiver))["status"] == "accepted"
    assert await counts(world, done) == {str(world.other): 1}
    (event,) = await published(MemberTransferred)
    assert (event.organisation_id, event.from_organisation_id) == (world.other, world.school)
    assert (str(event.joined_on), str(event.effective_on), event.version) == ("2021-02-01", "2021-05-10", 2)
    extract = done(await world.client.get(f"/v1/members/{member}/extract", headers=world.federal))
    assert [(stay["from_on"], stay["to_on"], stay["end_reason"]) for stay in extract["stays"]] == [
        ("2021-02-01", "2021-05-10", "transferred"),
        ("2021-05-10", None, None),
    ]
    refused(
        await world.client.post(f"{path}/accept", json=accept, headers=receiver), 409, "transfer_already_decided"
    )


async def test_a_refusal_leaves_the_member_where_they_are(world: Any, done: Any, published: Any) -> None:
    member = await world.member(world.school)
    transfer = done(await release(world, member, world.other), 201)
    answer = done(
        await world.client.post(
            f"/v1/transfers/{transfer['transfer_id']}/refuse",
            json={"reason": "Не работает"},
            headers=world.federal,
        )
    )
    assert (answer["status"], answer["reason"]) == ("refused", "Не работает")
    assert await counts(world, done) == {str(world.school): 1}
    assert await published(MemberTransferred) == []
    done(await release(world, member, world.university), 201)


async def test_a_transfer_past_its_deadline_is_released_anew(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    first = done(await release(world, member, world.other), 201)
    late = {"effective_on": "2021-06-01"}
    path = f"/v1/transfers/{first['transfer_id']}"
    refused(await world.client.post(f"{path}/accept", json=late, headers=world.federal), 409, "transfer_expired")
    refused(await release(world, member, world.other, "2021-05-31"), 409, "transfer_open")
    second = done(await release(world, member, world.other, "2021-06-01"), 201)
    listed = done(await world.client.get("/v1/transfers", params={"member_id": member}, headers=world.federal))
    assert [(t["transfer_id"], t["status"], t["reason"]) for t in listed["items"]] == [
        (first["transfer_id"], "refused", "deadline_passed"),
        (second["transfer_id"], "released", None),
    ]


async def test_transfers_that_cannot_be_are_refused(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    refused(await release(world, member, world.school), 409, "transfer_to_same")
    refused(await release(world, member, world.town), 409, "organisation_takes_no_members")
    refused(await release(world, member, world.other, "2021-01-31"), 422, "date_out_of_range")
    transfer = done(await release(world, member, world.other), 201)
    path = f"/v1/transfers/{transfer['transfer_id']}/accept"
    early = {"effective_on": "2021-04-30"}
    refused(await world.client.post(path, json=early, headers=world.federal), 422, "date_out_of_range")


async def test_leaving_ends_an_open_transfer(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    transfer = done(await release(world, member, world.other), 201)
    leave = {"effective_on": "2021-05-02"}
    done(await world.client.post(f"/v1/members/{member}/leave", json=leave, headers=world.federal))
    path = f"/v1/transfers/{transfer['transfer_id']}/accept"
    refused(await world.client.post(path, json=leave, headers=world.federal), 409, "transfer_already_decided")
    refused(await release(world, member, world.other), 409, "membership_ended")


async def test_leaving_and_accepting_at_once_end_in_one_of_the_two(world: Any, done: Any, published: Any) -> None:
    member = await world.member(world.school)
    transfer = done(await release(world, member, world.other), 201)
    day = {"effective_on": "2021-05-03"}
    accepted, left = await asyncio.gather(
        world.client.post(f"/v1/transfers/{transfer['transfer_id']}/accept", json=day, headers=world.federal),
        world.client.post(f"/v1/members/{member}/leave", json=day, headers=world.federal),
    )
    assert left.status_code == 200
    assert accepted.status_code in (200, 409)
    assert await counts(world, done) == {}
    assert len(await published(MemberTransferred)) == (accepted.status_code == 200)
