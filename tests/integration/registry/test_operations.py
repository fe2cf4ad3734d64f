"""Operations on the tree: what they show before, what they do, when, with whose approval; and how they are undone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import (
    ApplicationSubmitted,
    MemberTransferred,
    OrganisationMerged,
    OrganisationMoved,
    OrganisationReopened,
    OrganisationSplit,
)
from common.rounds import run_round
from common.settings import Settings
from registry.main import service as registry

PATH = "/v1/organisation-operations"
DAY = "2021-06-01"


@pytest.fixture
def extra_settings() -> dict[str, Any]:
    return {"mass_members": 3, "mass_organisations": 2}


@pytest.fixture
def ask(world: Any) -> Callable[..., Any]:
    """`await ask("merge", organisation, **fields)`: the answer to the asking."""

    async def send(operation: str, organisation: UUID, headers: Any = None, **fields: Any) -> Any:
        subject = {"operation": operation, "organisation_id": str(organisation)}
        body = {**subject, "effective_on": DAY, "reason": "Так решено", **fields}
        return await world.client.post(PATH, json=body, headers=headers or world.federal)

    return send


@pytest.fixture
def undo(world: Any) -> Callable[..., Any]:
    async def send(operation: dict[str, Any], headers: Any = None, **fields: Any) -> Any:
        body = {"reason": "Ошибка", **fields}
        path = f"{PATH}/{operation['operation_id']}/undo"
        return await world.client.post(path, json=body, headers=headers or world.federal)

    return send


@pytest.fixture
def snapshot(database: Database) -> Callable[..., Any]:
    """`await snapshot()`: everything of the tree, the members and what is on its way, but the knowledge's history."""

    async def read(day: str | None = None) -> dict[str, Any]:
        queries = {
            "organisations": "select organisation_id, parent_id, name, status, closed_on from organisation",
            "members": "select member_id, organisation_id, status, joined_on from member",
            "stays": "select member_id, organisation_id, from_on, to_on, end_reason from membership",
            "waiting": "select application_id, organisation_id from application where status = 'submitted'",
            "days": "select d::date, organisation_id, parent_id, name, status from organisation_period,"
            " generate_series('2020-01-01'::date, '2022-01-01', '1 month') d where superseded_at is null"
            " and valid_from <= d and (valid_to is null or valid_to > d)",
            "member_days": "select d::date, member_id, organisation_id, status, category from member_period,"
            " generate_series('2020-01-01'::date, '2022-01-01', '1 month') d where superseded_at is null"
            " and valid_from <= d and (valid_to is null or valid_to > d)",
        }
        async with database.sessions() as session:
            return {
                name: sorted(map(repr, (await session.execute(sa.text(query))).all()))
                for name, query in queries.items()
            }

    return read


async def counts(world: Any, done: Any, organisation: UUID, **params: Any) -> dict[str, Any]:
    path = f"/v1/organisations/{organisation}/counts"
    return dict(done(await world.client.get(path, params=params, headers=world.federal)))


async def test_a_dry_run_shows_the_impact_and_changes_nothing(
    world: Any, done: Any, ask: Any, snapshot: Any, published: Any
) -> None:
    members = [await world.member(world.school), await world.member(world.school, consents=["membership"])]
    await world.apply(world.school)
    await world.organisation("union_group", world.school)
    before, told = await snapshot(), len(await published())
    shown = done(await ask("merge", world.school, into_id=str(world.other), dry_run=True))
    assert (shown["status"], shown["dry_run"], shown["refusal_code"]) == ("done", True, None)
    assert shown["impact"] == {
        "organisations_below": 1,
        "members": len(members),
        "cards": 1,
        "applications": 1,
        "transfers": 0,
        "offices": 0,
        # The school with its group, the other school, the town, the region and the root.
        "reports": 6,
        "members_moved": 2,
        "organisations_moved": 1,
        "organisations_created": 0,
        "applications_handed_over": 1,
        "transfers_redirected": 0,
        "transfers_ended": 0,
        "stands_in_the_way": None,
    }
    assert await snapshot() == before
    assert len(await published()) == told
    assert done(await world.client.get(PATH, params={"kind": "merge"}, headers=world.federal))["items"] == []
    refusal = done(await ask("close", world.school, dry_run=True))
    assert (refusal["status"], refusal["refusal_code"]) == ("refused", "organisation_in_use")


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


