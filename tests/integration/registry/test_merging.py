"""Two records become one by four eyes, keep both histories, and can be parted again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import MemberChanged, MemberLeft, MemberMerged, MemberReinstated, OfficeEnded
from registry.commands.deciding import end_what_waited_too_long
from registry.config import RegistrySettings
from registry.rounds import keep_no_longer
from tests.integration.registry.care import approve, ask_merge, examine, merge, queue, second

NAME = {"last_name": "Королёва", "first_name": "Алёна", "patronymic": "Петровна", "birth_date": "1980-03-05"}
TYPO = {**NAME, "last_name": "Королевва"}
TABLES = ("member", "membership", "consent", "application", "transfer")


@pytest.fixture
async def pair(world: Any) -> tuple[str, str]:
    """The record that goes on (2021, the school), and an older one with other consents (2019, another school)."""
    survivor = await world.member(world.school, **NAME, consents=["membership", "bonus"])
    absorbed = await world.member(
        world.other, **TYPO, consents=["membership", "cards"], effective_on="2020-03-01", phone="+79139990000"
    )
    return survivor, absorbed


async def state(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Everything of the members but their versions, and all persons but when they were examined."""
    async with database.sessions() as session:
        found = {}
        for table in (*TABLES, "person"):
            rows = (await session.execute(sa.text(f"select * from {table} order by 1"))).mappings()
            found[table] = [
                {k: v for k, v in row.items() if k not in ("version", "examined_at", "match_keys")} for row in rows
            ]
        return found


async def test_a_merge_keeps_seniority_consents_and_both_histories(
    world: Any, done: Any, database: Database, pair: Any, published: Any
) -> None:
    survivor, absorbed = pair
    before = len(await published())
    await merge(world, survivor, absorbed, take=["phone"])
    shown = done(await world.client.get(f"/v1/members/{survivor}", headers=world.federal))
    assert (shown["joined_on"], shown["consents"], shown["phone"]) == (
        "2020-03-01",
        ["bonus", "cards", "membership"],
        "+79139990000",
    )
    extract = done(await world.client.get(f"/v1/members/{survivor}/extract", headers=world.self(survivor)))
    assert [(s["organisation_id"], s["from_on"], s["to_on"]) for s in extract["stays"]] == [
        (str(world.school), "2021-02-01", None),
        (str(world.other), "2020-03-01", "2021-02-01"),
    ]
    gone = done(await world.client.get(f"/v1/members/{absorbed}", headers=world.federal))
    assert gone["status"] == "merged"
    counts = done(await world.client.get("/v1/member-counts", headers=world.federal))
    assert [(c["organisation_id"], c["members"]) for c in counts["items"]] == [(str(world.school), 1)]
    earlier, changed, merged = (await published())[before:]
    assert isinstance(changed, MemberChanged)
    assert [
        (e.organisation_id, str(e.effective_on), str(e.joined_on), e.consents, e.version)
        for e in (earlier, changed)
    ] == [
        (world.other, "2020-03-01", "2020-03-01", ["bonus", "cards", "membership"], 2),
        (world.school, "2021-02-01", "2020-03-01", ["bonus", "cards", "membership"], 3),
    ]
    assert isinstance(merged, MemberMerged)
    assert (str(merged.member_id), str(merged.into_member_id), merged.status, merged.consents, merged.version) == (
        *(absorbed, survivor, "merged", []),
        2,
    )


async def test_the_past_of_both_is_the_survivors_and_nobodys_twice(world: Any, done: Any, pair: Any) -> None:
    survivor, absorbed = pair

    async def members(day: str) -> list[tuple[str, str]]:
        page = done(await world.client.get("/v1/members", params={"as_of": day}, headers=world.federal))
        return [
            (item["member_id"], item["organisation_id"]) for item in page["items"] if item["status"] == "member"
        ]

    school, other = str(world.school), str(world.other)
    apart = [[(absorbed, other)], sorted([(survivor, school), (absorbed, other)])]
    assert [sorted(await members(day)) for day in ("2020-06-01", "2022-01-01")] == apart
    merge_id = (await merge(world, survivor, absorbed))["merge_id"]
    assert [await members(day) for day in ("2020-06-01", "2022-01-01")] == [
        [(survivor, other)],
        [(survivor, school)],
    ]
    done(await world.client.post(f"/v1/merges/{merge_id}/undo", headers=world.federal))
    assert [sorted(await members(day)) for day in ("2020-06-01", "2022-01-01")] == apart


