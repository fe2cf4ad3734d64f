"""Cards over HTTP: what the holder sees, what staff see, blocking and replacing."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from common.events.cards import CardBlocked, CardIssued, CardReplaced
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region
from union_card_verifier.verifying import PREFIX


@pytest.fixture
async def anna(region: Region, deliver: Deliver) -> Person:
    anna = Person(region.school)
    await deliver(anna.admitted())
    return anna


def holder(issuer: TestIssuer, person: Person) -> dict[str, str]:
    return issuer.bearer("member", sub="anna", member_id=person.member_id)


def chair(issuer: TestIssuer, organisation_id: UUID) -> dict[str, str]:
    return issuer.bearer("primary_staff", sub="chair", organisation_id=organisation_id)


async def test_the_holder_reads_the_whole_number_and_everybody_else_its_last_four_digits(
    client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    mine = (await client.get("/v1/cards", headers=holder(issuer, anna))).json()
    assert [item["number"] for item in mine["items"]] == [card.number]
    for who in (chair(issuer, region.school), issuer.bearer("internal_app"), issuer.bearer("auditor")):
        for address in (f"/v1/cards/{card.card_id}", "/v1/cards"):
            answer = await client.get(address, headers=who)
            assert answer.status_code == 200
            assert card.number not in answer.text
            assert "•" * 12 + card.number[-4:] in answer.text


async def test_one_card_comes_with_its_etag_and_the_steps_of_its_life(
    client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    answer = await client.get(f"/v1/cards/{card.card_id}", headers=chair(issuer, region.school))
    assert answer.headers["etag"] == '"1"'
    body = answer.json()
    assert body["organisation_id"] == str(region.school)
    assert [(step["status"], step["actor"]) for step in body["steps"]] == [
        ("active", "registry.member_admitted.v1")
    ]
    own = (await client.get(f"/v1/cards/{card.card_id}", headers=holder(issuer, anna))).json()
    assert [step["actor"] for step in own["steps"]] == [None]


async def test_the_list_is_filtered_and_paged(
    client: Client, issuer: TestIssuer, region: Region, deliver: Deliver
) -> None:
    people = [Person(region.school) for _ in range(5)] + [Person(region.foreign)]
    await deliver(*(person.admitted() for person in people))
    await deliver(people[0].left())
    everything = issuer.bearer("federal_staff")

    async def members(**query: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = (await client.get("/v1/cards", params=query, headers=everything)).json()
            found += [item["member_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    assert sorted(await members(limit=2)) == sorted(str(person.member_id) for person in people)
    assert await members(status="blocked") == [str(people[0].member_id)]
    assert await members(member_id=people[3].member_id) == [str(people[3].member_id)]
    assert len(await members(organisation_id=region.territory, limit=1)) == 5
    assert await members(organisation_id=region.other_territory) == [str(people[5].member_id)]
    wrong = await client.get("/v1/cards", params={"status": "alive"}, headers=everything)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "request_invalid")


@pytest.mark.parametrize("who", ["holder", "chair"])
@pytest.mark.parametrize("reason", ["lost", "stolen"])
async def test_holder_or_chair_blocks_a_card_for_good(
    who: str,
    reason: str,
    client: Client,
    issuer: TestIssuer,
    region: Region,
    anna: Person,
    cards_of: CardsOf,
    published: Published,
) -> None:
    (card,) = await cards_of(anna)
    headers = holder(issuer, anna) if who == "holder" else chair(issuer, region.school)
    answer = await client.post(f"/v1/cards/{card.card_id}/block", json={"reason": reason}, headers=headers)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reason"]) == ("blocked", reason)
    assert answer.headers["etag"] == '"2"'
    assert card.number not in answer.text
    (event,) = await published(CardBlocked)
    assert isinstance(event, CardBlocked)
    assert (event.reason, event.version) == (reason, 2)
    again = await client.post(f"/v1/cards/{card.card_id}/block", json={"reason": reason}, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "card_step_not_allowed")
    code = await client.get(f"/v1/cards/{card.card_id}/qr", headers=headers)
    assert (code.status_code, code.json()["code"]) == (409, "card_not_live")


async def test_a_reason_that_is_the_platforms_own_is_not_taken_from_people(
    client: Client, issuer: TestIssuer, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    answer = await client.post(
        f"/v1/cards/{card.card_id}/block", json={"reason": "membership_ended"}, headers=holder(issuer, anna)
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("lost_first", [True, False])
async def test_a_card_is_replaced_by_a_new_one_once(
    lost_first: bool, client: Client, issuer: TestIssuer, anna: Person, cards_of: CardsOf, published: Published
) -> None:
    (old,) = await cards_of(anna)
    headers = holder(issuer, anna)
    if lost_first:
        await client.post(f"/v1/cards/{old.card_id}/block", json={"reason": "lost"}, headers=headers)
    key = {"Idempotency-Key": "replace-it-once", **headers}
    answer = await client.post(f"/v1/cards/{old.card_id}/replace", headers=key)
    assert answer.status_code == 201
    new = answer.json()
    assert answer.headers["location"] == f"/v1/cards/{new['card_id']}"
    assert (new["status"], new["replaces_id"], new["form"]) == ("active", str(old.card_id), "virtual")
    repeated = await client.post(f"/v1/cards/{old.card_id}/replace", headers=key)
    assert repeated.json() == new
    before, after = await cards_of(anna)
    assert (before.status, before.reason) == ("replaced", "lost" if lost_first else None)
    assert before.number != after.number
    assert after.number not in answer.text
    assert len(await published(CardIssued)) == 2
    assert len(await published(CardReplaced)) == 1
    twice = await client.post(f"/v1/cards/{old.card_id}/replace", headers=headers)
    assert (twice.status_code, twice.json()["code"]) == (409, "card_step_not_allowed")


async def test_who_left_or_withdrew_gets_no_replacement(
    client: Client, issuer: TestIssuer, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    headers = holder(issuer, anna)
    await client.post(f"/v1/cards/{card.card_id}/block", json={"reason": "lost"}, headers=headers)
    await deliver(anna.withdrew())
    answer = await client.post(f"/v1/cards/{card.card_id}/replace", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "member_not_entitled")


async def test_a_lost_card_whose_successor_came_another_way_is_not_replaced_again(
    client: Client, issuer: TestIssuer, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    headers = holder(issuer, anna)
    await client.post(f"/v1/cards/{card.card_id}/block", json={"reason": "lost"}, headers=headers)
    await deliver(anna.consented())
    answer = await client.post(f"/v1/cards/{card.card_id}/replace", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "card_exists")
    assert [c.status for c in await cards_of(anna)] == ["blocked", "active"]


async def test_the_qr_code_is_text_or_a_picture_as_asked(
    client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    for headers in (holder(issuer, anna), chair(issuer, region.school)):
        text = await client.get(f"/v1/cards/{card.card_id}/qr", headers=headers)
        assert text.headers["content-type"].startswith("text/plain")
        assert text.headers["cache-control"] == "no-store"
        assert text.text.startswith(PREFIX)
        picture = await client.get(f"/v1/cards/{card.card_id}/qr", headers={**headers, "Accept": "image/svg+xml"})
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert picture.text.startswith("<svg")
        assert picture.headers["vary"] == "Accept"


async def test_the_headline_counts_live_cards_and_the_counts_are_those_of_the_registry(
    client: Client, issuer: TestIssuer, region: Region, deliver: Deliver
) -> None:
    people = [Person(region.school), Person(region.school), Person(region.foreign)]
    without = Person(region.foreign, consents=("membership",))
    await deliver(*(person.admitted() for person in (*people, without)), people[0].left())
    federal = issuer.bearer("federal_staff")
    order = {"organisation_id": str(region.school)}
    assert (await client.post("/v1/plastic-batches", json=order, headers=federal)).status_code == 201
    assert (await client.get("/v1/headline", headers=federal)).json() == {
        "cards": {"virtual": 2, "plastic": 1, "members_with_card": 2, "members_entitled": 2, "blocked": 1}
    }
    own = (await client.get("/v1/headline", headers=chair(issuer, region.foreign))).json()["cards"]
    assert (own["virtual"], own["plastic"], own["blocked"]) == (1, 0, 0)
    first = (await client.get("/v1/member-counts?limit=1", headers=federal)).json()
    rest = (await client.get(f"/v1/member-counts?cursor={first['next_cursor']}", headers=federal)).json()
    counts = [*first["items"], *rest["items"]]
    expected = {str(region.school): 1, str(region.foreign): 2}
    assert counts == [{"organisation_id": one, "members": expected[one]} for one in sorted(expected)]
    assert rest["next_cursor"] is None


async def test_of_many_replacements_at_once_one_wins(
    client: Client, issuer: TestIssuer, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    address, headers = f"/v1/cards/{card.card_id}/replace", holder(issuer, anna)
    answers = await asyncio.gather(*(client.post(address, headers=headers) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert [c.status for c in await cards_of(anna)] == ["replaced", "active"]


async def test_a_replacement_and_a_leaving_at_once_leave_no_live_card(
    client: Client, issuer: TestIssuer, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    address, headers = f"/v1/cards/{card.card_id}/replace", holder(issuer, anna)
    await asyncio.gather(client.post(address, headers=headers), deliver(anna.left()))
    assert {c.status for c in await cards_of(anna)} <= {"replaced", "blocked"}