async def test_what_something_depends_on_is_not_undone(
    world: Any, done: Any, ask: Any, undo: Any, refused: Any
) -> None:
    member = await world.member(world.school)
    merged = done(await ask("merge", world.school, into_id=str(world.other)), 201)
    leave = {"effective_on": "2021-08-01"}
    done(await world.client.post(f"/v1/members/{member}/leave", json=leave, headers=world.federal))
    problem = refused(await undo(merged), 409, "undo_refused")
    assert "1 of the 1 members" in problem["detail"]
    tried = done(await undo(merged, dry_run=True))
    assert (tried["status"], tried["refusal_code"]) == ("refused", "undo_refused")
    renamed = done(await ask("rename", world.other, name="Первая"), 201)
    done(await ask("rename", world.other, name="Вторая", effective_on="2021-09-01"), 201)
    refused(await undo(renamed), 409, "undo_refused")
    moved = done(await ask("move", world.other, parent_id=str(world.region)), 201)
    done(await ask("close", world.town), 201)
    refused(await undo(moved), 409, "undo_refused")


async def test_every_kind_is_undone(
    world: Any, done: Any, ask: Any, undo: Any, refused: Any, snapshot: Any
) -> None:
    new = {"kind": "primary", "code": "NEW", "name": "Новая", "parent_id": str(world.town)}
    body = {"operation": "create", "organisation": new, "effective_on": DAY, "reason": "Открыта школа"}
    created = done(await world.client.post(PATH, json=body, headers=world.federal), 201)
    made = UUID(created["organisation_id"])
    done(await ask("close", world.university), 201)
    steps = [
        ("rename", made, {"name": "Иная"}),
        ("move", made, {"parent_id": str(world.region)}),
        ("close", made, {}),
        ("reopen", world.university, {}),
    ]
    for kind, organisation, fields in steps:
        before = await snapshot()
        operation = done(await ask(kind, organisation, **fields), 201)
        assert await snapshot() != before
        done(await undo(operation), 201)
        assert await snapshot() == before, kind
        refused(await undo(operation), 409, "not_to_undo")
    undone = done(await undo(created), 201)
    refused(await undo(undone), 409, "not_to_undo")
    body = done(await world.client.get(f"/v1/organisations/{made}", headers=world.federal))
    assert (body["status"], body["closed_on"]) == ("closed", DAY)


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


async def test_what_lies_ahead_waits_for_its_day(
    world: Any, done: Any, ask: Any, refused: Any, database: Database, settings: Settings, published: Any
) -> None:
    today = datetime.now(UTC).date()
    day = today + timedelta(days=30)
    member = await world.member(world.school)
    waiting = done(await ask("merge", world.school, into_id=str(world.other), effective_on=str(day)), 201)
    assert (waiting["status"], waiting["done_at"], waiting["impact"]["members_moved"]) == ("scheduled", None, 1)
    closing = done(await ask("close", world.university, effective_on=str(day)), 201)
    gone = done(await ask("rename", world.town, name="Не будет", effective_on=str(day)), 201)
    done(await world.client.post(f"{PATH}/{gone['operation_id']}/cancel", json={}, headers=world.federal))
    blocked = done(await ask("close", world.town, effective_on=str(day)), 201)
    assert "organisations under it" in blocked["impact"]["stands_in_the_way"]
    assert await published(OrganisationMerged) == []
    (a_round,) = [r for r in registry.rounds if r.name == "organisation_operations"]
    early, late = (datetime.combine(d, datetime.min.time(), UTC) for d in (day - timedelta(days=1), day))
    assert await run_round(database, settings, a_round, early)
    assert await published(OrganisationMerged) == []
    in_university = await world.member(world.university)
    assert await run_round(database, settings, a_round, late)
    (event,) = await published(OrganisationMerged)
    assert event.effective_on == day

    async def status(operation: dict[str, Any]) -> tuple[str, str | None]:
        path = f"{PATH}/{operation['operation_id']}"
        body = done(await world.client.get(path, headers=world.federal))
        return body["status"], body["refusal_code"]

    assert await status(waiting) == ("done", None)
    assert await status(closing) == ("refused", "organisation_in_use")
    assert await status(blocked) == ("refused", "organisation_in_use")
    assert await status(gone) == ("cancelled", None)
    refused(
        await world.client.post(f"{PATH}/{gone['operation_id']}/cancel", json={}, headers=world.federal),
        409,
        "operation_decided",
    )
    path = f"/v1/members/{member}"
    for as_of, organisation in ((day - timedelta(days=1), world.school), (day, world.other)):
        body = done(await world.client.get(path, params={"as_of": str(as_of)}, headers=world.federal))
        assert body["organisation_id"] == str(organisation)
    assert in_university


