"""Organisations become one, or several: what goes along, what stays, what arrives later."""

from datetime import UTC, datetime
from typing import Any

import pytest

from common.events.registry import (
    ApplicationSubmitted,
    MemberTransferred,
    OrganisationMerged,
    OrganisationMoved,
    OrganisationReopened,
    OrganisationSplit,
)
from tests.integration.registry.conftest import counts

PATH = "/v1/organisation-operations"
DAY = "2021-06-01"


@pytest.fixture
def extra_settings() -> dict[str, Any]:
    return {"mass_members": 3, "mass_organisations": 2}


async def test_a_merge_takes_everything_along_and_the_past_stays(
    world: Any, done: Any, ask: Any, published: Any
) -> None:
    group = await world.organisation("union_group", world.school)
    member, grouped = await world.member(world.school), await world.member(group)
    late = await world.member(world.school, effective_on="2021-07-01")
    receipt = await world.apply(world.school)
    merged = done(await ask("merge", world.school, into_id=str(world.other)), 201)
    assert (merged["status"], merged["impact"]["members_moved"]) == ("done", 2)
    (event,) = await published(OrganisationMerged)
    assert (event.organisation_id, event.status, event.successor_ids) == (world.school, "closed", [world.other])
    moves = {str(event.member_id): event for event in await published(MemberTransferred)}
    assert set(moves) == {member, late}
    assert {e.organisation_id for e in moves.values()} == {world.other}
    assert {e.from_organisation_id for e in moves.values()} == {world.school}
    assert (str(moves[member].effective_on), str(moves[member].joined_on)) == (DAY, "2021-02-01")
    # Who came after the day of the merge has been in the other organisation from the first day on.
    assert str(moves[late].effective_on) == "2021-07-01"
    assert [e.parent_id for e in await published(OrganisationMoved)] == [world.other]
    path = f"/v1/applications/{receipt['application_id']}"
    assert done(await world.client.get(path, headers=world.federal))["organisation_id"] == str(world.other)
    assert (await published(ApplicationSubmitted))[-1].organisation_id == world.other
    assert (await counts(world, done, world.school, as_of="2021-05-31"))["members"]["total"] == 2
    assert (await counts(world, done, world.school, as_of=DAY))["members"]["total"] == 0
    other = await counts(world, done, world.other, as_of="2021-07-01")
    assert (other["own"]["total"], other["members"]["total"], other["organisations"]) == (
        2,
        3,
        {"primary": 1, "union_group": 1},
    )
    assert (await counts(world, done, world.town, as_of=DAY))["organisations"]["primary"] == 1
    assert (await counts(world, done, world.town, as_of="2021-05-31"))["organisations"]["primary"] == 2
    mine = done(await world.client.get(f"/v1/members/{grouped}", headers=world.federal))
    assert mine["organisation_id"] == str(group)


async def test_an_undone_merge_leaves_no_trace_but_in_the_knowledge(
    world: Any, done: Any, ask: Any, undo: Any, snapshot: Any, published: Any
) -> None:
    group = await world.organisation("union_group", world.school)
    await world.member(group)
    await world.member(world.school)
    await world.member(world.school, effective_on="2021-07-01")
    await world.apply(world.school)
    before = await snapshot()
    merged = done(await ask("merge", world.school, into_id=str(world.other)), 201)
    between = datetime.now(UTC).isoformat()
    after = await snapshot()
    assert after != before
    tried = done(await undo(merged, dry_run=True))
    assert (tried["status"], tried["impact"]["members_moved"]) == ("done", 2)
    assert await snapshot() == after
    undone = done(await undo(merged), 201)
    assert (undone["kind"], undone["undoes"]) == ("undo", merged["operation_id"])
    assert await snapshot() == before
    listed = done(await world.client.get(PATH, params={"kind": "merge"}, headers=world.federal))["items"]
    assert [item["status"] for item in listed] == ["undone"]
    (event,) = await published(OrganisationReopened)
    assert (event.organisation_id, event.successor_ids, str(event.effective_on)) == (world.school, [], DAY)
    assert {e.organisation_id for e in (await published(MemberTransferred))[-2:]} == {world.school}
    known = await counts(world, done, world.school, as_of=DAY, known_at=between)
    assert known["members"]["total"] == 0
    assert (await counts(world, done, world.school, as_of=DAY))["members"]["total"] == 2


