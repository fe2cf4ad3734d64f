"""Every route, every role, own and foreign organisations: taken from the application itself."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from common.auth import STAFF, Role
from registry.main import service as registry
from tests.pocket import Pocket

PUBLIC = {
    "GET /v1/public/organisations",
    "GET /v1/public/consent-texts",
    "POST /v1/applications",
    "GET /v1/applications/status/{follow_code}",
}
DAY = {"effective_on": "2021-06-01"}
ANY = "01890a5d-ac96-774b-bcce-b302099a8057"
PHONES: dict[str, dict[str, str]] = {
    "GET /v1/sync": {"device_id": ANY},
    "GET /v1/sync/operations": {"device_id": ANY},
    "POST /v1/sync": {},
}
"""The routes of phones, with their parameters. What of a scope they give and take is test_sync_*'s."""
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/organisations": {"kind": "primary", "name": "Новая", "effective_on": "2021-01-01"},
    "PATCH /v1/organisations/{organisation_id}": {"employed": 7, **DAY},
    "POST /v1/organisations/{organisation_id}/move": {"reason": "Так решено", **DAY},
    "POST /v1/organisations/{organisation_id}/close": {"reason": "Так решено", **DAY},
    "POST /v1/applications/{application_id}/admit": {"protocol_number": "3", **DAY},
    "POST /v1/applications/{application_id}/decline": {"reason": "Так решено"},
    "PATCH /v1/members/{member_id}": {"phone": "+79130000000", **DAY},
    "POST /v1/members/{member_id}/leave": DAY,
    "POST /v1/members/{member_id}/expel": {"reason": "Так решено", **DAY},
    "POST /v1/members/{member_id}/consents": {"purpose": "bonus", "channel": "paper"},
    "POST /v1/members/{member_id}/consents/{purpose}/withdraw": {},
    "POST /v1/sync": {
        "device_id": ANY,
        "operations": [{"operation_id": ANY, "kind": "leave", "member_id": ANY, "base_version": 1}],
    },
    "POST /v1/sync/conflicts/{item_id}/resolve": {"take": "current"},
    "POST /v1/sync/stranded/{item_id}/accept": {},
    "POST /v1/sync/stranded/{item_id}/decline": {"reason": "Так решено"},
    "POST /v1/transfers": DAY,
    "POST /v1/transfers/{transfer_id}/accept": DAY,
    "POST /v1/transfers/{transfer_id}/refuse": {"reason": "Так решено"},
}


def roles_of(dependant: Dependant) -> frozenset[Role]:
    for dependency in dependant.dependencies:
        roles = getattr(dependency.call, "required_roles", frozenset()) or roles_of(dependency)
        if roles:
            return frozenset(roles)
    return frozenset()


