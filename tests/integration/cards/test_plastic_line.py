"""A plastic batch from the order over the factory to the hands of the members."""

from typing import Any
from uuid import uuid4

import pytest

from cards.numbers import mod_97
from common.events.cards import (
    CardActivated,
    CardBlocked,
    CardIssued,
    CardRequested,
    PlasticBatchApproved,
    PlasticBatchDelivered,
    PlasticBatchDispatched,
    PlasticBatchHandedOver,
    PlasticBatchOrdered,
    PlasticBatchProduced,
    PlasticBatchSent,
)
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region
from tests.integration.cards.plastic import PlasticLine, done


@pytest.fixture
async def people(region: Region, deliver: Deliver) -> list[Person]:
    people = [Person(region.school) for _ in range(4)]
    await deliver(*(person.admitted() for person in people))
    return people


async def plastic(cards_of: CardsOf, person: Person) -> list[tuple[str, str | None]]:
    return [(card.status, card.reason) for card in await cards_of(person) if card.form == "plastic"]


async def test_a_batch_goes_from_the_order_to_active_cards(
    line: PlasticLine, region: Region, people: list[Person], cards_of: CardsOf, published: Published
) -> None:
    batch = await line.ordered(region.territory)
    assert (batch["status"], batch["cards"], batch["version"]) == ("ordered", 4, 1)
    digits = batch["reference"].removeprefix("PB")
    assert mod_97(digits[:-2]) == digits[-2:]
    for step, status in (("approve", "approved"), ("send", "sent")):
        batch = done(await line.post(batch, step, line.office))
        assert batch["status"] == status
    assert (batch["ordered_by"], batch["approved_by"]) == ("staff", "office")

    by_card = {card.card_id: person for person in people for card in await cards_of(person)}
    pieces = await line.pieces(batch)
    assert {piece["serial"] for piece in pieces} == {f"{batch['reference']}-{n:05d}" for n in range(1, 5)}
    spoiled = pieces[0]
    produced = [(piece["serial"], "produced") for piece in pieces[1:]]
    batch = await line.answered(batch, 1, [(spoiled["serial"], "spoiled"), *produced[:-1]])
    assert (batch["status"], batch["spoiled"]) == ("sent", 1)
    batch = await line.answered(batch, 2, produced[-1:])
    assert batch["status"] == "produced"
    batch = await line.answered(batch, 3, [(serial, "dispatched") for serial, _ in produced])
    assert batch["status"] == "dispatched"
    batch = done(await line.post(batch, "delivered", line.staff, json={}))
    assert batch["status"] == "delivered"

    first, *others = pieces[1:]
    one = {"card_ids": [first["card_id"]], "receipt": "list 7, line 1"}
    batch = done(await line.post(batch, "hand-over", line.staff, json=one))
    assert batch["status"] == "delivered"
    holders = {str(card_id): person for card_id, person in by_card.items()}
    assert await plastic(cards_of, holders[first["card_id"]]) == [("active", None)]
    assert await plastic(cards_of, holders[others[0]["card_id"]]) == [("issued", None)]
    batch = done(await line.post(batch, "hand-over", line.staff, json={"receipt": "list 7"}))
    assert batch["status"] == "handed_over"
    assert [await plastic(cards_of, holders[piece["card_id"]]) for piece in pieces] == [
        [("blocked", "spoiled")],
        *[[("active", None)]] * 3,
    ]
    signed = {piece["card_id"]: (piece["receipt"], piece["handed_over_by"]) for piece in await line.pieces(batch)}
    assert signed[first["card_id"]] == ("list 7, line 1", "staff")

    assert [len(await published(kind)) for kind in (CardRequested, CardBlocked, CardActivated)] == [4, 1, 3]
    issued: list[Any] = await published(CardIssued)
    assert sorted(event.form for event in issued) == ["plastic"] * 3 + ["virtual"] * 4
    steps = (
        PlasticBatchOrdered,
        PlasticBatchApproved,
        PlasticBatchSent,
        PlasticBatchProduced,
        PlasticBatchDispatched,
        PlasticBatchDelivered,
        PlasticBatchHandedOver,
    )
    told: list[Any] = await published(*steps)
    assert [type(event) for event in told] == list(steps)
    assert [(event.cards, event.spoiled) for event in told] == [(4, 0)] * 3 + [(4, 1)] * 4


