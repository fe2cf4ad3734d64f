"""A plastic batch from the order to the hands of the members."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from cards.numbers import mod_97
from common.events.cards import (
    CardActivated,
    CardBlocked,
    CardIssued,
    CardRequested,
    PlasticBatchDispatched,
    PlasticBatchHandedOver,
    PlasticBatchOrdered,
    PlasticBatchProduced,
)
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region


@pytest.fixture
async def people(region: Region, deliver: Deliver) -> list[Person]:
    people = [Person(region.school) for _ in range(4)]
    await deliver(*(person.admitted() for person in people))
    return people


class Staff:
    """The school's chairperson, before a client."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    async def order(self, organisation_id: UUID, *members: UUID) -> Any:
        named = {"member_ids": [str(member) for member in members]} if members else {}
        body = {"organisation_id": str(organisation_id), **named}
        return await self._client.post("/v1/plastic-batches", json=body, headers=self._headers)

    async def mark(self, batch: dict[str, Any], step: str, **body: Any) -> Any:
        address = f"/v1/plastic-batches/{batch['batch_id']}/{step}"
        return await self._client.post(address, json=body or {}, headers=self._headers)


@pytest.fixture
def staff(client: Client, issuer: TestIssuer, region: Region) -> Staff:
    return Staff(client, issuer.bearer("territorial_staff", sub="office", organisation_id=region.territory))


async def plastic(cards_of: CardsOf, person: Person) -> list[tuple[str, str | None]]:
    return [(card.status, card.reason) for card in await cards_of(person) if card.form == "plastic"]


async def test_a_batch_goes_from_the_order_to_active_cards(
    staff: Staff, region: Region, people: list[Person], cards_of: CardsOf, published: Published
) -> None:
    answer = await staff.order(region.territory)
    assert answer.status_code == 201
    batch = answer.json()
    assert (batch["status"], batch["cards"], batch["spoiled"], batch["ordered_by"]) == ("ordered", 4, 0, "office")
    digits = batch["reference"].removeprefix("PB")
    assert digits[-2:] == mod_97(digits[:-2])
    assert answer.headers["location"] == f"/v1/plastic-batches/{batch['batch_id']}"
    assert [await plastic(cards_of, person) for person in people] == [[("requested", None)]] * 4
    spoiled = (await cards_of(people[0]))[1].card_id

    produced = await staff.mark(batch, "produced", spoiled=[str(spoiled)])
    assert (produced.json()["status"], produced.json()["spoiled"]) == ("produced", 1)
    assert await plastic(cards_of, people[0]) == [("blocked", "spoiled")]
    assert await plastic(cards_of, people[1]) == [("issued", None)]
    assert (await staff.mark(batch, "dispatched")).json()["status"] == "dispatched"
    handed = await staff.mark(batch, "handed-over")
    assert (handed.json()["status"], handed.headers["etag"]) == ("handed_over", '"4"')
    assert await plastic(cards_of, people[0]) == [("blocked", "spoiled")]
    assert [await plastic(cards_of, person) for person in people[1:]] == [[("active", None)]] * 3

    assert [len(await published(kind)) for kind in (CardRequested, CardBlocked, CardActivated)] == [4, 1, 3]
    issued: list[Any] = await published(CardIssued)
    assert sorted(event.form for event in issued) == ["plastic"] * 3 + ["virtual"] * 4
    steps = (PlasticBatchOrdered, PlasticBatchProduced, PlasticBatchDispatched, PlasticBatchHandedOver)
    told: list[Any] = await published(*steps)
    assert [type(event) for event in told] == list(steps)
    assert [(event.version, event.cards) for event in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]

    # The spoiled card's owner, and only she, can have another: with another number.
    again = (await staff.order(region.school)).json()
    assert again["cards"] == 1
    numbers = {card.number for card in await cards_of(people[0])}
    assert len(numbers) == 3


