"""Who may call what, and over whom: every route, every role, and an organisation that is not theirs."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from cards.devices import Device
from common.auth import Role
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Region, organisation

STAFF = {Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF, Role.PRIMARY_STAFF}
OVERSEERS = STAFF | {Role.AUDITOR, Role.INTERNAL_APP}
OFFICE = {Role.FEDERAL_STAFF, Role.REGIONAL_STAFF}
ROUTES: dict[tuple[str, str], set[Role]] = {
    ("GET", "/v1/cards"): OVERSEERS | {Role.MEMBER},
    ("GET", "/v1/cards/{card_id}"): OVERSEERS | {Role.MEMBER},
    ("GET", "/v1/cards/{card_id}/qr"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/block"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/replace"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/suspend"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/resume"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/reprint"): STAFF,
    ("GET", "/v1/cards/{card_id}/devices"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/devices"): {Role.MEMBER},
    ("GET", "/v1/cards/{card_id}/devices/{device_id}"): STAFF | {Role.MEMBER},
    ("POST", "/v1/cards/{card_id}/devices/{device_id}/revoke"): STAFF | {Role.MEMBER},
    ("GET", "/v1/plastic-batches"): OVERSEERS,
    ("POST", "/v1/plastic-batches"): STAFF,
    ("GET", "/v1/plastic-batches/{batch_id}"): OVERSEERS,
    ("GET", "/v1/plastic-batches/{batch_id}/cards"): OVERSEERS,
    ("GET", "/v1/plastic-batches/{batch_id}/reconciliation"): OVERSEERS,
    ("GET", "/v1/plastic-batches/{batch_id}/personalisation-file"): OFFICE,
    ("POST", "/v1/plastic-batches/{batch_id}/approve"): OFFICE,
    ("POST", "/v1/plastic-batches/{batch_id}/send"): OFFICE,
    ("POST", "/v1/plastic-batches/{batch_id}/factory-responses"): OFFICE,
    ("POST", "/v1/plastic-batches/{batch_id}/cancel"): STAFF,
    ("POST", "/v1/plastic-batches/{batch_id}/delivered"): STAFF,
    ("POST", "/v1/plastic-batches/{batch_id}/hand-over"): STAFF,
    ("GET", "/v1/cards/{card_id}/face"): STAFF | {Role.MEMBER},
    ("GET", "/v1/member-counts"): OVERSEERS,
    ("GET", "/v1/member-counts/buckets"): OVERSEERS,
    ("GET", "/v1/member-counts/buckets/{bucket}"): OVERSEERS,
    ("GET", "/v1/headline"): OVERSEERS,
}
PUBLIC = {
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/v1/status-list"),
    ("GET", "/v1/verification/bundle"),
    ("POST", "/v1/verification"),
}
DEVICE_KEY = Device.new().public_key
BODIES: dict[str, Any] = {
    "suspend": {"reason": "mislaid"},
    "reprint": {"reason": "damaged"},
    "devices": {"public_key": DEVICE_KEY},
    "block": {"reason": "lost"},
    "delivered": {},
    "hand-over": {"receipt": "1"},
}


def test_the_table_of_routes_is_the_applications(app: FastAPI) -> None:
    document = app.openapi()
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert routes == ROUTES.keys() | PUBLIC


@pytest.fixture
async def anna(region: Region, deliver: Deliver) -> Person:
    anna = Person(region.school)
    await deliver(anna.admitted())
    return anna


@pytest.fixture
async def card_id(anna: Person, cards_of: CardsOf) -> UUID:
    return (await cards_of(anna))[0].card_id


@pytest.fixture
async def device_id(client: Client, issuer: TestIssuer, anna: Person, card_id: UUID) -> UUID:
    headers = issuer.bearer("member", member_id=anna.member_id)
    answer = await client.post(f"/v1/cards/{card_id}/devices", json={"public_key": DEVICE_KEY}, headers=headers)
    return UUID(answer.json()["device_id"])


@pytest.fixture
async def batch_id(client: Client, issuer: TestIssuer, region: Region, card_id: UUID) -> UUID:
    order = {"organisation_id": str(region.school)}
    answer = await client.post("/v1/plastic-batches", json=order, headers=issuer.bearer("federal_staff"))
    return UUID(answer.json()["batch_id"])


@pytest.fixture
def ids(region: Region, card_id: UUID, batch_id: UUID, device_id: UUID) -> dict[str, Any]:
    of_route = {"card_id": card_id, "batch_id": batch_id, "device_id": device_id}
    return {**of_route, "organisation_id": region.school, "bucket": region.school.hex[-2:]}


async def call(client: Client, route: tuple[str, str], ids: dict[str, Any], headers: dict[str, str]) -> Any:
    method, path = route
    if method == "GET":
        return await client.get(path.format(**ids), headers=headers)
    body = BODIES.get(path.rsplit("/", 1)[-1], {"organisation_id": str(ids["organisation_id"])})
    return await client.post(path.format(**ids), json=body, headers=headers)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_a_route_asks_for_a_token_and_for_one_of_its_roles(
    route: tuple[str, str], client: Client, issuer: TestIssuer, region: Region, ids: dict[str, Any]
) -> None:
    nobody = await call(client, route, ids, {})
    assert (nobody.status_code, nobody.json()["code"]) == (401, "token_required")
    for role in set(Role) - ROUTES[route]:
        answer = await call(
            client, route, ids, issuer.bearer(role, organisation_id=region.federal, member_id=uuid4())
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), role


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_to_another_organisation_or_member_there_is_nothing_here(
    route: tuple[str, str], client: Client, issuer: TestIssuer, region: Region, ids: dict[str, Any]
) -> None:
    strangers = [
        issuer.bearer(role, organisation_id=organisation, member_id=uuid4())
        for role in ROUTES[route]
        for organisation in (region.foreign, region.other_territory, uuid4())
    ]
    strangers += [
        issuer.bearer(role) for role in ROUTES[route] & {Role.PRIMARY_STAFF, Role.REGIONAL_STAFF, Role.MEMBER}
    ]
    for headers in strangers:
        answer = await call(client, route, ids, headers)
        if route[1] == "/v1/headline":
            assert set(answer.json()["cards"].values()) == {0}
        elif "/member-counts/buckets" in route[1]:
            assert (answer.status_code, answer.json()["items"]) == (200, [])
        elif route[0] == "GET" and "{" not in route[1]:
            assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})
        else:
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("level", ["school", "territory", "region", "federal"])
async def test_every_level_above_reaches_the_card_and_the_batch(
    level: str, client: Client, issuer: TestIssuer, region: Region, card_id: UUID, batch_id: UUID, device_id: UUID
) -> None:
    headers = issuer.bearer("regional_staff", organisation_id=getattr(region, level))
    for address in (f"/v1/cards/{card_id}", f"/v1/cards/{card_id}/qr", f"/v1/plastic-batches/{batch_id}"):
        assert (await client.get(address, headers=headers)).status_code == 200
    assert len((await client.get("/v1/cards", headers=headers)).json()["items"]) == 2


async def test_a_filter_reaches_no_further_than_the_scope(
    client: Client, issuer: TestIssuer, region: Region, card_id: UUID
) -> None:
    foreign = issuer.bearer("territorial_staff", organisation_id=region.other_territory)
    for query in (f"organisation_id={region.school}", f"organisation_id={region.federal}", "status=active"):
        assert (await client.get(f"/v1/cards?{query}", headers=foreign)).json()["items"] == []


async def test_a_member_sees_the_own_cards_and_no_others(
    client: Client, issuer: TestIssuer, region: Region, deliver: Deliver, card_id: UUID
) -> None:
    boris = Person(region.school)
    await deliver(boris.admitted())
    headers = issuer.bearer("member", member_id=boris.member_id, organisation_id=region.school)
    listed = (await client.get("/v1/cards", headers=headers)).json()["items"]
    assert {item["member_id"] for item in listed} == {str(boris.member_id)}
    assert (await client.get(f"/v1/cards/{card_id}", headers=headers)).status_code == 404


async def test_a_chairperson_who_is_a_member_elsewhere_has_both_reaches(
    client: Client, issuer: TestIssuer, region: Region, deliver: Deliver, card_id: UUID
) -> None:
    chair = Person(region.school)
    await deliver(chair.admitted())
    headers = issuer.bearer("primary_staff", "member", organisation_id=region.foreign, member_id=chair.member_id)
    listed = (await client.get("/v1/cards", headers=headers)).json()["items"]
    assert [item["member_id"] for item in listed] == [str(chair.member_id)]


async def test_after_a_transfer_the_new_organisation_sees_the_card_and_the_old_one_does_not(
    client: Client, issuer: TestIssuer, region: Region, deliver: Deliver
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted(), anna.transferred(region.foreign))
    counts = {
        place: len(
            (await client.get("/v1/cards", headers=issuer.bearer("primary_staff", organisation_id=place))).json()[
                "items"
            ]
        )
        for place in (region.school, region.foreign)
    }
    assert counts == {region.school: 0, region.foreign: 1}


@pytest.mark.parametrize("reader", [Role.AUDITOR, Role.INTERNAL_APP])
async def test_a_reader_who_is_a_member_too_acts_on_the_own_cards_only(
    reader: Role,
    client: Client,
    issuer: TestIssuer,
    region: Region,
    deliver: Deliver,
    card_id: UUID,
    ids: dict[str, UUID],
) -> None:
    """One role's reach may not carry another role's right: readers of a subtree block nobody's card in it."""
    clerk = Person(region.foreign)
    await deliver(clerk.admitted())
    headers = issuer.bearer(reader, "member", organisation_id=region.school, member_id=clerk.member_id)
    assert (await client.get(f"/v1/cards/{card_id}", headers=headers)).status_code == 200
    for route in ROUTES:
        if "{card_id}/" in route[1]:
            answer = await call(
                client,
                route,
                ids,
                headers,
            )
            allowed = ROUTES[route] & {reader, Role.MEMBER}
            expected = (404, "not_found") if allowed else (403, "forbidden")
            assert (answer.status_code, answer.json()["code"]) == expected, route


async def test_a_circle_of_half_told_moves_ends(
    client: Client, issuer: TestIssuer, region: Region, deliver: Deliver, card_id: UUID
) -> None:
    """Two moves have two keys: the second may arrive before the first, and for a while each is under the other."""
    upper = organisation(region.school, "union_group")
    below = {"organisation_id": region.school, "parent_id": upper.organisation_id, "version": 9}
    await deliver(upper, upper.model_copy(update=below))
    headers = issuer.bearer("primary_staff", organisation_id=region.school)
    listed = await asyncio.wait_for(client.get("/v1/cards", headers=headers), 5)
    assert len(listed.json()["items"]) == 1
