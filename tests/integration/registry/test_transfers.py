"""A member on the way between two organisations is counted once, all the way."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import MemberTransferred

LATE = timedelta(days=31)


def days_from_now(day: str) -> int:
    return (date.fromisoformat(day) - datetime.now(UTC).date()).days


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
    # Released with effect of long ago: the other side has its thirty days from now all the same.
    assert (transfer["status"], transfer["escalated_to"]) == ("released", None)
    assert days_from_now(transfer["deadline"]) == 30
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


async def one(world: Any, done: Any, transfer: Any, **params: str) -> list[Any]:
    params |= {"member_id": transfer["member_id"]}
    page = done(await world.client.get("/v1/transfers", params=params, headers=world.federal))
    return list(page["items"])


async def test_past_its_deadline_the_nearest_organisation_above_both_ends_decides(
    world: Any, done: Any, refused: Any, pass_time: Any
) -> None:
    near = done(await release(world, await world.member(world.school), world.other), 201)
    far = done(await release(world, await world.member(world.school), world.university), 201)
    await pass_time(datetime.now(UTC) + timedelta(days=30))
    assert [(await one(world, done, t))[0]["escalated_to"] for t in (near, far)] == [None, None]
    await pass_time(datetime.now(UTC) + LATE)
    towns, regions = await one(world, done, near), await one(world, done, far)
    assert [towns[0]["escalated_to"], regions[0]["escalated_to"]] == [str(world.town), str(world.region)]

    queue = {"escalated": "true"}
    for scope, role, waiting in (
        (world.town, "territorial_staff", [near]),
        (world.region, "regional_staff", [near, far]),
        (world.school, "primary_staff", []),
        (world.other, "primary_staff", []),
    ):
        page = done(await world.client.get("/v1/transfers", params=queue, headers=world.staff(role, scope)))
        assert [t["transfer_id"] for t in page["items"]] == [t["transfer_id"] for t in waiting], role

    path = f"/v1/transfers/{near['transfer_id']}"
    receiver = world.staff("primary_staff", world.other)
    accept = {"effective_on": "2021-05-10"}
    refused(await world.client.post(f"{path}/accept", json=accept, headers=receiver), 409, "transfer_escalated")
    refused(
        await world.client.post(f"{path}/refuse", json={"reason": "Нет"}, headers=receiver),
        409,
        "transfer_escalated",
    )
    refused(await release(world, near["member_id"], world.university), 409, "transfer_open")
    town = world.staff("territorial_staff", world.town)
    done(await world.client.post(f"{path}/accept", json=accept, headers=town))
    assert await one(world, done, near, **queue) == []
    member = done(await world.client.get(f"/v1/members/{near['member_id']}", headers=world.federal))
    assert (member["organisation_id"], member["joined_on"]) == (str(world.other), "2021-02-01")
    refusal = {"reason": "Не работает в университете"}
    region = world.staff("regional_staff", world.region)
    answer = await world.client.post(f"/v1/transfers/{far['transfer_id']}/refuse", json=refusal, headers=region)
    assert (done(answer)["status"], done(answer)["reason"]) == ("refused", refusal["reason"])
    assert await counts(world, done) == {str(world.other): 1, str(world.school): 1}


async def test_the_receiving_organisation_is_reminded_before_the_deadline(
    world: Any, done: Any, pass_time: Any
) -> None:
    transfer = done(await release(world, await world.member(world.school), world.other), 201)
    now = datetime.now(UTC)

    async def reminded(scope: Any) -> list[str]:
        headers = world.staff("primary_staff", scope)
        page = done(await world.client.get("/v1/transfers", params={"reminded": "true"}, headers=headers))
        return [item["transfer_id"] for item in page["items"]]

    for days, expected in ((24, []), (25, [transfer["transfer_id"]]), (31, [])):
        await pass_time(now + timedelta(days=days))
        assert await reminded(world.other) == expected, days
        assert await reminded(world.school) == [], "who has released has nothing to decide"
    (waiting,) = await one(world, done, transfer)
    assert (waiting["reminded_at"] is not None, waiting["escalated_to"]) == (True, str(world.town))


async def test_nobody_is_taken_on_before_the_organisation_was_there(world: Any, done: Any, refused: Any) -> None:
    young = await world.organisation("primary", world.town, effective_on="2021-06-01")
    transfer = done(await release(world, await world.member(world.school), young), 201)
    path = f"/v1/transfers/{transfer['transfer_id']}/accept"
    headers = world.staff("primary_staff", young)
    early = {"effective_on": "2021-05-31"}
    refused(await world.client.post(path, json=early, headers=headers), 409, "parent_not_active")
    done(await world.client.post(path, json={"effective_on": "2021-06-01"}, headers=headers))
    receipt = await world.apply(young)
    admit = f"/v1/applications/{receipt['application_id']}/admit"
    body = {"protocol_number": "1", **early}
    refused(await world.client.post(admit, json=body, headers=headers), 409, "parent_not_active")


async def test_the_organisation_above_may_give_more_time(
    world: Any, done: Any, refused: Any, pass_time: Any
) -> None:
    transfer = done(await release(world, await world.member(world.school), world.other), 201)
    path = f"/v1/transfers/{transfer['transfer_id']}"
    town, receiver = world.staff("territorial_staff", world.town), world.staff("primary_staff", world.other)
    longer = {"deadline": str(datetime.now(UTC).date() + timedelta(days=60))}
    refused(await world.client.post(f"{path}/extend", json=longer, headers=town), 409, "transfer_not_escalated")
    await pass_time(datetime.now(UTC) + LATE)
    refused(await world.client.post(f"{path}/extend", json=longer, headers=receiver), 409, "transfer_escalated")
    past = {"deadline": str(datetime.now(UTC).date())}
    refused(await world.client.post(f"{path}/extend", json=past, headers=town), 422, "date_out_of_range")
    extended = done(await world.client.post(f"{path}/extend", json=longer, headers=town))
    assert (extended["deadline"], extended["escalated_to"]) == (longer["deadline"], None)
    await pass_time(datetime.now(UTC) + 2 * LATE - timedelta(days=3))
    done(await world.client.post(f"{path}/accept", json={"effective_on": "2021-05-10"}, headers=receiver))


async def test_a_deadline_that_passed_unnoticed_binds_all_the_same(
    world: Any, done: Any, refused: Any, database: Database
) -> None:
    """Between midnight and the next round nobody slips through."""
    transfer = done(await release(world, await world.member(world.school), world.other), 201)
    async with database.sessions.begin() as session:
        await session.execute(sa.text("update transfer set deadline = current_date - 1"))
    path, accept = f"/v1/transfers/{transfer['transfer_id']}/accept", {"effective_on": "2021-05-10"}
    receiver = world.staff("primary_staff", world.other)
    refused(await world.client.post(path, json=accept, headers=receiver), 409, "transfer_escalated")
    done(await world.client.post(path, json=accept, headers=world.staff("territorial_staff", world.town)))


async def test_the_member_takes_the_wish_back(world: Any, done: Any, refused: Any) -> None:
    member, stranger = await world.member(world.school), await world.member(world.school)
    for who in (world.self(member), world.staff("primary_staff", world.school)):
        transfer = done(await release(world, member, world.other, by=world.self(member)), 201)
        path = f"/v1/transfers/{transfer['transfer_id']}/cancel"
        for other in (world.self(stranger), world.staff("primary_staff", world.other)):
            refused(await world.client.post(path, json={}, headers=other), 404, "not_found")
        answer = done(await world.client.post(path, json={"reason": "Остаюсь"}, headers=who))
        assert (answer["status"], answer["reason"]) == ("cancelled", "Остаюсь")
        refused(await world.client.post(path, json={}, headers=who), 409, "transfer_already_decided")
    assert await counts(world, done) == {str(world.school): 2}


ACTS = {
    "accept": {"effective_on": "2021-05-03"},
    "refuse": {"reason": "Нет ставки"},
    "cancel": {},
    "leave": {"effective_on": "2021-05-03"},
}


@pytest.mark.parametrize(("first", "second"), [pair for pair in product(ACTS, ACTS) if pair[0] <= pair[1]])
async def test_of_two_at_once_one_decides_and_the_member_is_in_one_place(
    first: str, second: str, world: Any, done: Any, published: Any, pass_time: Any, database: Database
) -> None:
    """Any two decisions, twice each, while the deadline passes: never counted twice, never lost."""
    member = await world.member(world.school)
    transfer = done(await release(world, member, world.other), 201)
    paths = {name: f"/v1/transfers/{transfer['transfer_id']}/{name}" for name in ("accept", "refuse", "cancel")}
    paths["leave"] = f"/v1/members/{member}/leave"
    *answers, _ = await asyncio.gather(
        *(
            world.client.post(paths[act], json=ACTS[act], headers=world.federal)
            for act in (first, second, first, second)
        ),
        pass_time(datetime.now(UTC) + LATE),
    )
    assert {answer.status_code for answer in answers} <= {200, 409}, [answer.text for answer in answers]
    decisions = [a for a in answers if a.is_success and "transfer_id" in a.json()]
    left = [a for a in answers if a.is_success and "joined_on" in a.json()]
    assert len(decisions) <= 1
    assert len(left) <= 1
    assert len(decisions) + len(left) >= 1
    (ended,) = await one(world, done, transfer)
    moved = ended["status"] == "accepted"
    assert len(await published(MemberTransferred)) == moved
    expected = {} if left else {str(world.other if moved else world.school): 1}
    assert await counts(world, done) == expected
    async with database.sessions() as session:
        overlapping = await session.scalar(
            sa.text(
                "select count(*) from membership a join membership b using (member_id)"
                " where a.membership_id < b.membership_id"
                " and daterange(a.from_on, a.to_on) && daterange(b.from_on, b.to_on)"
            )
        )
        open_stays = await session.scalar(sa.text("select count(*) from membership where to_on is null"))
    assert (overlapping, open_stays) == (0, 0 if left else 1)