async def test_mass_operations_need_a_second_person(
    world: Any, done: Any, ask: Any, undo: Any, refused: Any, issuer: Any, published: Any
) -> None:
    for _ in range(4):
        await world.member(world.school)
    second = issuer.bearer("federal_staff", sub="second")
    operation = done(await ask("merge", world.school, into_id=str(world.other)), 201)
    assert (operation["status"], operation["impact"]["members_moved"]) == ("awaiting_approval", 4)
    assert await published(OrganisationMerged) == []
    approve = f"{PATH}/{operation['operation_id']}/approve"
    refused(await world.client.post(approve, json={}, headers=world.federal), 403, "second_person_needed")
    foreign = world.staff("territorial_staff", world.university)
    refused(await world.client.post(approve, json={}, headers=foreign), 404, "not_found")
    approved = done(await world.client.post(approve, json={}, headers=second))
    assert (approved["status"], approved["approved_by"]) == ("done", "second")
    refused(await world.client.post(approve, json={}, headers=second), 409, "operation_decided")
    back = done(await undo(operation), 201)
    assert back["status"] == "awaiting_approval"
    done(await world.client.post(f"{PATH}/{back['operation_id']}/approve", json={}, headers=second))
    assert (await counts(world, done, world.school))["members"]["total"] == 4
    move = {"parent_id": str(world.region), "effective_on": DAY, "reason": "Прямо"}
    path = f"/v1/organisations/{world.school}/move"
    refused(await world.client.post(path, json=move, headers=world.federal), 409, "approval_needed")


async def test_what_is_no_tree_is_no_operation(world: Any, ask: Any, refused: Any, done: Any) -> None:
    group = await world.organisation("union_group", world.school)
    refused(await ask("merge", world.school, into_id=str(group)), 409, "placement_refused")
    refused(await ask("merge", world.school, into_id=str(world.school)), 409, "same_organisation")
    refused(await ask("merge", world.school, into_id=str(world.town)), 409, "merge_refused")
    refused(await ask("merge", world.root, into_id=str(world.region)), 409, "root_stays")
    refused(await ask("reopen", world.school), 409, "organisation_active")
    refused(await ask("close", world.school, effective_on="2099-01-01"), 422, "date_out_of_range")
    member = await world.member(world.school, effective_on="2021-03-01")
    leave = {"effective_on": "2021-08-01"}
    done(await world.client.post(f"/v1/members/{member}/leave", json=leave, headers=world.federal))
    # Somebody was a member until August: the organisation cannot have ended in June.
    refused(await ask("merge", world.school, into_id=str(world.other)), 409, "organisation_in_use")
    done(await ask("merge", world.school, into_id=str(world.other), effective_on="2021-08-01"), 201)


async def test_staff_operate_below_themselves_only(world: Any, ask: Any, refused: Any, done: Any) -> None:
    town = world.staff("territorial_staff", world.town)
    refused(await ask("close", world.town, headers=town), 403, "own_organisation")
    refused(await ask("merge", world.school, headers=town, into_id=str(world.university)), 404, "not_found")
    refused(await ask("move", world.university, headers=town, parent_id=str(world.town)), 404, "not_found")
    primary = world.staff("primary_staff", world.school)
    refused(await ask("rename", world.school, headers=primary, name="Н"), 403, "forbidden")
    done(await ask("merge", world.school, headers=town, into_id=str(world.other)), 201)
    seen = done(await world.client.get(PATH, headers=world.staff("primary_staff", world.university)))
    assert {item["organisation_id"] for item in seen["items"]} == {str(world.university)}


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


async def test_every_change_of_the_tree_is_an_operation_on_record(world: Any, done: Any) -> None:
    done(await world.patch(f"/v1/organisations/{world.school}", {"employed": 50, "effective_on": DAY}))
    params = {"organisation_id": str(world.school)}
    listed = done(await world.client.get(PATH, params=params, headers=world.federal))["items"]
    assert [(item["kind"], item["requested_by"], item["effective_on"]) for item in listed] == [
        ("create", "federal_staff-1", "2020-01-01"),
        ("change", "federal_staff-1", DAY),
    ]
    assert date.fromisoformat(listed[0]["done_at"][:10]) <= datetime.now(UTC).date()
