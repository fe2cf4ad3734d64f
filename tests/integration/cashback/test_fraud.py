"""Limits against fraud: what hits one waits for a person, and nothing of it is dropped."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from cashback.commands.intake import take_reports
from cashback.commands.reports import Report
from cashback.policy import Policy
from common.db import Database
from common.events.cashback import PartnerPurchaseChanged, PurchaseDeclined

pytestmark = pytest.mark.usefixtures("sound")


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


async def limit(world: Any, kind: str, **measures: Any) -> dict[str, Any]:
    answer = await world.client.post("/v1/fraud-limits", json={"kind": kind, **measures}, headers=world.federal())
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "etag": answer.headers["etag"]}


async def queue(world: Any, review: str = "waiting") -> list[dict[str, Any]]:
    answer = await world.client.get(f"/v1/reviews?review={review}", headers=world.federal())
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


async def decide(world: Any, step: str, purchase_id: str, sub: str = "federal") -> Any:
    headers = world.issuer.bearer("federal_staff", sub=sub)
    return await world.client.post(
        f"/v1/reviews/{purchase_id}/{step}", json={"reason": "звонили"}, headers=headers
    )


def at(minute: int) -> str:
    return f"2021-03-02T10:{minute:02d}:00+06:00"


async def test_more_purchases_than_the_limit_wait_and_cannot_be_confirmed_until_released(
    world: Any, campaign_id: UUID, refusal: Any, published: Any
) -> None:
    made = await limit(world, "member", window_seconds=3600, most_purchases=2)
    member_id = await world.participant()
    purchases = [await world.bought(member_id, campaign_id, at=at(minute)) for minute in (0, 10, 20)]
    [held] = await queue(world)
    assert held["purchase_id"] == purchases[2]
    [hit] = held["hits"]
    assert (hit["kind"], hit["measured"], hit["threshold"]) == ("member", 3, 2)
    assert (hit["limit_id"], hit["limit_version"]) == (made["limit_id"], 1)
    # The money is pending like any other's; the partner sees that it is held, and not why.
    assert (await world.balance(member_id))["pending"] == 15_000
    assert refusal(await world.resolve("confirm", purchases[2])) == (409, "held_for_review")
    assert (await world.resolve("confirm", purchases[1])).status_code == 200
    released = await decide(world, "release", purchases[2])
    assert (released.json()["review"], released.json()["decided_by"]) == ("released", "federal")
    told = [
        event.held for event in await published(PartnerPurchaseChanged) if str(event.purchase_id) == purchases[2]
    ]
    assert told == [True, False]
    assert (await world.resolve("confirm", purchases[2])).status_code == 200
    assert refusal(await decide(world, "release", purchases[2])) == (409, "not_in_review")


async def test_what_staff_rejects_is_declined_by_the_union_and_reversed_exactly(
    world: Any, campaign_id: UUID, refusal: Any, published: Any, database: Database
) -> None:
    await limit(world, "member", window_seconds=3600, most_purchases=1)
    member_id = await world.participant()
    await world.bought(member_id, campaign_id, at=at(0))
    purchase = await world.bought(member_id, campaign_id, at=at(5))
    rejected = await decide(world, "reject", purchase)
    assert (rejected.json()["status"], rejected.json()["review"]) == ("declined", "rejected")
    assert (await world.balance(member_id))["pending"] == 5000
    assert refusal(await world.resolve("confirm", purchase)) == (409, "purchase_not_pending")
    assert [str(event.purchase_id) for event in await published(PurchaseDeclined)] == [purchase]
    last = [event for event in await published(PartnerPurchaseChanged) if str(event.purchase_id) == purchase][-1]
    assert (last.status, last.held) == ("declined", False)
    async with database.sessions() as session:
        sources = await session.execute(
            sa.text("select event, source from partner_report where purchase_id = :p"), {"p": purchase}
        )
        assert set(map(tuple, sources)) == {("reported", "api"), ("declined", "review")}
    assert [one["purchase_id"] for one in await queue(world, "rejected")] == [purchase]


async def test_a_purchase_that_its_partner_declines_leaves_the_queue(world: Any, campaign_id: UUID) -> None:
    await limit(world, "member", window_seconds=3600, most_purchases=1)
    member_id = await world.participant()
    await world.bought(member_id, campaign_id, at=at(0))
    purchase = await world.bought(member_id, campaign_id, at=at(5))
    assert (await world.resolve("decline", purchase)).status_code == 200
    assert await queue(world) == []


@pytest.mark.parametrize("order", [(0, 10, 20), (20, 0, 10), (10, 20, 0)])
async def test_reports_out_of_turn_are_counted_by_the_moment_of_the_purchase(
    world: Any, campaign_id: UUID, order: tuple[int, ...]
) -> None:
    """Three within the window are too many, whichever of them is told of last."""
    await limit(world, "member", window_seconds=1200, most_purchases=2)
    member_id = await world.participant()
    purchases = [await world.bought(member_id, campaign_id, at=at(minute)) for minute in order]
    assert [held["purchase_id"] for held in await queue(world)] == [purchases[2]]


async def test_a_window_forgets_what_is_outside_it(world: Any, campaign_id: UUID) -> None:
    await limit(world, "member", window_seconds=600, most_purchases=1)
    member_id = await world.participant()
    for minute in (0, 11, 22):
        await world.bought(member_id, campaign_id, at=at(minute))
    assert await queue(world) == []


async def test_a_limit_may_count_kopecks_of_cashback(world: Any, campaign_id: UUID) -> None:
    await limit(world, "partner", partner="books", window_seconds=3600, most_cashback=9999)
    for minute, member_id in ((0, await world.participant()), (1, await world.participant())):
        await world.bought(member_id, campaign_id, at=at(minute))
    [held] = await queue(world)
    assert (held["hits"][0]["measured"], held["hits"][0]["threshold"]) == (10_000, 9999)


async def test_members_who_share_a_device_are_counted_together_and_its_id_is_kept_nowhere(
    world: Any, campaign_id: UUID, database: Database
) -> None:
    await limit(world, "device", window_seconds=3600, most_purchases=1)
    device, clicks = "installation-7f3a9c", []
    for _ in range(2):
        member_id = await world.participant()
        body = {
            "member_id": str(member_id),
            "campaign_id": str(campaign_id),
            "clicked_at": at(0),
            "device": device,
        }
        headers = world.issuer.bearer("internal_app", sub="cabinet")
        clicks.append(
            (await world.client.post("/v1/recorded-clicks", json=body, headers=headers)).json()["click_id"]
        )
    first, second = [(await world.report(click, at=at(5))).json() for click in clicks]
    assert (first["held"], second["held"]) == (False, True)
    [held] = await queue(world)
    assert [hit["kind"] for hit in held["hits"]] == ["device"]
    async with database.sessions() as session:
        kept = await session.scalar(sa.text("select string_agg(c::text, ' ') from click c"))
    assert device not in kept
    assert device.encode().hex() not in kept


async def test_a_card_is_counted_whoever_holds_it(world: Any, campaign_id: UUID, database: Database) -> None:
    """After two records of a member were merged, one card stands behind the clicks of both."""
    await limit(world, "card", window_seconds=3600, most_purchases=1)
    members = [await world.participant(), await world.participant()]
    async with database.sessions.begin() as session:
        card = await session.scalar(sa.text("select card_id from card where member_id = :m"), {"m": members[0]})
    clicks = [(await world.click(member_id, campaign_id)).json()["click_id"] for member_id in members]
    async with database.sessions.begin() as session:
        assert await session.scalar(sa.text("select count(*) from click where card_id = :c"), {"c": card}) == 1
        await session.execute(sa.text("update click set card_id = :c"), {"c": card})
    held = [(await world.report(click, at=at(5))).json()["held"] for click in clicks]
    assert held == [False, True]


async def test_a_purchase_too_soon_after_its_click_waits(world: Any, campaign_id: UUID) -> None:
    await limit(world, "click_to_purchase", least_seconds=5)
    member_id = await world.participant()
    click = (await world.click(member_id, campaign_id, at="2021-03-02T10:00:00+06:00")).json()["click_id"]
    soon = await world.report(click, at="2021-03-02T10:00:04+06:00")
    later = await world.report(click, at="2021-03-02T10:00:05+06:00")
    assert (soon.json()["held"], later.json()["held"]) == (True, False)
    [held] = await queue(world)
    assert (held["hits"][0]["measured"], held["hits"][0]["threshold"]) == (4, 5)


async def test_the_partners_own_people_are_looked_at_there_and_nowhere_else(world: Any, campaign_id: UUID) -> None:
    member_id = await world.participant()
    related = "/v1/partners/books/related-members"
    added = await world.client.post(related, json={"member_id": str(member_id)}, headers=world.federal())
    assert added.status_code == 201
    await world.partner("films")
    elsewhere = await world.campaign("films")
    await world.bought(member_id, campaign_id)
    click = (await world.click(member_id, elsewhere)).json()["click_id"]
    assert (await world.report(click, partner="films")).json()["held"] is False
    [held] = await queue(world)
    assert ([hit["kind"] for hit in held["hits"]], held["partner"]) == (["self_dealing"], "books")
    [listed] = (await world.client.get(related, headers=world.federal())).json()["items"]
    assert listed["member_id"] == str(member_id)
    gone = await world.client.delete(f"{related}/{member_id}", headers=world.federal())
    assert gone.status_code == 204
    assert await world.bought(member_id, campaign_id, at=at(30))
    assert len(await queue(world)) == 1


async def test_a_change_of_a_limit_is_its_next_version_and_the_old_one_stays_for_its_hits(
    world: Any, campaign_id: UUID, refusal: Any, database: Database
) -> None:
    made = await limit(world, "member", window_seconds=3600, most_purchases=1)
    member_id = await world.participant()
    for minute in (0, 1):
        await world.bought(member_id, campaign_id, at=at(minute))
    path = f"/v1/fraud-limits/{made['limit_id']}"
    body = {"window_seconds": 3600, "most_purchases": 3, "active": True}
    assert refusal(await world.client.put(path, json=body, headers=world.federal())) == (428, "if_match_required")
    stale = {**world.federal(), "If-Match": '"9"'}
    assert refusal(await world.client.put(path, json=body, headers=stale)) == (412, "version_conflict")
    changed = await world.client.put(path, json=body, headers={**world.federal(), "If-Match": made["etag"]})
    assert (changed.json()["version"], changed.json()["most_purchases"]) == (2, 3)
    await world.bought(member_id, campaign_id, at=at(2))
    await world.bought(member_id, campaign_id, at=at(3))
    hits = [(held["hits"][0]["limit_version"], held["hits"][0]["threshold"]) for held in await queue(world)]
    assert hits == [(1, 1), (2, 3)]
    off = {"window_seconds": 3600, "most_purchases": 3, "active": False}
    await world.client.put(path, json=off, headers={**world.federal(), "If-Match": '"2"'})
    await world.bought(member_id, campaign_id, at=at(4))
    assert len(await queue(world)) == 2
    with pytest.raises(Exception, match="append-only"):
        async with database.sessions.begin() as session:
            await session.execute(sa.text("update fraud_limit set most_purchases = 99"))


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "member", "window_seconds": 60},
        {"kind": "member", "most_purchases": 1},
        {"kind": "member", "window_seconds": 60, "most_purchases": 1, "least_seconds": 1},
        {"kind": "click_to_purchase"},
        {"kind": "click_to_purchase", "least_seconds": 1, "window_seconds": 60},
    ],
)
async def test_a_limit_that_measures_nothing_is_refused(world: Any, refusal: Any, body: dict[str, Any]) -> None:
    answer = await world.client.post("/v1/fraud-limits", json=body, headers=world.federal())
    assert refusal(answer) == (422, "fraud_limit_invalid")


async def test_purchases_at_once_do_not_slip_past_a_limit(world: Any, campaign_id: UUID) -> None:
    """Six of one member at two partners, and of six members of one device: never one more than the limit goes free."""
    await limit(world, "member", window_seconds=3600, most_purchases=2)
    await limit(world, "device", window_seconds=3600, most_purchases=2)
    await world.partner("films")
    other = await world.campaign("films")
    member_id = await world.participant()
    clicks = {
        name: (await world.click(member_id, where)).json()["click_id"]
        for name, where in (("books", campaign_id), ("films", other))
    }
    answers = await asyncio.gather(
        *(world.report(clicks[name], at=at(5), partner=name) for name in ("books", "films") * 3)
    )
    assert sorted(answer.json()["held"] for answer in answers) == [False, False, True, True, True, True]
    shared = []
    for number in range(6):
        where, name = (campaign_id, "books") if number % 2 else (other, "films")
        body = {"member_id": str(await world.participant()), "campaign_id": str(where), "clicked_at": at(0)}
        headers = world.issuer.bearer("internal_app", sub="cabinet")
        sent = await world.client.post(
            "/v1/recorded-clicks", json={**body, "device": "the-same-phone"}, headers=headers
        )
        shared.append((sent.json()["click_id"], name))
    answers = await asyncio.gather(*(world.report(click, at=at(5), partner=name) for click, name in shared))
    assert sorted(answer.json()["held"] for answer in answers) == [False, False, True, True, True, True]


async def test_in_a_file_a_confirmation_behind_its_own_report_is_held_too(
    world: Any, campaign_id: UUID, database: Database
) -> None:
    """Both come in one batch: the limit is asked before the confirmation, and its refusal is written down."""
    await limit(world, "member", window_seconds=3600, most_purchases=1)
    click = UUID((await world.click(await world.participant(), campaign_id)).json()["click_id"])
    bought, on, now = datetime(2021, 3, 2, 10, tzinfo=UTC), date(2021, 4, 1), datetime(2021, 4, 2, tzinfo=UTC)
    batch = [
        message
        for order in "ABC"
        for message in (
            Report("books", order, 1, click_id=click, amount=10_000, purchased_at=bought),
            Report("books", order, 1, "confirmed", effective_on=on),
        )
    ]
    async with database.sessions.begin() as session:
        told = await take_reports(session, batch, "file", Policy(30, bytes(32)), now)
    codes = [one.refusal.code if one.refusal else one.purchase and one.purchase.status for one in told]
    assert codes == ["pending", "confirmed", "pending", "held_for_review", "pending", "held_for_review"]


async def test_only_the_whole_unions_people_see_the_queue(world: Any, refusal: Any) -> None:
    part = world.issuer.bearer("auditor", organisation_id=uuid4())
    assert refusal(await world.client.get("/v1/reviews", headers=part)) == (403, "forbidden")
    whole = world.issuer.bearer("auditor")
    assert (await world.client.get("/v1/reviews", headers=whole)).status_code == 200


@pytest.mark.usefixtures("shipped_limits")
async def test_limits_are_in_force_from_the_start_and_staff_changes_them(
    world: Any, campaign_id: UUID, refusal: Any
) -> None:
    answer = await world.client.get("/v1/fraud-limits", headers=world.federal())
    shipped = {each["kind"]: each for each in answer.json()["items"]}
    assert set(shipped) == {"member", "card", "device", "partner", "click_to_purchase"}
    assert all(each["active"] and each["made_by"] == "default" for each in shipped.values())
    # Three seconds from the click to the paid order: no person does that.
    member_id = await world.participant()
    await world.bought(member_id, campaign_id)
    click = (await world.click(member_id, campaign_id, at="2021-03-05T10:00:00+06:00")).json()["click_id"]
    sudden = (await world.report(click, at="2021-03-05T10:00:03+06:00")).json()
    [held] = await queue(world)
    assert held["purchase_id"] == sudden["purchase_id"]
    assert [(hit["kind"], hit["measured"], hit["threshold"]) for hit in held["hits"]] == [
        ("click_to_purchase", 3, 5)
    ]
    # The eleventh purchase by one card within the hour is looked at.
    other = await world.participant()
    purchases = [await world.bought(other, campaign_id, at=at(minute)) for minute in range(0, 44, 4)]
    assert [each["purchase_id"] for each in await queue(world)][1:] == [purchases[10]]
    limit_id = shipped["card"]["limit_id"]
    changed = await world.client.put(
        f"/v1/fraud-limits/{limit_id}",
        json={"window_seconds": 3600, "most_purchases": 40, "active": True},
        headers={**world.federal(), "If-Match": '"1"'},
    )
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    await world.bought(other, campaign_id, at=at(45))
    assert len(await queue(world)) == 2