async def test_seniority_by_decision_may_stay_the_survivors(world: Any, done: Any, pair: Any) -> None:
    survivor, absorbed = pair
    await merge(world, survivor, absorbed, seniority="survivor")
    shown = done(await world.client.get(f"/v1/members/{survivor}/extract", headers=world.federal))
    assert [row["joined_on"] for row in shown["memberships"] if row["member_id"] == survivor] == ["2021-02-01"]
    assert [stay["from_on"] for stay in shown["stays"]] == ["2021-02-01"]


async def test_who_asked_cannot_approve_and_rights_on_both_are_needed(
    world: Any, done: Any, refused: Any, database: Database, pair: Any
) -> None:
    survivor, absorbed = pair
    chair = world.staff("primary_staff", world.school)
    refused(await ask_merge(world, survivor, absorbed, chair), 404, "not_found")
    town = world.staff("territorial_staff", world.town)
    approval = done(await ask_merge(world, survivor, absorbed, town), 201)["approval_id"]
    refused(await approve(world, approval, town), 403, "second_person_needed")
    refused(await approve(world, approval, second(world, "primary_staff", world.school)), 404, "not_found")
    assert done(await world.client.get("/v1/approvals", headers=chair))["items"] == []
    waiting = done(await world.client.get("/v1/approvals", headers=second(world, "territorial_staff", world.town)))
    assert [item["approval_id"] for item in waiting["items"]] == [approval]
    done(await approve(world, approval, second(world, "territorial_staff", world.town)))
    refused(await approve(world, approval), 409, "approval_decided")
    with pytest.raises(sa.exc.IntegrityError, match="second_person"):
        async with database.sessions.begin() as session:
            await session.execute(sa.text("update approval set decided_by = requested_by"))


async def test_undoing_restores_both_exactly(
    world: Any, done: Any, refused: Any, database: Database, pair: Any, published: Any
) -> None:
    survivor, absorbed = pair
    before = await state(database)
    told = len(await published())
    fields = ["phone", "last_name", "email", "birth_date"]
    merge_id = (await merge(world, survivor, absorbed, take=fields))["merge_id"]
    assert await state(database) != before
    path = f"/v1/merges/{merge_id}/undo"
    refused(await world.client.post(path, headers=world.staff("primary_staff", world.school)), 404, "not_found")
    done(await world.client.post(path, headers=world.federal))
    assert await state(database) == before
    events = (await published())[told:]
    assert [type(event) for event in events] == [
        *(MemberChanged, MemberChanged, MemberMerged),
        *(MemberChanged, MemberChanged, MemberReinstated),
    ]
    assert [(str(e.effective_on), str(e.joined_on), e.organisation_id, e.version) for e in events[3:5]] == [
        ("2020-03-01", "2021-02-01", world.school, 4),
        ("2021-02-01", "2021-02-01", world.school, 5),
    ]
    assert (events[5].status, events[5].version, events[5].consents) == ("member", 3, ["cards", "membership"])
    refused(await world.client.post(path, headers=world.federal), 409, "merge_undone")
    assert await queue(world) == []


async def test_what_happened_since_the_merge_survives_its_undo(
    world: Any, done: Any, database: Database, pair: Any
) -> None:
    survivor, absorbed = pair
    merge_id = (await merge(world, survivor, absorbed, take=["phone", "email"]))["merge_id"]
    withdraw = f"/v1/members/{survivor}/consents/cards/withdraw"
    done(await world.client.post(withdraw, headers=world.self(survivor)))
    done(await world.patch(f"/v1/members/{survivor}", {"phone": "+79130000007"}))
    done(await world.client.post(f"/v1/merges/{merge_id}/undo", headers=world.federal))
    one = done(await world.client.get(f"/v1/members/{survivor}", headers=world.federal))
    other = done(await world.client.get(f"/v1/members/{absorbed}", headers=world.federal))
    assert (one["phone"], other["phone"]) == ("+79130000007", "+79139990000")
    assert one["email"] != other["email"]
    assert (one["consents"], other["consents"]) == (["bonus", "membership"], ["membership"])