def routes(app: FastAPI) -> Iterator[tuple[str, frozenset[Role]]]:
    """Every route that the application's own document names, and who may call it."""
    known = {
        f"{method} {route.path}": roles_of(route.dependant)
        for router in registry.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            yield f"{method.upper()} {path}", known[f"{method.upper()} {path}"]


class Place:
    """One of two far-apart parts of the tree, with what the routes act on."""

    def __init__(self, world: Any, town: Any, school: Any) -> None:
        self.world, self.town, self.school = world, town, school

    async def fill(self, route: str, sender: "Place") -> tuple[str, dict[str, Any]]:
        """The route's path and body with fresh resources of this place; transfers come from `sender`."""
        method, path = route.split(" ")
        body = dict(BODIES.get(route, {}))
        if "{organisation_id}" in path:
            written = method != "GET"
            key = await self.world.organisation("primary", self.town) if written else self.school
            path = path.replace("{organisation_id}", str(key))
        if "{application_id}" in path:
            receipt = await self.world.apply(self.school)
            path = path.replace("{application_id}", receipt["application_id"])
        if "{item_id}" in path:
            path = path.replace("{item_id}", await self.item("stranded" in path))
            version = await self.world.client.get("/v1/sync/stranded", headers=self.world.federal)
            if path.endswith("/accept"):
                body["current_version"] = version.json()["items"][-1]["current_version"]
        if "{transfer_id}" in path:
            transfer = {
                "member_id": await self.world.member(sender.school),
                "to_organisation_id": str(self.school),
                "effective_on": "2021-05-20",
            }
            made = await self.world.client.post("/v1/transfers", json=transfer, headers=self.world.federal)
            path = path.replace("{transfer_id}", made.json()["transfer_id"])
        if "{member_id}" in path or route == "POST /v1/transfers":
            member = await self.world.member(self.school)
            path = path.replace("{member_id}", member).replace("{purpose}", "cards")
            if route == "POST /v1/transfers":
                body |= {"member_id": member, "to_organisation_id": str(self.world.university)}
        if route.endswith("/move"):
            body["parent_id"] = str(self.town)
        if route == "POST /v1/organisations":
            body |= {"parent_id": str(self.town), "code": f"N{uuid4()}"}
        return path, body

    async def item(self, stranded: bool) -> str:
        """An operation of a phone that waits for this place's decision."""
        member = await self.world.member(self.school)
        headers = self.world.staff("primary_staff", self.school)
        phone = Pocket(self.world.client, headers)
        await phone.pull()
        phone.about("leave", member, **({} if stranded else {"effective_on": "1999-01-01"}))
        if stranded:
            phone.bearer = self.world.staff("primary_staff", self.world.university)
        await phone.push()
        lists = "stranded" if stranded else "conflicts"
        page = await self.world.client.get(f"/v1/sync/{lists}", params={"limit": 500}, headers=headers)
        return str(page.json()["items"][-1]["item_id"])

    async def send(self, route: str, headers: dict[str, str], sender: "Place") -> Any:
        path, body = await self.fill(route, sender)
        method = route.split(" ")[0]
        if method == "PATCH":
            headers = {**headers, "If-Match": '"1"'}
        if method == "GET":
            return await self.world.client.get(path, headers=headers)
        return await getattr(self.world.client, method.lower())(path, json=body, headers=headers)


@pytest.fixture
async def places(world: Any) -> tuple[Place, Place]:
    region = await world.organisation("regional", world.root)
    town = await world.organisation("territorial", region)
    return Place(world, world.town, world.school), Place(world, town, await world.organisation("primary", town))


def test_the_public_routes_and_no_others_need_no_token(app: FastAPI) -> None:
    assert {route for route, roles in routes(app) if not roles} == PUBLIC


def test_each_route_that_takes_a_body_is_walked(app: FastAPI) -> None:
    writing = {route for route, roles in routes(app) if roles and not route.startswith("GET")}
    assert writing == set(BODIES)


def test_only_staff_and_members_write(app: FastAPI) -> None:
    for route, roles in routes(app):
        if not route.startswith("GET"):
            assert roles <= {*STAFF, Role.MEMBER}, route


async def test_without_a_token_or_the_role_nothing_is_told(app: FastAPI, world: Any, places: Any) -> None:
    own, _ = places
    for route, roles in routes(app):
        if not roles:
            continue
        path, body = route.split(" ")[1], BODIES.get(route)
        for name in ("organisation_id", "application_id", "member_id", "transfer_id", "item_id"):
            path = path.replace(f"{{{name}}}", str(own.school))
        path = path.replace("{purpose}", "cards")
        method = route.split(" ")[0]
        key = {"Idempotency-Key": f"{route}"}

        async def send(headers: dict[str, str], call: Any = (method, path, body, key, PHONES.get(route))) -> Any:
            method, path, body, key, params = call
            return await world.client.request(method, path, json=body, headers={**key, **headers}, params=params)

        answer = await send({})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_required"), route
        for role in set(Role) - roles:
            answer = await send(world.issuer.bearer(role, organisation_id=own.school, member_id=own.school))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (route, role)


async def test_staff_reach_their_own_organisations_and_no_foreign_one(
    app: FastAPI, world: Any, places: Any
) -> None:
    own, foreign = places
    scopes = {
        Role.FEDERAL_STAFF: None,
        Role.REGIONAL_STAFF: world.region,
        Role.TERRITORIAL_STAFF: world.town,
        Role.PRIMARY_STAFF: world.school,
        Role.AUDITOR: world.school,
        Role.INTERNAL_APP: world.school,
    }
    for route, roles in routes(app):
        if route in PHONES:
            continue
        for role in sorted(roles & set(scopes)):
            headers = world.staff(role, scopes[role])
            answer = await own.send(route, headers, foreign)
            assert answer.status_code in (200, 201), (route, role, answer.text)
            answer = await foreign.send(route, headers, foreign if "/transfers/" not in route else own)
            if role == Role.FEDERAL_STAFF:
                assert answer.status_code in (200, 201), (route, role, answer.text)
            elif "{" in route or route.startswith("POST"):
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (route, role)
            elif not route.endswith("/transfers"):
                # A transfer is shown to both its ends; no other list names a foreign organisation.
                assert str(foreign.school) not in answer.text, (route, role)


async def test_a_member_reaches_nobody_else(app: FastAPI, world: Any, places: Any) -> None:
    own, foreign = places
    for route, roles in routes(app):
        if Role.MEMBER not in roles:
            continue
        if "{member_id}" not in route:
            assert route in ("GET /v1/transfers", "POST /v1/transfers")
            continue
        path, body = await own.fill(route, foreign)
        member, stranger = path.split("/")[3], await world.member(world.school)
        method = route.split(" ")[0]
        sent: dict[str, Any] = {"json": body} if method != "GET" else {}
        for bearer, statuses in ((world.self(stranger), (404,)), (world.self(member), (200, 201))):
            headers = {**bearer, "If-Match": '"1"', "Idempotency-Key": f"{route} {statuses}"}
            answer = await world.client.request(method, path, headers=headers, **sent)
            assert answer.status_code in statuses, (route, answer.text)


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
