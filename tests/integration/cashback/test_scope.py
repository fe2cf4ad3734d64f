"""Every route × role × foreign organisation: who is let in, and what is cut away."""

import uuid
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from cashback.main import service
from common.auth import Role

FEDERAL = {Role.FEDERAL_STAFF}
STAFF = {Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF, Role.PRIMARY_STAFF}
OVERSEERS = {*STAFF, Role.AUDITOR, Role.INTERNAL_APP}

ID = "0197f2a0-0000-7000-8000-000000000000"
DAY = {"effective_on": "2021-05-01"}
CAMPAIGN = {"partner": "no", "title": "x", "fixed": 1, "from_on": "2021-01-01", "to_on": "2021-01-02"}
PURCHASE = {"click_id": ID, "order": "1", "amount": 1, "purchased_at": "2021-01-01T00:00:00Z"}
PARTNER = {"partner": "books", "name": "x", "hold_days": 1, "landing_url": "https://books.example/"}

ROUTES: dict[tuple[str, str], tuple[set[Role], dict[str, Any] | None]] = {
    ("POST", "/v1/partners"): (FEDERAL, PARTNER),
    ("GET", "/v1/partners"): (OVERSEERS, None),
    ("POST", "/v1/partners/{partner}/file-key"): (FEDERAL, {"public_key": "A" * 43 + "="}),
    ("POST", "/v1/campaigns"): (FEDERAL, CAMPAIGN),
    ("POST", "/v1/campaign-trials"): (
        FEDERAL,
        {**CAMPAIGN, "purchased_from": "2021-01-01", "purchased_to": "2021-02-01"},
    ),
    ("GET", "/v1/campaigns"): (set(Role), None),
    ("GET", "/v1/campaigns/{campaign_id}"): (set(Role), None),
    ("PATCH", "/v1/campaigns/{campaign_id}"): (FEDERAL, {}),
    ("POST", "/v1/participants"): ({Role.MEMBER}, DAY),
    ("GET", "/v1/participants"): ({*OVERSEERS, Role.MEMBER}, None),
    ("POST", "/v1/clicks"): ({Role.MEMBER}, {"campaign_id": ID}),
    ("POST", "/v1/recorded-clicks"): (
        {Role.INTERNAL_APP},
        {"campaign_id": ID, "member_id": ID, "clicked_at": "2021-01-01T00:00:00Z"},
    ),
    ("POST", "/v1/purchases"): ({Role.PARTNER}, PURCHASE),
    ("GET", "/v1/purchases"): (set(Role) - {Role.TERRITORIAL_STAFF, Role.PRIMARY_STAFF}, None),
    ("POST", "/v1/purchase-files?day=2021-01-01"): ({Role.PARTNER}, {}),
    ("GET", "/v1/refused-reports"): ({Role.PARTNER, Role.FEDERAL_STAFF}, None),
    ("POST", "/v1/purchases/{purchase_id}/confirm"): ({Role.PARTNER}, DAY),
    ("POST", "/v1/purchases/{purchase_id}/decline"): ({Role.PARTNER}, DAY),
    ("POST", "/v1/purchases/{purchase_id}/refund"): ({Role.PARTNER}, {**DAY, "reference": "1", "amount": 1}),
    ("POST", "/v1/payouts"): ({Role.MEMBER}, {**DAY, "amount": 1}),
    ("GET", "/v1/payouts"): ({*OVERSEERS, Role.MEMBER}, None),
    ("POST", "/v1/payouts/{payout_id}/settle"): (FEDERAL, DAY),
    ("POST", "/v1/payouts/{payout_id}/fail"): (FEDERAL, {**DAY, "reason": "x"}),
    ("GET", "/v1/balance"): ({Role.MEMBER}, None),
    ("GET", "/v1/ledger/trial-balance"): ({Role.FEDERAL_STAFF, Role.AUDITOR}, None),
    ("GET", "/v1/headline"): (OVERSEERS, None),
}


