"""Every route, every role, own and foreign organisations: taken from the application itself."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from common.auth import STAFF, Role
from common.db import Database
from registry import keys
from registry.main import service as registry
from registry.models import ReadingAlarm
from tests.integration.registry.care import approve, ask_merge, erase

PUBLIC = {
    "GET /v1/public/organisations",
    "GET /v1/public/consent-texts",
    "GET /v1/public/organisation-search",
    "POST /v1/applications",
    "GET /v1/applications/status/{follow_code}",
    "GET /v1/public/statistics",
}
DAY = {"effective_on": "2021-06-01"}
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/organisations": {"kind": "primary", "name": "Новая", "effective_on": "2021-01-01"},
    "PATCH /v1/organisations/{organisation_id}": {"employed": 7, **DAY},
    "POST /v1/organisations/{organisation_id}/move": {"reason": "Так решено", **DAY},
    "POST /v1/organisations/{organisation_id}/close": {"reason": "Так решено", **DAY},
    "POST /v1/organisations/{organisation_id}/head-counts": {
        "counted_on": "2021-01-01",
        "employed": 7,
        "students": None,
    },
    "POST /v1/organisation-operations": {"operation": "rename", "name": "Иная", "reason": "Так решено", **DAY},
    "POST /v1/organisation-operations/{operation_id}/approve": {},
    "POST /v1/organisation-operations/{operation_id}/cancel": {},
    "POST /v1/organisation-operations/{operation_id}/undo": {"reason": "Ошибка"},
    "POST /v1/applications/{application_id}/admit": {"protocol_number": "3", **DAY},
    "POST /v1/applications/{application_id}/decline": {"reason": "Так решено"},
    "PATCH /v1/members/{member_id}": {"phone": "+79130000000", **DAY},
    "POST /v1/members/{member_id}/leave": DAY,
    "POST /v1/members/{member_id}/expel": {"reason": "Так решено", **DAY},
    "POST /v1/members/{member_id}/consents": {"purpose": "bonus", "channel": "paper"},
    "POST /v1/members/{member_id}/consents/{purpose}/withdraw": {},
    "POST /v1/transfers": DAY,
    "POST /v1/transfers/{transfer_id}/accept": DAY,
    "POST /v1/transfers/{transfer_id}/refuse": {"reason": "Так решено"},
    "POST /v1/duplicates/{duplicate_id}/not-same": {},
    "POST /v1/duplicates/{duplicate_id}/hand-over": {},
    "POST /v1/merges": {"reason": "Так решено"},
    "POST /v1/merges/{merge_id}/undo": {},
    "POST /v1/approvals/{approval_id}/approve": {},
    "POST /v1/approvals/{approval_id}/refuse": {"reason": "Так решено"},
    "POST /v1/erasures": {"request_number": "1", "reason": "Так решено"},
    "POST /v1/reading-alarms/{alarm_id}/close": {"conclusion": "Так решено"},
}

QUERIES = {"GET /v1/organisation-search": {"q": "организация"}}


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
        # Uploads have no JSON: test_imports_api walks them. Jobs are the kernel's, and its tests'.
        if path.startswith(("/v1/imports", "/v1/jobs")):
            continue
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
        if "{operation_id}" in path:
            path = path.replace("{operation_id}", await self.operation(route))
        if route == "POST /v1/organisation-operations":
            body["organisation_id"] = str(await self.world.organisation("primary", self.town))
        if "{application_id}" in path:
            receipt = await self.world.apply(self.school)
            path = path.replace("{application_id}", receipt["application_id"])
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
        if route == "POST /v1/merges":
            body |= {"survivor_member_id": await self.double(), "absorbed_member_id": await self.double()}
        if route == "POST /v1/erasures":
            body["member_id"] = await self.world.member(self.school)
        path = await self.fill_records(path)
        if route.endswith("/move"):
            body["parent_id"] = str(self.town)
        if route == "POST /v1/organisations":
            body |= {"parent_id": str(self.town), "code": f"N{uuid4()}"}
        return path, body

    async def double(self) -> str:
        return str(await self.world.member(self.school))

    async def fill_records(self, path: str) -> str:
        """Fresh doubles, merges, approvals and erasures of this place, asked for by others than the callers."""
        if "{duplicate_id}" in path:
            approval = await self.asked()
            # Refused, it is a pair that waits for a decision again.
            refuse = f"/v1/approvals/{approval}/refuse"
            await self.world.client.post(refuse, json={"reason": "Нет"}, headers=self.world.federal)
            page = await self.world.client.get("/v1/duplicates?limit=500", headers=self.world.federal)
            path = path.replace("{duplicate_id}", page.json()["items"][-1]["duplicate_id"])
        if "{approval_id}" in path:
            path = path.replace("{approval_id}", await self.asked())
        if "{merge_id}" in path:
            made = await approve(self.world, await self.asked())
            path = path.replace("{merge_id}", made.json()["result"]["merge_id"])
        if "{erasure_id}" in path:
            path = path.replace("{erasure_id}", await erase(self.world, await self.double()))
        if "{alarm_id}" in path:
            path = path.replace("{alarm_id}", await self.alarm())
        return path

    async def asked(self) -> str:
        """A merge that waits for its second person."""
        asker = self.world.issuer.bearer("federal_staff", sub="asker")
        asked = await ask_merge(self.world, await self.double(), await self.double(), asker)
        assert asked.status_code == 201, asked.text
        return str(asked.json()["approval_id"])

    async def alarm(self) -> str:
        alarm_id = uuid4()
        async with self.world.database.sessions.begin() as session:
            session.add(
                ReadingAlarm(
                    alarm_id=alarm_id,
                    subject=str(alarm_id),
                    hour=datetime.now(UTC),
                    kind="limit",
                    persons=2,
                    expected=1,
                    raised_at=datetime.now(UTC),
                )
            )
        return str(alarm_id)

    async def operation(self, route: str) -> str:
        """One that can be undone, cancelled, or approved: whatever the route does."""
        fresh = not route.startswith("GET")
        organisation = await self.world.organisation("primary", self.town) if fresh else self.school
        body: dict[str, Any] = {"organisation_id": str(organisation), "reason": "Так решено", **DAY}
        if route.endswith("/approve"):
            for _ in range(3):
                await self.world.organisation("union_group", organisation)
            body |= {"operation": "merge", "into_id": str(self.school)}
        else:
            body |= {"operation": "rename", "name": "Иная"}
        if route.endswith("/cancel"):
            body["effective_on"] = str(datetime.now(UTC).date() + timedelta(days=9))
        headers = self.world.issuer.bearer("federal_staff", sub="another")
        asked = await self.world.client.post("/v1/organisation-operations", json=body, headers=headers)
        return str(asked.json()["operation_id"])

    async def send(self, route: str, headers: dict[str, str], sender: "Place") -> Any:
        path, body = await self.fill(route, sender)
        method = route.split(" ")[0]
        if method == "PATCH":
            headers = {**headers, "If-Match": '"1"'}
        if method == "GET":
            return await self.world.client.get(path, params=QUERIES.get(route), headers=headers)
        return await getattr(self.world.client, method.lower())(path, json=body, headers=headers)


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"], "mass_organisations": 2}


@pytest.fixture
async def places(world: Any, database: Database) -> tuple[Place, Place]:
    world.database = database
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
        path = re.sub(r"\{\w+_id\}", str(own.school), path)
        path = path.replace("{purpose}", "cards")
        method = route.split(" ")[0]
        key = {"Idempotency-Key": f"{route}"}

        async def send(headers: dict[str, str], call: Any = (method, path, body, key)) -> Any:
            method, path, body, key = call
            return await world.client.request(method, path, json=body, headers={**key, **headers})

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
