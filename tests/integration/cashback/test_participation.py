"""Who may take part, and when that ends."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from common.events.cards import CardActivated, CardBlocked, CardEvent, CardIssued, CardSuspended
from common.events.cashback import ParticipantEnrolled, ParticipationEnded
from common.events.registry import ConsentGiven, MemberErased, MemberExpelled, MemberMerged
from common.testing import record_of

Refusal = Callable[..., tuple[int, str]]
Published = Callable[..., Awaitable[list[Any]]]


async def test_a_member_with_consent_and_an_active_card_enrols(world: Any, published: Published) -> None:
    member_id = await world.member()
    answer = await world.enrol(member_id)
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert answer.json() == {
        "member_id": str(member_id),
        "status": "enrolled",
        "enrolled_on": "2021-01-10",
        "ended_on": None,
        "version": 1,
    }
    [event] = await published(ParticipantEnrolled)
    assert (event.member_id, event.status, event.version, str(event.effective_on)) == (
        member_id,
        "enrolled",
        1,
        "2021-01-10",
    )


async def test_enrolment_is_refused_with_what_is_missing(world: Any, refusal: Refusal) -> None:
    assert refusal(await world.enrol(uuid.uuid4())) == (409, "not_a_member")
    assert refusal(await world.enrol(await world.member(consents=("membership",)))) == (
        409,
        "bonus_consent_missing",
    )
    assert refusal(await world.enrol(await world.member(card=None))) == (409, "active_card_missing")
    assert refusal(await world.enrol(await world.member(card="issued"))) == (409, "active_card_missing")
    member_id = await world.participant()
    assert refusal(await world.enrol(member_id)) == (409, "already_enrolled")
    assert refusal(await world.enrol(await world.member(), on="2035-01-01")) == (422, "date_in_future")
    gone = await world.member()
    await world.leaves(gone, "2021-01-05")
    assert refusal(await world.enrol(gone)) == (409, "not_a_member")


async def test_participation_ends_with_the_membership(world: Any, published: Published) -> None:
    member_id = await world.participant()
    await world.leaves(member_id, "2021-06-01")
    page = await world.client.get("/v1/participants", headers=world.as_member(member_id))
    [row] = page.json()["items"]
    assert (row["status"], row["ended_on"], row["version"]) == ("ended", "2021-06-01", 2)
    [event] = await published(ParticipationEnded)
    assert (event.status, event.version, str(event.effective_on)) == ("ended", 2, "2021-06-01")


async def test_participation_ends_with_the_consent_to_it_and_with_no_other(
    world: Any, published: Published
) -> None:
    member_id, other = await world.participant(), await world.participant()
    await world.withdraws(member_id, "2021-06-01")
    await world.withdraws(other, "2021-06-01", purpose="marketing")
    assert [event.member_id for event in await published(ParticipationEnded)] == [member_id]


async def test_an_event_that_comes_twice_ends_it_once(world: Any, published: Published) -> None:
    member_id = await world.participant()
    event = world.member_event(MemberExpelled, member_id, uuid.uuid4(), 2, "2021-06-01", "expelled", ())
    record = record_of(event, event_id=uuid.uuid4())
    await world.deliver(record, record)
    assert len(await published(ParticipationEnded)) == 1


async def test_the_end_of_a_membership_without_participation_is_nothing(world: Any, published: Published) -> None:
    await world.leaves(await world.member(), "2021-06-01")
    assert await published(ParticipationEnded) == []


async def test_who_consents_again_enrols_again_but_not_before_the_end(world: Any, refusal: Refusal) -> None:
    member_id = await world.participant()
    await world.withdraws(member_id, "2021-06-01")
    assert refusal(await world.enrol(member_id, on="2021-07-01")) == (409, "bonus_consent_missing")
    await world.deliver(
        world.member_event(ConsentGiven, member_id, uuid.uuid4(), 3, "2021-07-01", purpose="bonus")
    )
    assert refusal(await world.enrol(member_id, on="2021-05-31")) == (422, "date_before_cause")
    answer = await world.enrol(member_id, on="2021-07-01")
    assert (answer.json()["version"], answer.json()["ended_on"]) == (3, None)


@pytest.mark.parametrize("status", ["requested", "issued", "suspended", "blocked", "replaced", "expired"])
async def test_a_card_that_is_not_active_enrols_nobody(world: Any, status: str, refusal: Any) -> None:
    member_id = await world.member(card=status)
    assert refusal(await world.enrol(member_id)) == (409, "active_card_missing")


async def test_a_suspended_card_enrols_when_it_is_active_again(world: Any, refusal: Any) -> None:
    member_id, card_id = await world.member(card=None), uuid.uuid4()
    for version, kind, status in ((1, CardIssued, "active"), (2, CardSuspended, "suspended")):
        await world.deliver(card_event(kind, card_id, member_id, version, status))
    assert refusal(await world.enrol(member_id)) == (409, "active_card_missing")
    await world.deliver(card_event(CardActivated, card_id, member_id, 3, "active"))
    assert (await world.enrol(member_id)).status_code == 201


def card_event(kind: type[CardEvent], card_id: UUID, member_id: UUID, version: int, status: str) -> CardEvent:
    return kind.model_validate(
        {
            "version": version,
            "effective_on": "2020-10-01",
            "card_id": card_id,
            "member_id": member_id,
            "form": "virtual",
            "status": status,
            "reason": None,
            "expires_on": "2030-01-01",
        }
    )


async def test_a_lost_card_does_not_end_the_participation(world: Any) -> None:
    member_id = await world.participant()
    await world.deliver(
        CardBlocked.model_validate(
            {
                "version": 1,
                "effective_on": "2021-02-01",
                "card_id": uuid.uuid4(),
                "member_id": member_id,
                "form": "virtual",
                "status": "blocked",
                "reason": "lost",
                "expires_on": "2030-01-01",
            }
        )
    )
    page = await world.client.get("/v1/participants", headers=world.as_member(member_id))
    assert page.json()["items"][0]["status"] == "enrolled"


@pytest.mark.parametrize("path", ["/v1/participants", "/v1/clicks", "/v1/payouts", "/v1/purchases"])
async def test_a_token_that_names_nobody_acts_for_nobody(world: Any, path: str, refusal: Refusal) -> None:
    body = {
        "/v1/participants": {"effective_on": "2021-01-01"},
        "/v1/clicks": {"campaign_id": str(uuid.uuid4())},
        "/v1/payouts": {"amount": 1, "effective_on": "2021-01-01"},
        "/v1/purchases": {
            "click_id": str(uuid.uuid4()),
            "order": "1",
            "amount": 1,
            "purchased_at": "2021-01-01T00:00:00Z",
        },
    }[path]
    role = "partner" if path == "/v1/purchases" else "member"
    answer = await world.client.post(path, json=body, headers=world.issuer.bearer(role))
    assert refusal(answer) == (403, "forbidden")


async def test_a_late_purchase_of_an_earlier_participation_earns_after_a_new_enrolment(
    world: Any, refusal: Refusal
) -> None:
    await world.partner()
    campaign, member_id = await world.campaign(), await world.participant()
    click = (await world.click(member_id, campaign, at="2021-05-20T10:00:00+03:00")).json()["click_id"]
    await world.withdraws(member_id, "2021-06-01")
    await world.deliver(
        world.member_event(ConsentGiven, member_id, uuid.uuid4(), 3, "2021-06-10", purpose="bonus")
    )
    assert (await world.enrol(member_id, on="2021-06-10")).status_code == 201
    assert (await world.report(click, at="2021-05-31T23:59:00+03:00")).json()["cashback"] == 5000
    between = await world.report(click, at="2021-06-01T10:00:00+03:00")
    assert refusal(between) == (409, "not_participating")
    assert (await world.report(click, at="2021-06-11T10:00:00+03:00")).status_code == 201


@pytest.mark.parametrize(("event", "status"), [(MemberExpelled, "expelled"), (MemberErased, "erased")])
async def test_a_member_who_is_gone_is_paid_until_a_day(world: Any, event: Any, status: str) -> None:
    await world.partner()
    member_id = await world.participant()
    await world.earned(member_id, await world.campaign())
    await world.deliver(world.member_event(event, member_id, uuid.uuid4(), 2, "2021-06-01", status, ()))
    balance = (await world.client.get("/v1/balance", headers=world.as_member(member_id))).json()
    assert (balance["available"], balance["payable_until"]) == (5000, "2022-06-01")
    assert (await world.pay_out(member_id, 5000, on="2022-06-01")).status_code == 201


async def test_a_double_record_passes_its_money_on_to_the_one_that_stays(
    world: Any, sound: None, pass_time: Callable[..., Awaitable[None]]
) -> None:
    await world.partner()
    campaign = await world.campaign()
    double, survivor = await world.participant(), await world.participant()
    await world.earned(double, campaign)
    pending = await world.bought(double, campaign)
    merged = world.member_event(
        MemberMerged, double, uuid.uuid4(), 2, "2021-06-01", "merged", (), into_member_id=survivor
    )
    await world.deliver(merged)
    assert (await world.balance(double))["available"] == 0
    assert (await world.balance(survivor))["available"] == 5000
    await world.resolve("confirm", pending, on="2021-07-01")
    await pass_time(datetime(2026, 1, 1, tzinfo=UTC))
    assert await world.balance(survivor) == {"pending": 0, "available": 10_000, "in_payout": 0, "owed": 0}


async def test_a_debt_is_passed_on_and_netted_from_what_the_heir_has(world: Any, sound: None) -> None:
    await world.partner()
    campaign = await world.campaign()
    double, survivor = await world.participant(), await world.participant()
    purchase = await world.earned(double, campaign)
    await world.bank("settle", (await world.pay_out(double, 5000)).json()["payout_id"])
    await world.resolve("refund", purchase, on="2021-05-10", reference="R1", amount=60_000)
    await world.earned(survivor, campaign, 40_000)
    await world.deliver(
        world.member_event(
            MemberMerged, double, uuid.uuid4(), 2, "2021-06-01", "merged", (), into_member_id=survivor
        )
    )
    assert await world.balance(survivor) == {"pending": 0, "available": 0, "in_payout": 0, "owed": 1000}


async def test_the_time_of_a_click_is_ours_and_not_the_members(world: Any, refusal: Refusal) -> None:
    await world.partner()
    campaign, member_id = await world.campaign(to_on="2099-12-31"), await world.participant()
    body = {"campaign_id": str(campaign), "clicked_at": "2021-03-01T10:00:00Z"}
    answer = await world.client.post("/v1/clicks", json=body, headers=world.as_member(member_id))
    assert refusal(answer) == (422, "request_invalid")
    body.pop("clicked_at")
    click = (await world.client.post("/v1/clicks", json=body, headers=world.as_member(member_id))).json()
    early = await world.report(click["click_id"], at="2021-03-02T10:00:00Z")
    assert refusal(early) == (409, "click_not_valid_then")
    now = datetime.now(UTC).isoformat()
    assert (await world.report(click["click_id"], at=now)).status_code == 201
