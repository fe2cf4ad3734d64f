"""Operations on the tree: what they show before, what they do, when, with whose approval; and how they are undone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from common.db import Database
from common.events.registry import (
    OrganisationMerged,
)
from common.rounds import run_round
from common.settings import Settings
from registry.main import service as registry
from tests.integration.registry.conftest import counts

PATH = "/v1/organisation-operations"
DAY = "2021-06-01"


@pytest.fixture
def extra_settings() -> dict[str, Any]:
    return {"mass_members": 3, "mass_organisations": 2}


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


async def test_every_change_of_the_tree_is_an_operation_on_record(world: Any, done: Any) -> None:
    done(await world.patch(f"/v1/organisations/{world.school}", {"employed": 50, "effective_on": DAY}))
    params = {"organisation_id": str(world.school)}
    listed = done(await world.client.get(PATH, params=params, headers=world.federal))["items"]
    assert [(item["kind"], item["requested_by"], item["effective_on"]) for item in listed] == [
        ("create", "federal_staff-1", "2020-01-01"),
        ("change", "federal_staff-1", DAY),
    ]
    assert date.fromisoformat(listed[0]["done_at"][:10]) <= datetime.now(UTC).date()
