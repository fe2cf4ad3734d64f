"""Every route, every role, own, foreign and higher organisations: taken from the application itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from common.auth import STAFF, Role
from common.db import Database
from registry import keys
from tests.integration.registry.phones import WITH_A_DEVICE
from tests.integration.registry.routes import DAY, SECRETS, Requests
from tests.walker import Call, Caller, Walk

PUBLIC = {
    "GET /v1/public/regions",
    "GET /v1/public/organisations",
    "GET /v1/public/organisations/{organisation_id}",
    "GET /v1/public/organisation-search",
    "GET /v1/public/consent-texts",
    "GET /v1/public/application",
    "POST /v1/public/application/withdraw",
    "GET /v1/public/statistics",
    "POST /v1/applications",
}
EVERYWHERE = frozenset({"own", "above", "foreign"})


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"], "mass_organisations": 2}


@pytest.fixture
async def walk(app: FastAPI, world: Any, database: Database) -> Walk:
    """A unit of a university is «own», the university is «above» it, a school of another region is «foreign».

    Members come and go between these and a fourth place, which nobody but the centre reaches.
    """
    unit = await world.organisation("structural_unit", world.university)
    schools = []
    for _ in ("foreign", "elsewhere"):
        region = await world.organisation("regional", world.root)
        schools.append(await world.organisation("primary", await world.organisation("territorial", region)))
    foreign, elsewhere = schools
    places = {"own": unit, "above": world.university, "foreign": foreign}

    def staff(role: Role, scope: UUID | None) -> Callable[[Call], Mapping[str, str]]:
        return lambda _call: world.staff(role, scope)

    def caller(role: Role, scope: UUID | None, *reach: str, name: str | None = None) -> Caller:
        sees = role != Role.AUDITOR
        return Caller(name or role.value, role, staff(role, scope), frozenset(reach), sees_names=sees)

    callers = [
        Caller("nobody", None, lambda _call: {}),
        caller(Role.FEDERAL_STAFF, None, *EVERYWHERE),
        caller(Role.REGIONAL_STAFF, world.region, "own", "above"),
        caller(Role.TERRITORIAL_STAFF, world.university, "own", "above"),
        caller(Role.PRIMARY_STAFF, unit, "own"),
        caller(Role.PRIMARY_STAFF, None, name="primary_staff of no organisation"),
        caller(Role.AUDITOR, None, *EVERYWHERE, name="auditor of all"),
        caller(Role.AUDITOR, unit, "own"),
        caller(Role.INTERNAL_APP, None, *EVERYWHERE, name="internal_app of all"),
        caller(Role.INTERNAL_APP, unit, "own"),
        Caller("partner", Role.PARTNER, lambda _call: world.issuer.bearer("partner", partner="books")),
        Caller("the member", Role.MEMBER, lambda call: world.self(call.member or str(uuid4())), EVERYWHERE),
        Caller("another member", Role.MEMBER, lambda _call: world.self(str(uuid4()))),
    ]
    extend = "POST /v1/transfers/{transfer_id}/extend"
    return Walk(
        app,
        world.client,
        Requests(world, database, places, elsewhere).builders(),
        callers,
        marks={name: [f'"organisation_id":"{key}"'] for name, key in places.items()},
        secrets=SECRETS,
        # test_imports_scope walks the uploads, the kernel's own tests the jobs.
        elsewhere=("/v1/imports", "/v1/jobs"),
        answers={
            (route, name, place): (409, "sync_needs_organisation")
            for route in WITH_A_DEVICE
            for name in ("federal_staff", "primary_staff of no organisation")
            for place in places
        }
        # Both ends of that transfer meet in the centre alone: the levels below it are not asked.
        | {
            (extend, role, place): (409, "transfer_escalated")
            for role, place in [
                *(("regional_staff", place) for place in ("own", "above")),
                *(("territorial_staff", place) for place in ("own", "above")),
                ("primary_staff", "own"),
            ]
        },
    )


def test_the_public_routes_and_no_others_need_no_token(walk: Walk) -> None:
    assert {route for route, roles in walk.routes() if not roles} == PUBLIC


def test_only_staff_and_members_write(walk: Walk) -> None:
    for route, roles in walk.routes():
        if not route.startswith(("GET", "POST /v1/public")):
            assert roles <= {*STAFF, Role.MEMBER}, route


@pytest.mark.timeout(900)
async def test_each_role_reaches_what_is_its_own_by_every_route_and_nothing_else(walk: Walk) -> None:
    calls = await walk.whole()
    assert calls == len(walk.builders) * len(walk.callers) * 3


async def test_a_new_route_without_a_builder_fails_the_walk(walk: Walk) -> None:
    forgotten = {route: build for route, build in walk.builders.items() if route != "GET /v1/offices"}
    with pytest.raises(AssertionError, match="routes and builders differ"):
        await replace(walk, builders=forgotten).whole()


@pytest.mark.timeout(900)
async def test_the_walk_finds_a_scope_that_is_not_cut_and_a_name_that_is_told(walk: Walk) -> None:
    """The check itself is checked: with callers who are said to reach less, and to see less, than they do."""
    (federal,) = [caller for caller in walk.callers if caller.role is Role.FEDERAL_STAFF]
    lesser = replace(federal, reach=frozenset({"own"}), sees_names=False)
    members = "/v1/members"
    builders = {route: build for route, build in walk.builders.items() if members in route}
    elsewhere = [path for route, _ in walk.routes() if members not in (path := route.split(" ")[1])]
    await builders["GET /v1/members/{member_id}"]("foreign")
    with pytest.raises(AssertionError) as found:
        await replace(walk, callers=[lesser], builders=builders, elsewhere=elsewhere).whole()
    faults = str(found.value)
    assert "GET /v1/members/{member_id} as federal_staff at foreign: (200, '') instead of (404" in faults
    assert "GET /v1/members as federal_staff: lists" in faults
    assert "GET /v1/members as federal_staff at own: tells Преображенская" in faults


@dataclass(frozen=True)
class Place:
    town: UUID
    school: UUID


@pytest.fixture
async def places(world: Any) -> tuple[Place, Place]:
    region = await world.organisation("regional", world.root)
    town = await world.organisation("territorial", region)
    return Place(world.town, world.school), Place(town, await world.organisation("primary", town))


async def test_the_transfers_of_others_are_hidden(world: Any, places: Any, done: Any) -> None:
    own, foreign = places
    member, stranger = await world.member(own.school), await world.member(own.school)
    body = {"member_id": member, "to_organisation_id": str(foreign.school), **DAY}
    refused = await world.client.post("/v1/transfers", json=body, headers=world.self(stranger))
    assert refused.status_code == 404
    done(await world.client.post("/v1/transfers", json=body, headers=world.self(member)), 201)
    for headers, seen in (
        (world.self(member), 1),
        (world.self(stranger), 0),
        (world.staff("primary_staff", own.school), 1),
        (world.staff("primary_staff", foreign.school), 1),
        (world.staff("primary_staff", world.other), 0),
    ):
        assert len(done(await world.client.get("/v1/transfers", headers=headers))["items"]) == seen


async def test_the_headline_counts_the_callers_part(world: Any, places: Any, done: Any) -> None:
    own, foreign = places
    await world.member(own.school)
    await world.member(foreign.school)
    headline = done(await world.client.get("/v1/headline", headers=world.staff("primary_staff", own.school)))
    assert (headline["organisations"], headline["members"]["total"], headline["online_joins"]) == (
        {"primary": 1},
        1,
        1,
    )


async def test_an_auditors_reach_is_not_lent_to_the_callers_other_roles(
    world: Any, places: Any, refused: Any
) -> None:
    own, _ = places
    stranger, member = await world.member(own.school), await world.member(own.school)
    path = f"/v1/members/{member}/leave"
    for roles, claims in ((("auditor", "primary_staff"), {}), (("auditor", "member"), {"member_id": stranger})):
        headers = world.issuer.bearer(*roles, **claims)
        refused(await world.client.post(path, json=DAY, headers=headers), 404, "not_found")
