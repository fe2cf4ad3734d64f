"""What was true of a member when, and when the registry learnt it: two questions, each with its own answer."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import MemberChanged, MemberErased, MemberEvent, MemberMerged, MemberReinstated
from registry.commands.loading import locked
from registry.commands.membership import publish_member
from registry.models import Member


@pytest.fixture
def states(world: Any, done: Any) -> Callable[..., Any]:
    """`await states(member, **params)`: (valid_from, organisation, status, category) of each period."""

    async def read(member: str, **params: Any) -> list[tuple[str, str, str, str | None]]:
        path = f"/v1/members/{member}/history"
        body = done(await world.client.get(path, params=params, headers=world.federal))
        names = {str(key): name for name, key in world.organisations.items()}
        return [
            (period["valid_from"], names[period["organisation_id"]], period["status"], period["category"])
            for period in body["periods"]
        ]

    return read


async def transfer(world: Any, done: Any, member: str, to: UUID, day: str) -> None:
    body = {"member_id": member, "to_organisation_id": str(to), "effective_on": day}
    released = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)
    path = f"/v1/transfers/{released['transfer_id']}/accept"
    done(await world.client.post(path, json={"effective_on": day}, headers=world.federal))


async def change(database: Database, member: str, event: type[MemberEvent], day: date, **fields: Any) -> None:
    """Set what a command would, and publish as it would."""
    own = {"into_member_id": UUID(member)} if event is MemberMerged else {}
    async with database.sessions.begin() as session:
        row = await locked(session, Member, UUID(member))
        for field, value in fields.items():
            setattr(row, field, value)
        row.version += 1
        await publish_member(session, event, row, day, **own)


async def test_each_change_begins_a_period_and_none_is_lost(world: Any, done: Any, states: Any) -> None:
    member = await world.member(world.school)
    path = f"/v1/members/{member}"
    done(await world.patch(path, {"category": "pensioner", "effective_on": "2021-03-01"}))
    await transfer(world, done, member, world.other, "2021-04-01")
    done(await world.client.post(f"{path}/leave", json={"effective_on": "2021-05-01"}, headers=world.federal))
    assert await states(member) == [
        ("2021-02-01", "school", "member", "working"),
        ("2021-03-01", "school", "member", "pensioner"),
        ("2021-04-01", "other", "member", "pensioner"),
        ("2021-05-01", "other", "left", "pensioner"),
    ]


async def test_a_correction_for_the_past_moves_nobody_and_the_events_tell_it_whole(
    world: Any, done: Any, states: Any, published: Any
) -> None:
    """The category of March is recorded after the transfer of April: in March the member stays where they were."""
    member = await world.member(world.school)
    path = f"/v1/members/{member}"
    await transfer(world, done, member, world.other, "2021-04-01")
    corrected = done(await world.patch(path, {"category": "pensioner", "effective_on": "2021-03-01"}))
    assert await states(member) == [
        ("2021-02-01", "school", "member", "working"),
        ("2021-03-01", "school", "member", "pensioner"),
        ("2021-04-01", "other", "member", "pensioner"),
    ]
    told = [
        (str(e.effective_on), e.organisation_id, e.category, e.version) for e in await published(MemberChanged)
    ]
    assert told == [
        ("2021-03-01", world.school, "pensioner", 3),
        ("2021-04-01", world.other, "pensioner", 4),
    ]
    assert corrected["version"] == 4


async def test_what_was_known_at_a_moment_is_known_for_ever(
    world: Any, done: Any, refused: Any, states: Any, database: Database
) -> None:
    member = await world.member(world.school)
    path = f"/v1/members/{member}"
    first = await states(member)
    async with database.sessions() as session:
        moment = (await session.scalar(sa.text("select clock_timestamp()"))).isoformat()
    done(await world.patch(path, {"category": "student", "effective_on": "2021-02-10"}))

    async def category(**params: Any) -> Any:
        return done(await world.client.get(path, params=params, headers=world.federal))["category"]

    assert await category(as_of="2021-02-09") == "working"
    assert await category(as_of="2021-02-10") == "student"
    assert await category(as_of="2021-02-10", known_at=moment) == "working"
    assert await category(known_at=moment) == "working"
    assert await states(member, known_at=moment) == first
    assert len(await states(member, corrections="true")) == 3
    before = await world.client.get(path, params={"as_of": "2021-01-31"}, headers=world.federal)
    refused(before, 404, "not_found")
    refused(
        await world.client.get(path, params={"known_at": "2021-01-01T00:00:00"}, headers=world.federal),
        422,
        "request_invalid",
    )


async def test_the_members_of_a_day_are_listed_and_the_names_of_those_who_went_elsewhere_kept_back(
    world: Any, done: Any
) -> None:
    gone, stayed = await world.member(world.school), await world.member(world.school)
    await transfer(world, done, gone, world.other, "2021-04-01")
    chair = world.staff("primary_staff", world.school)

    async def listed(**params: Any) -> dict[str, Any]:
        page = done(await world.client.get("/v1/members", params=params, headers=chair))
        return {item["member_id"]: item["last_name"] for item in page["items"]}

    assert set(await listed()) == {stayed}
    march = await listed(as_of="2021-03-31", status="member", organisation_id=str(world.school))
    assert set(march) == {gone, stayed}
    assert march[gone] is None
    assert march[stayed] is not None
    assert set(await listed(as_of="2021-04-01")) == {stayed}


async def test_a_history_is_as_far_away_as_its_member(world: Any, refused: Any, done: Any) -> None:
    member = await world.member(world.school)
    path = f"/v1/members/{member}/history"
    done(await world.client.get(path, headers=world.self(member)))
    refused(await world.client.get(path, headers=world.staff("primary_staff", world.other)), 404, "not_found")


async def test_a_double_was_a_member_on_no_day_and_may_become_one_again(
    world: Any, done: Any, states: Any, database: Database, published: Any
) -> None:
    member = await world.member(world.school)
    await transfer(world, done, member, world.other, "2021-04-01")
    before = await states(member)
    day = date(2021, 6, 1)
    await change(database, member, MemberMerged, day, status="merged", left_on=day)
    assert {status for _, _, status, _ in await states(member)} == {"merged"}
    (event,) = await published(MemberMerged)
    assert event.effective_on == day
    await change(database, member, MemberReinstated, day, status="member", left_on=None)
    assert await states(member) == before
    await change(database, member, MemberMerged, day, status="merged", left_on=day)
    await change(database, member, MemberErased, day, status="erased")
    assert (await states(member))[0][2] == "merged"


async def test_the_history_can_only_grow(world: Any, database: Database) -> None:
    member = await world.member(world.school)
    for statement in (
        "delete from member_period",
        "update member_period set category = null",
        "truncate member_period",
        "delete from organisation_period",
        "update organisation_period set name = 'Другая'",
    ):
        async with database.sessions() as session:
            with pytest.raises(sa.exc.DBAPIError, match="keeps what it has"):
                await session.execute(sa.text(statement))
    once = "update member_period set superseded_at = now() where member_id = :id"
    async with database.sessions.begin() as session:
        await session.execute(sa.text(once), {"id": member})
    async with database.sessions() as session:
        with pytest.raises(sa.exc.DBAPIError, match="keeps what it has"):
            await session.execute(sa.text(once), {"id": member})


async def test_a_name_corrected_for_the_past_leaves_the_later_move(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    path = f"/v1/organisations/{world.school}"
    move = {"parent_id": str(world.region), "effective_on": "2021-09-01", "reason": "Прямое подчинение"}
    done(await world.client.post(f"{path}/move", json=move, headers=world.federal))
    moment = datetime.now(UTC).isoformat()
    changed = done(await world.patch(path, {"name": "ППО Гимназии", "effective_on": "2021-03-01"}))
    assert (changed["name"], changed["parent_id"], changed["version"]) == ("ППО Гимназии", str(world.region), 4)

    async def then(**params: Any) -> tuple[str, str]:
        body = done(await world.client.get(path, params=params, headers=world.federal))
        return body["name"], body["parent_id"]

    assert await then(as_of="2021-03-01") == ("ППО Гимназии", str(world.town))
    assert await then(as_of="2021-09-01") == ("ППО Гимназии", str(world.region))
    assert (await then(as_of="2021-03-01", known_at=moment))[0] != "ППО Гимназии"
    told = [(str(e.effective_on), e.name, e.parent_id) for e in (await published())[-2:]]
    assert told == [
        ("2021-03-01", "ППО Гимназии", world.town),
        ("2021-09-01", "ППО Гимназии", world.region),
    ]
    refused(
        await world.patch(path, {"name": "Ещё раньше", "effective_on": "2021-02-01"}),
        409,
        "earlier_than_last_change",
    )