async def test_a_spoiled_serial_and_number_are_never_used_again(
    line: PlasticLine, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    batch = await line.sent(region.school, people[0].member_id)
    [piece] = await line.pieces(batch)
    batch = await line.answered(batch, 1, [(piece["serial"], "spoiled")])
    refused = await line.answer(batch, line.factory.answer(batch["reference"], 2, [(piece["serial"], "produced")]))
    assert (refused.status_code, refused.json()["code"]) in (
        (422, "factory_file_invalid"),
        (409, "batch_step_not_allowed"),
    )
    again = await line.sent(region.school, people[0].member_id)
    [other] = await line.pieces(again)
    assert other["serial"] != piece["serial"]
    assert len({card.number for card in await cards_of(people[0])}) == 3


async def test_an_order_needs_a_second_person(line: PlasticLine, region: Region, people: list[Person]) -> None:
    batch = await line.ordered(region.school)
    early = await line.post(batch, "send", line.office)
    assert (early.status_code, early.json()["code"]) == (409, "batch_step_not_allowed")
    same = line.issuer.bearer("regional_staff", sub="staff", organisation_id=region.region)
    refused = await line.post(batch, "approve", same)
    assert (refused.status_code, refused.json()["code"]) == (403, "second_person_needed")
    assert done(await line.post(batch, "approve", line.office))["approved_by"] == "office"


async def test_a_cancelled_order_frees_its_members(
    line: PlasticLine, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    batch = await line.ordered(region.school)
    assert done(await line.post(batch, "cancel", line.staff))["status"] == "cancelled"
    assert await plastic(cards_of, people[0]) == [("blocked", "order_cancelled")]
    assert (await line.ordered(region.school))["cards"] == 4
    late = await line.post(batch, "approve", line.office)
    assert (late.status_code, late.json()["code"]) == (409, "batch_step_not_allowed")


async def test_an_answer_is_taken_in_wholly_once_and_in_its_turn(
    line: PlasticLine, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    batch = await line.sent(region.school)
    serials = [piece["serial"] for piece in await line.pieces(batch)]
    make = line.factory.answer
    good = make(batch["reference"], 1, [(serials[0], "produced"), (serials[1], "spoiled")])
    half = make(batch["reference"], 1, [(serials[0], "produced"), ("PB-of-another", "produced")])
    ahead = make(batch["reference"], 2, [(serials[0], "produced")])
    strange = make("PB202600009999", 1, [(serials[0], "produced")])
    for content, status, code in (
        (half, 422, "factory_file_invalid"),
        (ahead, 409, "factory_response_out_of_turn"),
        (strange, 422, "factory_file_invalid"),
    ):
        refused = await line.answer(batch, content)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert {piece["stage"] for piece in await line.pieces(batch)} == {"ordered"}
    first = done(await line.answer(batch, good))
    assert done(await line.answer(batch, good)) == first  # sent again, with another Idempotency-Key
    changed = await line.answer(batch, make(batch["reference"], 1, [(serials[2], "produced")]))
    assert (changed.status_code, changed.json()["code"]) == (409, "factory_response_out_of_turn")
    early = await line.answer(batch, make(batch["reference"], 2, [(serials[2], "dispatched")]))
    assert (early.status_code, early.json()["line"]) == (422, 2)


async def test_the_cards_of_those_who_left_meanwhile_stay_ended_and_are_to_be_destroyed(
    line: PlasticLine, region: Region, people: list[Person], deliver: Deliver, cards_of: CardsOf
) -> None:
    batch = await line.ordered(region.school)
    await deliver(people[0].left())
    for step in ("approve", "send"):
        batch = done(await line.post(batch, step, line.office))
    await deliver(people[1].withdrew())
    serials = {piece["serial"]: piece for piece in await line.pieces(batch) if piece["stage"] == "ordered"}
    assert len(serials) == 3
    words = [(serial, word) for word in ("produced", "dispatched") for serial in serials]
    batch = await line.answered(batch, 1, words)
    assert batch["status"] == "dispatched"
    await deliver(people[2].expelled())
    done(await line.post(batch, "delivered", line.staff, json={}))
    batch = done(await line.post(batch, "hand-over", line.staff, json={"receipt": "1"}))
    assert batch["status"] == "handed_over"
    assert [await plastic(cards_of, person) for person in people] == [
        [("blocked", "membership_ended")],
        [("blocked", "consent_withdrawn")],
        [("blocked", "membership_ended")],
        [("active", None)],
    ]
    report = await line.report(batch)
    figures = [report[name] for name in ("ordered", "withdrawn", "produced", "handed_over", "difference")]
    assert figures == [4, 1, 3, 1, 0]
    assert [finding["finding"] for finding in report["findings"]] == ["to_destroy", "to_destroy"]


async def test_a_card_that_did_not_come_ends_and_can_be_ordered_anew(
    line: PlasticLine, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    batch = await line.dispatched(region.school)
    [lost] = [card.card_id for card in await cards_of(people[0]) if card.form == "plastic"]
    strange = await line.post(batch, "delivered", line.staff, json={"missing": [str(uuid4())]})
    assert (strange.status_code, strange.json()["code"]) == (409, "cards_not_in_batch")
    batch = done(await line.post(batch, "delivered", line.staff, json={"missing": [str(lost)]}))
    assert (batch["status"], batch["missing"]) == ("delivered", 1)
    assert await plastic(cards_of, people[0]) == [("blocked", "missing")]
    report = await line.report(batch)
    assert report["difference"] == 3
    assert sorted(finding["finding"] for finding in report["findings"]) == ["missing"] + ["not_handed_over"] * 3
    mine = {"card_ids": [str(lost)], "receipt": "1"}
    refused = await line.post(batch, "hand-over", line.staff, json=mine)
    assert (refused.status_code, refused.json()["card_ids"]) == (409, [str(lost)])
    assert (await line.ordered(region.school))["cards"] == 1


@pytest.mark.parametrize("step", ["send", "delivered", "hand-over", "factory-responses"])
async def test_no_step_of_a_batch_is_left_out(
    step: str, line: PlasticLine, region: Region, people: list[Person]
) -> None:
    batch = await line.ordered(region.school)
    if step == "factory-responses":
        answer = await line.answer(batch, line.factory.answer(batch["reference"], 1, []))
    else:
        body = {"receipt": "1"} if step == "hand-over" else {}
        answer = await line.post(batch, step, line.office, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "batch_step_not_allowed")


async def test_nobody_has_two_live_plastic_cards(line: PlasticLine, region: Region, people: list[Person]) -> None:
    assert (await line.ordered(region.school, people[0].member_id))["cards"] == 1
    refused = await line.order(region.school, people[0].member_id, people[1].member_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "members_not_eligible")
    assert refused.json()["member_ids"] == [str(people[0].member_id)]
    assert (await line.ordered(region.school))["cards"] == 3
    none = await line.order(region.school)
    assert (none.status_code, none.json()["code"]) == (409, "nothing_to_order")


async def test_only_entitled_members_of_that_organisation_can_be_named(
    line: PlasticLine, region: Region, people: list[Person], deliver: Deliver
) -> None:
    foreign, without = Person(region.foreign), Person(region.school, consents=("membership",))
    await deliver(foreign.admitted(), without.admitted(), people[0].left())
    strangers = {foreign.member_id, without.member_id, people[0].member_id, uuid4()}
    refused = await line.order(region.school, people[1].member_id, *strangers)
    assert refused.status_code == 409
    assert refused.json()["member_ids"] == sorted(str(member_id) for member_id in strangers)


async def test_a_plastic_card_is_replaced_by_an_order_alone(
    line: PlasticLine, client: Client, issuer: TestIssuer, region: Region, people: list[Person], cards_of: CardsOf
) -> None:
    await line.ordered(region.school, people[0].member_id)
    card = (await cards_of(people[0]))[1]
    headers = issuer.bearer("member", member_id=people[0].member_id)
    refused = await client.post(f"/v1/cards/{card.card_id}/replace", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "plastic_not_replaceable")


async def test_batches_are_listed_and_read_with_their_etag(
    line: PlasticLine, client: Client, issuer: TestIssuer, region: Region, people: list[Person]
) -> None:
    batches = [await line.ordered(region.school, person.member_id) for person in people]
    auditor = issuer.bearer("auditor")
    page = (await client.get("/v1/plastic-batches?limit=3", headers=auditor)).json()
    rest = (await client.get(f"/v1/plastic-batches?cursor={page['next_cursor']}", headers=auditor)).json()
    assert [*page["items"], *rest["items"]] == batches
    one = await client.get(f"/v1/plastic-batches/{batches[0]['batch_id']}", headers=auditor)
    assert (one.json(), one.headers["etag"]) == (batches[0], '"1"')