async def test_a_split_moves_by_category_by_list_and_by_unit(
    world: Any, done: Any, ask: Any, undo: Any, snapshot: Any, published: Any, refused: Any
) -> None:
    unit = await world.organisation("structural_unit", world.university)
    student = await world.member(world.university, category="student")
    worker, chosen = await world.member(world.university), await world.member(world.university)
    in_unit = await world.member(unit)
    parts: list[dict[str, Any]] = [
        {"new": {"code": "S1", "name": "ППО студентов"}, "categories": ["student", "not_given"]},
        {"into_id": str(world.school), "member_ids": [chosen]},
        {"new": {"code": "S2", "name": "ППО института"}, "unit_ids": [str(unit)]},
    ]
    before = await snapshot()
    operation = done(await ask("split", world.university, parts=parts), 201)
    impact = operation["impact"]
    assert (impact["members_moved"], impact["organisations_moved"], impact["organisations_created"]) == (2, 1, 2)

    async def where(member: str) -> str:
        path = f"/v1/members/{member}"
        organisation = done(await world.client.get(path, headers=world.federal))["organisation_id"]
        path = f"/v1/organisations/{organisation}"
        return str(done(await world.client.get(path, headers=world.federal))["name"])

    assert await where(student) == "ППО студентов"
    assert await where(chosen) == "ППО МБОУ «Берёзовская СОШ № 2»"
    assert await where(worker) == "ППО студентов университета"
    path = f"/v1/members/{in_unit}"
    assert done(await world.client.get(path, headers=world.federal))["organisation_id"] == str(unit)
    (event,) = await published(OrganisationSplit)
    assert (event.status, len(event.successor_ids)) == ("active", 3)
    done(await undo(operation), 201)
    after = await snapshot()
    assert (after["members"], after["stays"], after["member_days"]) == (
        before["members"],
        before["stays"],
        before["member_days"],
    )
    refused(
        await ask("split", world.university, parts=[{**parts[1], "rest": True}], close=True),
        409,
        "organisation_in_use",
    )
    refused(
        await ask("split", world.university, parts=[{**parts[1], "unit_ids": [str(world.other)]}]),
        409,
        "unit_not_below",
    )
    refused(
        await ask("split", world.school, parts=[{**parts[1], "into_id": str(world.other)}]),
        409,
        "members_elsewhere",
    )


async def test_a_split_that_closes_leaves_nobody_behind(world: Any, done: Any, ask: Any, refused: Any) -> None:
    for category in ("student", "working", "working"):
        await world.member(world.school, category=category)
    part = {"into_id": str(world.other), "categories": ["working"]}
    refused(await ask("split", world.school, parts=[part], close=True), 409, "members_left")
    both = [part, {"new": {"code": "S1", "name": "Студенты"}, "rest": True}]
    done(await ask("split", world.school, parts=both, close=True), 201)
    body = done(await world.client.get(f"/v1/organisations/{world.school}", headers=world.federal))
    assert (body["status"], len(body["successor_ids"])) == ("closed", 2)
    assert (await counts(world, done, world.town))["members"]["total"] == 3


async def test_transfers_on_their_way_arrive_in_the_successor(world: Any, ask: Any, done: Any) -> None:
    coming, inside = await world.member(world.university), await world.member(world.other)
    released = {}
    for member in (coming, inside):
        body = {"member_id": member, "to_organisation_id": str(world.school), "effective_on": "2021-03-01"}
        made = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)
        released[member] = made["transfer_id"]
    merged = done(await ask("merge", world.school, into_id=str(world.other)), 201)
    assert (merged["impact"]["transfers_redirected"], merged["impact"]["transfers_ended"]) == (1, 1)
    page = done(await world.client.get("/v1/transfers", headers=world.federal))
    states = {row["transfer_id"]: (row["status"], row["to_organisation_id"]) for row in page["items"]}
    assert states[released[coming]] == ("released", str(world.other))
    assert states[released[inside]][0] == "refused"