def test_every_route_stands_in_the_table() -> None:
    declared = {
        (method, route.path)
        for router in service.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert declared == {(method, path.partition("?")[0]) for method, path in ROUTES}


@pytest.mark.parametrize("role", [*Role, None])
async def test_a_role_enters_the_routes_that_are_its_own_and_no_other(world: Any, role: Role | None) -> None:
    headers = world.issuer.bearer(role, member_id=uuid.uuid4(), partner="books") if role else {}
    for (method, path), (allowed, body) in ROUTES.items():
        address = path.replace("{", "").replace("}", "").replace("campaign_id", ID)
        address = address.replace("purchase_id", ID).replace("payout_id", ID)
        keys = {"Idempotency-Key": str(uuid.uuid4()), "Union-Signature": "x"} if method == "POST" else {}
        answer = await world.client.request(method, address, json=body, headers={**headers, **keys})
        if role is None:
            assert answer.status_code == 401, (method, path)
        elif role in allowed:
            assert answer.status_code not in (401, 403, 422, 500), (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path, answer.status_code)


async def lists(world: Any, headers: dict[str, str]) -> dict[str, int | None]:
    answers = {name: (await world.client.get(f"/v1/{name}", headers=headers)) for name in LISTS}
    return {name: len(answer.json()["items"]) if answer.is_success else None for name, answer in answers.items()}


LISTS = ("participants", "purchases", "payouts")


@pytest.fixture
async def tree(world: Any) -> dict[str, UUID]:
    """A root with two regions; the members of the first have a purchase and a payout each."""
    root = await world.organisation(kind="federal")
    region = await world.organisation(root, "regional")
    primary, other = await world.organisation(region), await world.organisation(region)
    foreign = await world.organisation(root, "regional")
    await world.partner()
    campaign = await world.campaign()
    made: dict[str, UUID] = {"root": root, "region": region, "primary": primary, "other": other}
    for name in ("primary", "other"):
        member_id = await world.participant(made[name])
        await world.earned(member_id, campaign)
        payout = (await world.pay_out(member_id, 3000)).json()["payout_id"]
        await world.bank("settle", payout)
        made[f"member of {name}"] = member_id
    return {**made, "foreign": foreign}


@pytest.mark.parametrize(
    ("role", "organisation", "rows"),
    [
        ("federal_staff", None, 2),
        ("federal_staff", "root", 2),
        ("regional_staff", "region", 2),
        ("regional_staff", "foreign", 0),
        ("territorial_staff", "foreign", 0),
        ("primary_staff", "primary", 1),
        ("primary_staff", "foreign", 0),
        ("primary_staff", None, 0),
        ("auditor", None, 2),
        ("auditor", "region", 2),
        ("auditor", "foreign", 0),
        ("internal_app", None, 2),
        ("internal_app", "foreign", 0),
    ],
)
async def test_staff_sees_the_members_of_its_subtree(
    world: Any, tree: dict[str, UUID], role: str, organisation: str | None, rows: int
) -> None:
    scope = tree[organisation] if organisation else None
    headers = world.issuer.bearer(role, organisation_id=scope)
    # What single members buy is not for those who work beside them.
    below_region = role in ("territorial_staff", "primary_staff")
    assert await lists(world, headers) == dict.fromkeys(LISTS, rows) | (
        {"purchases": None} if below_region else {}
    )
    headline = (await world.client.get("/v1/headline", headers=headers)).json()
    assert headline == {
        "participants": rows,
        "purchases": rows,
        "returned": rows * 5000,
        "paid_out": rows * 3000,
    }


async def test_a_member_sees_only_what_is_their_own(world: Any, tree: dict[str, UUID]) -> None:
    assert await lists(world, world.as_member(tree["member of other"])) == dict.fromkeys(LISTS, 1)
    assert await lists(world, world.as_member(uuid.uuid4())) == dict.fromkeys(LISTS, 0)


async def test_a_member_with_an_organisation_in_the_token_sees_no_more(world: Any, tree: dict[str, UUID]) -> None:
    headers = world.issuer.bearer("member", member_id=tree["member of other"], organisation_id=tree["region"])
    assert await lists(world, headers) == dict.fromkeys(LISTS, 1)


async def test_a_partners_token_is_never_widened_by_another_role(world: Any, tree: dict[str, UUID]) -> None:
    await world.partner("films")
    headers = world.issuer.bearer("partner", "federal_staff", partner="films")
    purchases = await world.client.get("/v1/purchases", headers=headers)
    assert purchases.json()["items"] == []
    participants = await world.client.get("/v1/participants", headers=headers)
    assert participants.json()["items"] == []


@pytest.mark.parametrize(("organisation", "status"), [(None, 200), ("root", 200), ("region", 403)])
async def test_an_auditor_of_a_part_does_not_see_the_whole_ledger(
    world: Any, tree: dict[str, UUID], organisation: str | None, status: int
) -> None:
    headers = world.issuer.bearer("auditor", organisation_id=tree[organisation] if organisation else None)
    answer = await world.client.get("/v1/ledger/trial-balance", headers=headers)
    assert answer.status_code == status


async def test_lists_are_paged_and_filtered_by_status(world: Any, tree: dict[str, UUID]) -> None:
    for name, status, absent in (("purchases", "confirmed", "pending"), ("payouts", "settled", "failed")):
        first = (await world.client.get(f"/v1/{name}?limit=1", headers=world.federal())).json()
        assert first["next_cursor"] is not None
        following = (
            await world.client.get(
                f"/v1/{name}?limit=1&status={status}&cursor={first['next_cursor']}", headers=world.federal()
            )
        ).json()
        assert (len(following["items"]), following["next_cursor"]) == (1, None)
        assert following["items"] != first["items"]
        none = await world.client.get(f"/v1/{name}?status={absent}", headers=world.federal())
        assert none.json()["items"] == []
