"""Requests of phones, for the walk over all routes and all roles."""

from typing import Any
from uuid import UUID, uuid4

from tests.pocket import Pocket
from tests.walker import Builder, Call

CONFLICTS, STRANDED = "/v1/sync/conflicts", "/v1/sync/stranded"
WITH_A_DEVICE = ("GET /v1/sync", "POST /v1/sync", "GET /v1/sync/operations")
"""Routes for the phone of one organisation: whoever acts for the whole union is asked to name one."""


def builders(requests: Any) -> dict[str, Builder]:
    """`requests` makes members at places: see routes.Requests."""

    def item(path: str, end: str, body: dict[str, Any]) -> Builder:
        async def build(place: str) -> Call:
            organisation = requests.places[place]
            member = await requests.a_member(organisation)
            waiting = await _waiting(requests, organisation, member, path == STRANDED)
            sent = {**body, "current_version": waiting["current_version"]} if end == "accept" else body
            return Call(f"{path}/{waiting['item_id']}/{end}", sent)

        return build

    return {
        "GET /v1/sync": _get("/v1/sync", limit="2000"),
        "POST /v1/sync": _send,
        "GET /v1/sync/operations": _get("/v1/sync/operations"),
        f"GET {CONFLICTS}": _listed(CONFLICTS),
        f"GET {STRANDED}": _listed(STRANDED),
        f"POST {CONFLICTS}/{{item_id}}/resolve": item(CONFLICTS, "resolve", {"take": "current"}),
        f"POST {STRANDED}/{{item_id}}/accept": item(STRANDED, "accept", {}),
        f"POST {STRANDED}/{{item_id}}/decline": item(STRANDED, "decline", {"reason": "Так решено"}),
    }


async def _waiting(requests: Any, organisation: UUID, member: str, stranded: bool) -> dict[str, Any]:
    """An operation of a phone that waits for the organisation's decision."""
    world = requests.world
    headers = world.staff("primary_staff", organisation)
    phone = Pocket(world.client, headers, page=2000)
    await phone.pull()
    phone.about("leave", member, **({} if stranded else {"effective_on": "1999-01-01"}))
    if stranded:
        phone.bearer = world.staff("primary_staff", requests.elsewhere)
    await phone.push()
    path = STRANDED if stranded else CONFLICTS
    page = await world.client.get(path, params={"limit": 500}, headers=headers)
    (found,) = [one for one in page.json()["items"] if one["member_id"] == member]
    return dict(found)


def _get(path: str, **params: str) -> Builder:
    async def build(_place: str) -> Call:
        return Call(path, params={**params, "device_id": str(uuid4())}, addressed=False)

    return build


def _listed(path: str) -> Builder:
    async def build(_place: str) -> Call:
        return Call(path, params={"limit": "500"}, addressed=False)

    return build


async def _send(_place: str) -> Call:
    operation = {"operation_id": str(uuid4()), "kind": "leave", "member_id": str(uuid4()), "base_version": 1}
    return Call("/v1/sync", {"device_id": str(uuid4()), "operations": [operation]}, addressed=False)
