"""Every route × role × foreign organisation: who is let in, and what is cut away."""

import re
import uuid
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from cashback.main import service
from common import checked_files
from common.auth import Role

FEDERAL = {Role.FEDERAL_STAFF}
STAFF = {Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF, Role.PRIMARY_STAFF}
OVERSEERS = {*STAFF, Role.AUDITOR, Role.INTERNAL_APP}

PARTNERS = {Role.PARTNER, Role.FEDERAL_STAFF}
OVERSIGHT = {Role.FEDERAL_STAFF, Role.AUDITOR}

ID = "0197f2a0-0000-7000-8000-000000000000"
DAY = {"effective_on": "2021-05-01"}
CAMPAIGN = {"partner": "no", "title": "x", "fixed": 1, "from_on": "2021-01-01", "to_on": "2021-01-02"}
PURCHASE = {"click_id": ID, "order": "1", "amount": 1, "purchased_at": "2021-01-01T00:00:00Z"}
PARTNER = {"partner": "books", "name": "x", "hold_days": 1, "landing_url": "https://books.example/"}

BOOKS = ["books", "2021-01-01", "2021-01-31"]
LIMIT = {"kind": "click_to_purchase", "least_seconds": 1}

ROUTES: dict[tuple[str, str], tuple[set[Role], dict[str, Any] | bytes | None]] = {
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
    ("POST", "/v1/payouts/{payout_id}/cancel"): ({Role.MEMBER}, {}),
    ("POST", "/v1/payouts/{payout_id}/approve"): (FEDERAL, {}),
    ("POST", "/v1/payouts/{payout_id}/decline"): (FEDERAL, {"reason": "x"}),
    ("POST", "/v1/bank-files"): (FEDERAL, DAY),
    ("GET", "/v1/bank-files/{file_number}/content"): (FEDERAL, None),
    ("POST", "/v1/bank-answers"): (FEDERAL, checked_files.written("1", ["1", "1"], [], [0])[0]),
    ("GET", "/v1/statement?since=2021-01-01&until=2021-12-31"): ({Role.MEMBER}, None),
    ("GET", "/v1/partners/{partner}/invoices/{month}"): (PARTNERS, None),
    ("POST", "/v1/sandbox-clicks"): ({Role.PARTNER}, {"campaign_id": ID}),
    ("POST", "/v1/fraud-limits"): (FEDERAL, LIMIT),
    ("GET", "/v1/fraud-limits"): (OVERSIGHT, None),
    ("PUT", "/v1/fraud-limits/{limit_id}"): (FEDERAL, {"least_seconds": 1, "active": True}),
    ("POST", "/v1/partners/{partner}/related-members"): (FEDERAL, {"member_id": ID}),
    ("GET", "/v1/partners/{partner}/related-members"): (OVERSIGHT, None),
    ("DELETE", "/v1/partners/{partner}/related-members/{member_id}"): (FEDERAL, None),
    ("GET", "/v1/reviews"): (OVERSIGHT, None),
    ("POST", "/v1/reviews/{purchase_id}/release"): (FEDERAL, {"reason": "x"}),
    ("POST", "/v1/reviews/{purchase_id}/reject"): (FEDERAL, {"reason": "x"}),
    ("POST", "/v1/reconciliations"): (PARTNERS, checked_files.written("1", BOOKS, [], [0, 0])[0]),
    ("GET", "/v1/reconciliations"): ({*OVERSIGHT, Role.PARTNER}, None),
    ("GET", "/v1/reconciliations/{reconciliation_id}"): ({*OVERSIGHT, Role.PARTNER}, None),
    ("GET", "/v1/reconciliations/{reconciliation_id}/items"): ({*OVERSIGHT, Role.PARTNER}, None),
    ("GET", "/v1/reconciliations/{reconciliation_id}/csv"): ({*OVERSIGHT, Role.PARTNER}, None),
    ("POST", "/v1/reconciliations/{reconciliation_id}/items/{item_id}/accept"): (FEDERAL, DAY),
    ("POST", "/v1/reconciliations/{reconciliation_id}/items/{item_id}/dismiss"): (FEDERAL, {"reason": "x"}),
    ("POST", "/v1/webhooks"): (PARTNERS, {"url": "http://127.0.0.1/hook", "partner": "books"}),
    ("GET", "/v1/webhooks"): (PARTNERS, None),
    ("GET", "/v1/webhooks/{webhook_id}"): (PARTNERS, None),
    ("PUT", "/v1/webhooks/{webhook_id}/secret"): (PARTNERS, None),
    ("PATCH", "/v1/webhooks/{webhook_id}"): (PARTNERS, {}),
    ("DELETE", "/v1/webhooks/{webhook_id}"): (PARTNERS, None),
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): (PARTNERS, None),
    ("POST", "/v1/webhooks/{webhook_id}/redeliver"): (PARTNERS, {"since": "2021-01-01T00:00:00Z"}),
    ("GET", "/v1/webhook-deliveries/{delivery_id}"): (PARTNERS, None),
    ("POST", "/v1/webhook-deliveries/{delivery_id}/redeliver"): (PARTNERS, {}),
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
        address = re.sub(r"\{\w+_id\}", ID, path).replace("{file_number}", "1").replace("{month}", "2021-05")
        address = address.replace("{partner}", "books")
        keys = {"Idempotency-Key": str(uuid.uuid4()), "Union-Signature": "x"} if method == "POST" else {}
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await world.client.request(method, address, headers={**headers, **keys}, **sent)
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
        payout = await world.sent(member_id, 3000)
        assert (await world.bank("settle", payout)).status_code == 200
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


async def test_one_partners_books_addresses_and_invoice_are_not_anothers(world: Any) -> None:
    """Statements and payouts are cut by the member, these by the partner: what is another's is not there."""
    for partner in ("books", "films"):
        await world.partner(partner)
    content, _ = checked_files.written("1", BOOKS, [], [0, 0])
    books, films = world.as_partner("books"), world.as_partner("films")
    assert (await world.client.post("/v1/reconciliations", content=content, headers=films)).status_code == 404
    compared = (await world.client.post("/v1/reconciliations", content=content, headers=books)).json()
    body = {"url": "http://127.0.0.1:9/hook"}
    hook = (await world.client.post("/v1/webhooks", json=body, headers=books)).json()["webhook_id"]
    paths = [f"/v1/reconciliations/{compared['reconciliation_id']}{part}" for part in ("", "/items", "/csv")] + [
        f"/v1/webhooks/{hook}",
        f"/v1/webhooks/{hook}/deliveries",
        "/v1/partners/books/invoices/2021-05",
    ]
    for path in paths:
        assert (await world.client.get(path, headers=books)).status_code == 200, path
        assert (await world.client.get(path, headers=films)).status_code in (403, 404), path
        both = world.issuer.bearer("partner", "federal_staff", partner="films")
        assert (await world.client.get(path, headers=both)).status_code in (403, 404), path
    for listed in ("reconciliations", "webhooks"):
        assert (await world.client.get(f"/v1/{listed}", headers=films)).json()["items"] == []
    for method, path in (("PUT", f"/v1/webhooks/{hook}/secret"), ("DELETE", f"/v1/webhooks/{hook}")):
        answer = await world.client.request(method, path, headers={**films, "If-Match": '"1"'})
        assert answer.status_code == 404
    foreign = await world.client.post("/v1/webhooks", json={**body, "partner": "books"}, headers=films)
    assert foreign.status_code == 403