async def test_a_merge_is_undone_only_in_time_and_before_the_survivor_moves_on(
    world: Any, done: Any, refused: Any, database: Database, settings: Any, pair: Any
) -> None:
    survivor, absorbed = pair
    first = (await merge(world, survivor, absorbed, take=["phone"]))["merge_id"]
    done(
        await world.client.post(
            f"/v1/members/{survivor}/leave", json={"effective_on": "2022-01-01"}, headers=world.federal
        )
    )
    refused(await world.client.post(f"/v1/merges/{first}/undo", headers=world.federal), 409, "survivor_moved_on")
    async with database.sessions.begin() as session:
        await session.execute(sa.text("update member_merge set undo_until = now() - interval '1 minute'"))
    refused(await world.client.post(f"/v1/merges/{first}/undo", headers=world.federal), 409, "merge_undo_too_late")
    async with database.sessions.begin() as session:
        await keep_no_longer(session, datetime.now(UTC), settings)
        kept = await session.scalar(sa.text("select count(*) from person where kept_for_undo"))
    assert kept == 0


async def test_what_changed_after_the_request_is_not_merged_unseen(
    world: Any, done: Any, refused: Any, pair: Any
) -> None:
    survivor, absorbed = pair
    approval = done(await ask_merge(world, survivor, absorbed), 201)["approval_id"]
    done(await world.patch(f"/v1/members/{absorbed}", {"phone": "+79130000009"}))
    refused(await approve(world, approval), 409, "changed_since_requested")


async def test_a_refused_or_forgotten_request_gives_the_pair_back(
    world: Any, done: Any, refused: Any, database: Database, settings: RegistrySettings, pair: Any
) -> None:
    survivor, absorbed = pair
    await examine(database, settings)
    (waiting,) = await queue(world)
    approval = done(await ask_merge(world, survivor, absorbed), 201)["approval_id"]
    assert await queue(world) == []
    refused(await ask_merge(world, absorbed, survivor), 409, "duplicate_decided")
    refuse = f"/v1/approvals/{approval}/refuse"
    body = {"reason": "Это сёстры"}
    done(await world.client.post(refuse, json=body, headers=second(world)))
    assert [each["duplicate_id"] for each in await queue(world)] == [waiting["duplicate_id"]]
    approval = done(await ask_merge(world, survivor, absorbed), 201)["approval_id"]
    later = datetime.now(UTC) + timedelta(days=15)
    async with database.sessions.begin() as session:
        await end_what_waited_too_long(session, later, settings)
    refused(await approve(world, approval), 409, "approval_decided")
    assert len(await queue(world)) == 1


async def test_merges_that_cannot_be_are_refused(world: Any, done: Any, refused: Any, pair: Any) -> None:
    survivor, absorbed = pair
    refused(await ask_merge(world, survivor, survivor), 422, "merge_with_itself")
    release = {"member_id": absorbed, "to_organisation_id": str(world.university)}
    transfer = done(await world.client.post("/v1/transfers", json=release, headers=world.federal), 201)
    refused(await ask_merge(world, survivor, absorbed), 409, "transfer_open")
    refuse = f"/v1/transfers/{transfer['transfer_id']}/refuse"
    done(await world.client.post(refuse, json={"reason": "Нет"}, headers=world.federal))
    leave = {"effective_on": "2022-01-01"}
    done(await world.client.post(f"/v1/members/{survivor}/leave", json=leave, headers=world.federal))
    refused(await ask_merge(world, survivor, absorbed), 409, "survivor_ended")
    await merge(world, absorbed, survivor)
    refused(await ask_merge(world, absorbed, survivor), 409, "record_not_mergeable")


