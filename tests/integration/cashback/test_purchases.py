"""From the click to the cashback: each journey of a purchase and each refusal."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from common.events.cashback import PurchaseConfirmed, PurchaseDeclined, PurchaseRefunded, PurchaseReported

pytestmark = pytest.mark.usefixtures("sound")

Refusal = Callable[..., tuple[int, str]]
Published = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


@pytest.fixture
async def member_id(world: Any) -> UUID:
    return await world.participant()  # type: ignore[no-any-return]


async def test_a_click_leads_to_the_partner_and_tells_it_nothing_but_a_random_id(
    world: Any, member_id: UUID, campaign_id: UUID
) -> None:
    first = (await world.click(member_id, campaign_id)).json()
    second = (await world.click(member_id, campaign_id)).json()
    query = parse_qs(urlsplit(first["url"]).query)
    assert query == {"from": ["union"], "click_id": [first["click_id"]]}
    assert first["click_id"] != second["click_id"]
    assert UUID(first["click_id"]).version == 4


async def test_a_reported_purchase_is_pending_and_owed_by_the_partner(
    world: Any, member_id: UUID, campaign_id: UUID, published: Published
) -> None:
    click = (await world.click(member_id, campaign_id)).json()["click_id"]
    answer = await world.report(click, 123_456, order="A-1")
    body = answer.json()
    assert (body["status"], body["cashback"], body["hold_until"]) == ("pending", 6172, "2021-03-16")
    assert await world.balance(member_id) == {"pending": 6172, "available": 0, "in_payout": 0, "owed": 0}
    assert await world.trial() == {"partner_receivable": -6172, "member_pending": 6172}
    [event] = await published(PurchaseReported)
    assert (event.member_id, event.partner, event.amount, event.cashback, event.version) == (
        member_id,
        "books",
        123_456,
        6172,
        1,
    )
    assert str(event.effective_on) == "2021-03-02"


async def test_the_member_reads_by_which_rule_the_cashback_was_counted(
    world: Any, member_id: UUID, campaign_id: UUID
) -> None:
    await world.bought(member_id, campaign_id, 123_456)
    page = (await world.client.get("/v1/purchases", headers=world.as_member(member_id))).json()
    assert page["items"][0]["explanation"] == (
        "Кешбэк 61,72 ₽: 5,00 % от 1 234,56 ₽ по акции «Книги учителям» (условия № 1), до копейки вниз."
    )


async def test_a_partner_sees_a_pseudonym_and_nothing_of_the_member(world: Any, campaign_id: UUID) -> None:
    member_id = await world.participant()
    await world.partner("films")
    other = await world.campaign("films")
    await world.bought(member_id, campaign_id)
    await world.bought(member_id, campaign_id)
    await world.bought(member_id, other, partner="films")
    books = await world.client.get("/v1/purchases", headers=world.as_partner())
    films = await world.client.get("/v1/purchases", headers=world.as_partner("films"))
    buyers = [item["buyer"] for item in books.json()["items"]]
    assert buyers[0] == buyers[1]
    assert [item["buyer"] for item in films.json()["items"]] != buyers[:1]
    for answer in (books, films):
        assert str(member_id) not in answer.text
        assert not {"member_id", "organisation_id", "explanation"} & set(answer.json()["items"][0])


async def test_a_confirmed_purchase_makes_the_cashback_available(
    world: Any, member_id: UUID, campaign_id: UUID, published: Published
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    answer = await world.resolve("confirm", purchase)
    assert (answer.json()["status"], answer.json()["version"], answer.headers["etag"]) == ("confirmed", 2, '"2"')
    assert await world.balance(member_id) == {"pending": 0, "available": 5000, "in_payout": 0, "owed": 0}
    [event] = await published(PurchaseConfirmed)
    assert (event.status, event.amount, event.cashback, event.version) == ("confirmed", 100_000, 5000, 2)


async def test_a_part_may_be_confirmed_and_the_rest_goes_back(
    world: Any, member_id: UUID, campaign_id: UUID
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    answer = await world.resolve("confirm", purchase, amount=33_333)
    assert (answer.json()["amount"], answer.json()["cashback"]) == (33_333, 1666)
    assert await world.trial() == {"partner_receivable": -1666, "member_available": 1666}


async def test_the_hold_is_counted_by_the_dates_of_the_business_not_by_the_clock(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    assert refusal(await world.resolve("confirm", purchase, on="2021-03-15")) == (409, "hold_not_over")
    assert (await world.resolve("confirm", purchase, on="2021-03-16")).status_code == 200


async def test_a_declined_purchase_leaves_nothing(
    world: Any, member_id: UUID, campaign_id: UUID, published: Published
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    answer = await world.resolve("decline", purchase, on="2021-03-05")
    assert (answer.json()["status"], answer.json()["amount"], answer.json()["cashback"]) == ("declined", 0, 0)
    assert await world.trial() == {}
    assert [event.status for event in await published(PurchaseDeclined)] == ["declined"]


@pytest.mark.parametrize("first", ["confirm", "decline"])
@pytest.mark.parametrize("second", ["confirm", "decline"])
async def test_a_pending_purchase_is_resolved_once(
    world: Any, member_id: UUID, campaign_id: UUID, first: str, second: str, refusal: Refusal
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    answer = await world.resolve(first, purchase)
    again = await world.resolve(second, purchase)
    if first == second:
        assert (again.status_code, again.json()) == (200, answer.json())
        other_day = await world.resolve(second, purchase, on="2021-04-02")
        assert refusal(other_day) == (409, "report_taken_otherwise")
    else:
        assert refusal(again) == (409, "purchase_not_pending")


async def test_refunds_in_any_parts_take_back_exactly_the_accrual(
    world: Any, member_id: UUID, campaign_id: UUID, published: Published
) -> None:
    purchase = await world.bought(member_id, campaign_id, 99_999)  # 4999.95 kopecks, down to 4999
    await world.resolve("confirm", purchase)
    left = []
    for number, amount in enumerate((33_333, 33_333, 33_333)):
        answer = await world.resolve("refund", purchase, reference=f"R{number}", amount=amount)
        left.append((answer.json()["status"], answer.json()["cashback"]))
    assert left == [("confirmed", 3332), ("confirmed", 1666), ("refunded", 0)]
    assert await world.trial() == {}
    events = await published(PurchaseRefunded)
    assert [(event.version, event.amount) for event in events] == [(3, 66_666), (4, 33_333), (5, 0)]


async def test_a_refund_known_by_its_reference_is_taken_once(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    purchase = await world.earned(member_id, campaign_id)
    once = await world.resolve("refund", purchase, reference="R1", amount=40_000)
    again = await world.resolve("refund", purchase, reference="R1", amount=40_000)
    assert again.json() == once.json()
    assert (await world.balance(member_id))["available"] == 3000
    other = await world.resolve("refund", purchase, reference="R1", amount=1)
    assert refusal(other) == (409, "report_taken_otherwise")


async def test_a_refund_is_refused_where_there_is_nothing_to_return(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    refund = {"reference": "R1", "amount": 1}
    assert refusal(await world.resolve("refund", purchase, **refund)) == (409, "purchase_not_confirmed")
    await world.resolve("confirm", purchase, amount=50_000)
    assert refusal(await world.resolve("refund", purchase, reference="R2", amount=50_001)) == (
        409,
        "amount_exceeds_purchase",
    )
    early = await world.resolve("refund", purchase, on="2021-03-20", **refund)
    assert refusal(early) == (422, "date_before_cause")


async def test_more_than_was_bought_is_never_confirmed(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    answer = await world.resolve("confirm", purchase, amount=100_001)
    assert refusal(answer) == (409, "amount_exceeds_purchase")


async def test_another_partner_cannot_touch_a_purchase_nor_use_a_click(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    await world.partner("films")
    purchase = await world.bought(member_id, campaign_id)
    for step in ("confirm", "decline"):
        assert refusal(await world.resolve(step, purchase, partner="films")) == (404, "not_found")
    stolen = await world.resolve("refund", purchase, partner="films", reference="R1", amount=1)
    assert refusal(stolen) == (404, "not_found")
    click = (await world.click(member_id, campaign_id)).json()["click_id"]
    assert refusal(await world.report(click, partner="films")) == (404, "not_found")


async def test_a_line_reported_again_is_the_same_purchase_and_another_content_is_a_conflict(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    click = (await world.click(member_id, campaign_id)).json()["click_id"]
    first = await world.report(click, order="A-1")
    again = await world.report(click, order="A-1", at="2021-03-02T04:00:00Z")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert refusal(await world.report(click, 100_001, order="A-1")) == (409, "report_taken_otherwise")
    assert (await world.report(click, order="A-1", line=2)).status_code == 201
    assert (await world.balance(member_id))["pending"] == 10_000


async def test_a_purchase_earns_only_within_the_clicks_time_the_window_and_the_participation(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    click = (await world.click(member_id, campaign_id, at="2021-12-20T10:00:00+03:00")).json()["click_id"]
    refused = {
        "2021-12-20T09:59:59+03:00": (409, "click_not_valid_then"),
        "2022-02-01T10:00:00+03:00": (409, "click_not_valid_then"),
        "2022-01-01T00:00:00+03:00": (409, "campaign_not_open"),
        "2036-01-01T00:00:00+03:00": (422, "date_in_future"),
    }
    for at, expected in refused.items():
        assert refusal(await world.report(click, at=at)) == expected, at
    await world.leaves(member_id, "2021-12-25")
    late = await world.report(click, at="2021-12-25T00:00:00+03:00")
    assert refusal(late) == (409, "not_participating")
    assert (await world.report(click, at="2021-12-24T23:59:59+03:00")).status_code == 201


async def test_nobody_clicks_outside_the_window_or_the_participation(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    async def click(at: str) -> tuple[int, str]:
        return refusal(await world.click(member_id, campaign_id, at=at))

    assert await click("2020-12-31T23:59:59+06:00") == (409, "campaign_not_open")
    assert await click("2021-01-09T10:00:00+06:00") == (409, "not_participating")
    assert await click("2036-01-09T10:00:00+06:00") == (422, "date_in_future")
    stranger = await world.member()
    assert refusal(await world.click(stranger, campaign_id)) == (409, "not_participating")
    assert refusal(await world.click(member_id, member_id)) == (404, "not_found")


async def test_a_replayed_post_gets_the_first_answer_and_another_body_a_conflict(
    world: Any, member_id: UUID, campaign_id: UUID, refusal: Refusal
) -> None:
    click = (await world.click(member_id, campaign_id)).json()["click_id"]
    headers = {**world.as_partner(), "Idempotency-Key": "the-shop-s-own-key"}
    body = {"click_id": click, "order": "A-1", "amount": 100_000, "purchased_at": "2021-03-02T10:00:00Z"}
    first = await world.client.post("/v1/purchases", json=body, headers=headers)
    await world.resolve("confirm", first.json()["purchase_id"])
    replay = await world.client.post("/v1/purchases", json=body, headers=headers)
    assert (replay.status_code, replay.content) == (first.status_code, first.content)
    assert replay.headers["idempotency-replayed"] == "true"
    other = await world.client.post("/v1/purchases", json={**body, "amount": 1}, headers=headers)
    assert refusal(other) == (409, "idempotency_key_reused")
