"""Who may take part, and when that ends."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from common.events.cards import CardBlocked
from common.events.cashback import ParticipantEnrolled, ParticipationEnded
from common.events.registry import ConsentGiven, MemberExpelled
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