async def test_offices_go_on_with_the_record_that_goes_on_and_come_back_by_an_undo(
    world: Any, done: Any, published: Any, pair: Any
) -> None:
    survivor, absorbed = pair
    today = datetime.now(UTC).date()
    begin, end = str(today - timedelta(days=30)), str(today + timedelta(days=90))
    term = {"member_id": absorbed, "starts_on": begin, "ends_on": end}
    protocol = {"protocol_number": "1", "protocol_on": begin}
    held = {}
    # The survivor stands under the town, and not in the other school.
    for place, office in ((world.town, "committee_member"), (world.other, "chair")):
        body = {**term, **protocol, "office": office}
        path = f"/v1/organisations/{place}/offices"
        held[office] = done(await world.client.post(path, json=body, headers=world.federal), 201)["term_id"]

    async def terms(member: str) -> list[tuple[str, str, str]]:
        params = {"member_id": member}
        page = done(await world.client.get("/v1/offices", params=params, headers=world.federal))
        return sorted((item["office"], item["starts_on"], item["ends_on"]) for item in page["items"])

    whole = [("chair", begin, end), ("committee_member", begin, end)]
    assert await terms(absorbed) == whole
    merge_id = (await merge(world, survivor, absorbed))["merge_id"]
    yesterday = str(today - timedelta(days=1))
    assert await terms(absorbed) == [("chair", begin, yesterday), ("committee_member", begin, yesterday)]
    assert await terms(survivor) == [("committee_member", str(today), end)]
    ended = await published(OfficeEnded)
    assert {str(event.term_id) for event in ended} == set(held.values())
    done(await world.client.post(f"/v1/merges/{merge_id}/undo", headers=world.federal))
    assert await terms(absorbed) == whole
    assert await terms(survivor) == [("committee_member", str(today), yesterday)]


async def test_an_ended_record_merged_and_parted_is_ended_again(
    world: Any, done: Any, published: Any, pair: Any
) -> None:
    survivor, absorbed = pair
    leave = {"effective_on": "2020-06-01"}
    done(await world.client.post(f"/v1/members/{absorbed}/leave", json=leave, headers=world.federal))
    merge_id = (await merge(world, survivor, absorbed))["merge_id"]
    done(await world.client.post(f"/v1/merges/{merge_id}/undo", headers=world.federal))
    *_, last = await published(MemberLeft)
    assert (str(last.member_id), last.status, str(last.left_on), last.version) == (
        absorbed,
        "left",
        "2020-06-01",
        4,
    )


async def test_two_merges_of_one_pair_at_once_are_one(
    world: Any, done: Any, database: Database, pair: Any
) -> None:
    survivor, absorbed = pair
    asked = await asyncio.gather(
        ask_merge(world, survivor, absorbed), ask_merge(world, absorbed, survivor, second(world))
    )
    assert sorted(answer.status_code for answer in asked) == [201, 409]
    (made,) = [answer.json() for answer in asked if answer.status_code == 201]
    third = world.issuer.bearer("federal_staff", sub="third")
    fourth = world.issuer.bearer("federal_staff", sub="fourth")
    decided = await asyncio.gather(
        approve(world, made["approval_id"], third), approve(world, made["approval_id"], fourth)
    )
    assert sorted(answer.status_code for answer in decided) == [200, 409]
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from member_merge")) == 1


async def test_merging_and_leaving_at_once_end_in_one_of_the_two(world: Any, done: Any, pair: Any) -> None:
    survivor, absorbed = pair
    approval = done(await ask_merge(world, survivor, absorbed), 201)["approval_id"]
    merged, left = await asyncio.gather(
        approve(world, approval),
        world.client.post(
            f"/v1/members/{absorbed}/leave", json={"effective_on": "2022-01-01"}, headers=world.federal
        ),
    )
    assert sorted([merged.status_code, left.status_code]) == [200, 409]
    shown = done(await world.client.get(f"/v1/members/{absorbed}", headers=world.federal))
    assert shown["status"] == ("merged" if merged.status_code == 200 else "left")


async def test_undoing_twice_at_once_is_once(world: Any, done: Any, pair: Any) -> None:
    survivor, absorbed = pair
    merge_id = (await merge(world, survivor, absorbed))["merge_id"]
    answers = await asyncio.gather(
        *(world.client.post(f"/v1/merges/{merge_id}/undo", headers=world.federal) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