async def test_the_cards_of_those_who_left_meanwhile_stay_ended(
    staff: Staff, region: Region, people: list[Person], deliver: Deliver, cards_of: CardsOf
) -> None:
    batch = (await staff.order(region.school)).json()
    await deliver(people[0].left())
    await staff.mark(batch, "produced")
    await deliver(people[1].withdrew())
    await staff.mark(batch, "dispatched")
    await staff.mark(batch, "handed-over")
    assert await plastic(cards_of, people[0]) == [("blocked", "membership_ended")]
    assert await plastic(cards_of, people[1]) == [("blocked", "consent_withdrawn")]
    assert await plastic(cards_of, people[2]) == [("active", None)]


@pytest.mark.parametrize(
    "steps", [["dispatched"], ["handed-over"], ["produced", "produced"], ["produced", "handed-over"]]
)
async def test_no_step_of_a_batch_is_left_out_or_repeated(
    steps: list[str], staff: Staff, region: Region, people: list[Person]
) -> None:
    batch = (await staff.order(region.school)).json()
    answers = [await staff.mark(batch, step) for step in steps]
    assert [answer.status_code for answer in answers[:-1]] == [200] * (len(steps) - 1)
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (409, "batch_step_not_allowed")


async def test_nobody_has_two_live_plastic_cards(staff: Staff, region: Region, people: list[Person]) -> None:
    assert (await staff.order(region.school, people[0].member_id)).json()["cards"] == 1
    refused = await staff.order(region.school, people[0].member_id, people[1].member_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "members_not_eligible")
    assert refused.json()["member_ids"] == [str(people[0].member_id)]
    rest = await staff.order(region.school)
    assert rest.json()["cards"] == 3
    none = await staff.order(region.school)
    assert (none.status_code, none.json()["code"]) == (409, "nothing_to_order")


async def test_only_entitled_members_of_that_organisation_can_be_named(
    staff: Staff, region: Region, people: list[Person], deliver: Deliver
) -> None:
    foreign, without = Person(region.foreign), Person(region.school, consents=("membership",))
    await deliver(foreign.admitted(), without.admitted(), people[0].left())
    strangers = {foreign.member_id, without.member_id, people[0].member_id, uuid4()}
    refused = await staff.order(region.school, people[1].member_id, *strangers)
    assert refused.status_code == 409
    assert refused.json()["member_ids"] == sorted(str(member_id) for member_id in strangers)


async def test_a_card_of_another_batch_cannot_be_called_spoiled(
    staff: Staff, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    batch = (await staff.order(region.school, people[0].member_id)).json()
    virtual = (await cards_of(people[0]))[0].card_id
    refused = await staff.mark(batch, "produced", spoiled=[str(virtual)])
    assert (refused.status_code, refused.json()["code"]) == (409, "cards_not_in_batch")
    assert (await staff.mark(batch, "produced")).status_code == 200


async def test_a_plastic_card_is_replaced_by_an_order_alone(
    staff: Staff, client: Client, issuer: TestIssuer, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    await staff.order(region.school, people[0].member_id)
    card = (await cards_of(people[0]))[1]
    headers = issuer.bearer("member", member_id=people[0].member_id)
    refused = await client.post(f"/v1/cards/{card.card_id}/replace", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "plastic_not_replaceable")


async def test_batches_are_listed_and_read_with_their_etag(
    staff: Staff, client: Client, issuer: TestIssuer, region: Region, people: list[Person]
) -> None:
    batches = [(await staff.order(region.school, person.member_id)).json() for person in people]
    auditor = issuer.bearer("auditor")
    page = (await client.get("/v1/plastic-batches?limit=3", headers=auditor)).json()
    rest = (await client.get(f"/v1/plastic-batches?cursor={page['next_cursor']}", headers=auditor)).json()
    assert [*page["items"], *rest["items"]] == batches
    one = await client.get(f"/v1/plastic-batches/{batches[0]['batch_id']}", headers=auditor)
    assert (one.json(), one.headers["etag"]) == (batches[0], '"1"')
