"""What happens at the same moment happens once: real connections, real locks."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import func, select

from cashback.ledger import Kind, Ref
from cashback.models import JournalEntry
from common.db import Database
from common.events.cashback import ParticipantEnrolled

pytestmark = pytest.mark.usefixtures("sound")

AT_ONCE = 6


async def statuses(*calls: Awaitable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in await asyncio.gather(*calls))


async def entries(database: Database, kind: str) -> int:
    async with database.sessions() as session:
        return await session.scalar(select(func.count()).where(JournalEntry.kind == kind)) or 0  # type: ignore[arg-type]


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


@pytest.fixture
async def member_id(world: Any) -> UUID:
    return await world.participant()  # type: ignore[no-any-return]


async def test_a_purchase_is_confirmed_once(
    world: Any, member_id: UUID, campaign_id: UUID, database: Database
) -> None:
    purchase = await world.bought(member_id, campaign_id)
    answers = await asyncio.gather(*(world.resolve("confirm", purchase) for _ in range(AT_ONCE)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert await entries(database, "confirmation") == 1
    assert (await world.balance(member_id))["available"] == 5000


async def test_a_purchase_is_confirmed_or_declined_never_both(
    world: Any, member_id: UUID, campaign_id: UUID
) -> None:
    for _ in range(5):
        purchase = await world.bought(member_id, campaign_id)
        steps = ("confirm", "decline", "confirm", "decline")
        # Each twin of the one that won gets its answer; the others are refused.
        assert await statuses(*(world.resolve(step, purchase) for step in steps)) == {200: 2, 409: 2}
    balance = await world.balance(member_id)
    assert balance["pending"] == 0
    assert balance["available"] % 5000 == 0


async def test_the_same_refund_takes_back_once(
    world: Any, member_id: UUID, campaign_id: UUID, database: Database
) -> None:
    purchase = await world.earned(member_id, campaign_id)
    refunds = (world.resolve("refund", purchase, reference="R1", amount=40_000) for _ in range(AT_ONCE))
    assert await statuses(*refunds) == {200: AT_ONCE}
    assert await entries(database, "refund") == 1
    assert (await world.balance(member_id))["available"] == 3000


async def test_refunds_together_never_exceed_the_purchase(world: Any, member_id: UUID, campaign_id: UUID) -> None:
    purchase = await world.earned(member_id, campaign_id)
    refunds = (world.resolve("refund", purchase, reference=f"R{n}", amount=40_000) for n in range(AT_ONCE))
    assert await statuses(*refunds) == {200: 2, 409: AT_ONCE - 2}
    assert (await world.balance(member_id))["available"] == 1000


async def test_a_payout_is_settled_or_fails_once(
    world: Any, member_id: UUID, campaign_id: UUID, database: Database
) -> None:
    await world.earned(member_id, campaign_id)
    payout = await world.sent(member_id, 5000)
    settle = [world.bank("settle", payout) for _ in range(3)]
    fail = [world.bank("fail", payout, reason="x") for _ in range(3)]
    assert await statuses(*settle, *fail) == {200: 1, 409: 5}
    assert await entries(database, "payout_settled") + await entries(database, "payout_failed") == 1


async def test_payouts_together_never_exceed_the_balance(world: Any, member_id: UUID, campaign_id: UUID) -> None:
    await world.earned(member_id, campaign_id)
    assert await statuses(*(world.pay_out(member_id, 2000) for _ in range(AT_ONCE))) == {201: 2, 409: AT_ONCE - 2}
    assert await world.balance(member_id) == {"pending": 0, "available": 1000, "in_payout": 4000, "owed": 0}


async def test_a_line_reported_at_once_is_one_purchase(world: Any, member_id: UUID, campaign_id: UUID) -> None:
    click = (await world.click(member_id, campaign_id)).json()["click_id"]
    assert await statuses(*(world.report(click, order="A-1") for _ in range(AT_ONCE))) == {
        201: 1,
        200: AT_ONCE - 1,
    }
    assert (await world.balance(member_id))["pending"] == 5000


async def test_a_retry_that_overtakes_its_first_attempt_gets_its_answer(
    world: Any, member_id: UUID, campaign_id: UUID
) -> None:
    click = (await world.click(member_id, campaign_id)).json()["click_id"]
    headers = {**world.as_partner(), "Idempotency-Key": str(uuid.uuid4())}
    body = {"click_id": click, "order": "A-1", "amount": 100_000, "purchased_at": "2021-03-02T10:00:00Z"}
    answers = await asyncio.gather(
        *(world.client.post("/v1/purchases", json=body, headers=headers) for _ in range(AT_ONCE))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}


async def test_the_lines_of_an_order_share_its_cap_also_at_once(world: Any, member_id: UUID) -> None:
    await world.partner("films")
    campaign = await world.campaign("films", cap_per_order=12_000)
    click = (await world.click(member_id, campaign)).json()["click_id"]
    lines = (world.report(click, order="A-1", line=n, partner="films") for n in range(1, AT_ONCE + 1))
    earned = [answer.json()["cashback"] for answer in await asyncio.gather(*lines)]
    assert sorted(earned) == [0, 0, 0, 2000, 5000, 5000]


async def test_a_budget_is_never_overdrawn(world: Any) -> None:
    await world.partner("films")
    campaign = await world.campaign("films", budget=12_000)
    clicks = [(await world.click(await world.participant(), campaign)).json()["click_id"] for _ in range(AT_ONCE)]
    calls = (world.report(click, partner="films") for click in clicks)
    assert await statuses(*calls) == {201: 2, 409: AT_ONCE - 2}
    assert (await world.trial())["campaign_budget"] == 2000


async def test_movements_of_many_members_at_once_neither_deadlock_nor_lose_a_kopeck(
    world: Any, campaign_id: UUID
) -> None:
    members = [await world.participant() for _ in range(4)]
    purchases = [await world.bought(member, campaign_id) for member in members for _ in range(3)]
    assert await statuses(*(world.resolve("confirm", purchase) for purchase in purchases)) == {200: 12}
    mixed = [
        *(world.pay_out(member, 4000) for member in members),
        *(world.resolve("refund", purchase, reference="R1", amount=50_000) for purchase in purchases),
    ]
    assert set(await statuses(*mixed)) <= {200, 201, 409}
    trial = await world.trial()
    assert trial["partner_receivable"] == -12 * 2500
    assert sum(trial.values()) == 0


async def test_a_withdrawal_during_the_enrolment_ends_it_whichever_comes_first(world: Any, published: Any) -> None:
    for _ in range(5):
        member_id = await world.member()
        answer, _ = await asyncio.gather(world.enrol(member_id), world.withdraws(member_id, "2021-06-01"))
        page = await world.client.get("/v1/participants", headers=world.as_member(member_id))
        expected = [] if answer.status_code == 409 else ["ended"]
        assert [row["status"] for row in page.json()["items"]] == expected


async def test_a_member_enrols_once(world: Any, published: Any) -> None:
    member_id = await world.member()
    assert await statuses(*(world.enrol(member_id) for _ in range(AT_ONCE))) == {201: 1, 409: AT_ONCE - 1}
    assert len(await published(ParticipantEnrolled)) == 1


def test_an_account_has_one_id_whoever_computes_it() -> None:
    assert Ref(Kind.BANK).account_id == Ref(Kind.BANK).account_id
    assert len({Ref(kind, "x").account_id for kind in Kind}) == len(Kind)


async def test_partners_that_report_at_once_each_get_their_own_answer_and_trace(
    world: Any, database: Database
) -> None:
    """They are posted together: what one is refused, told and traced by is nobody else's."""
    shops = ["books", "films", "sport"]
    campaigns = {}
    for shop in shops:
        await world.partner(shop)
        campaigns[shop] = await world.campaign(shop)
    member_id = await world.participant()
    clicks = [(shop, (await world.click(member_id, campaigns[shop])).json()["click_id"]) for shop in shops * 4]
    traces = [f"{number:032x}" for number in range(1, len(clicks) + 1)]

    async def tell(number: int, shop: str, click: str) -> Any:
        return await world.client.post(
            "/v1/purchases",
            json={
                "click_id": click,
                "order": f"order {number}",
                "amount": 100_000 + number,
                # Every fourth is before its click, and is refused.
                "purchased_at": "2021-03-02T10:00:00+06:00" if number % 4 else "2021-02-01T10:00:00+06:00",
            },
            headers={**world.as_partner(shop), "traceparent": f"00-{traces[number]}-00f067aa0ba902b7-01"},
        )

    answers = await asyncio.gather(*(tell(n, shop, click) for n, (shop, click) in enumerate(clicks)))
    for number, (answer, (shop, click)) in enumerate(zip(answers, clicks, strict=True)):
        if number % 4 == 0:
            assert answer.status_code == 409
            continue
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert (told["partner"], told["click_id"], told["reported"]) == (shop, click, 100_000 + number)
        assert answer.headers["etag"] == '"1"'
    # Resolved at once too, by three routes; a purchase of another partner is none.
    bought = [(n, answers[n].json()["purchase_id"], clicks[n][0]) for n in range(len(clicks)) if n % 4]
    steps = ["confirm", "decline", "confirm"]
    resolved = await asyncio.gather(
        *(world.resolve(steps[n % 3], purchase, partner=shop) for n, purchase, shop in bought),
        world.resolve("confirm", bought[0][1], partner=shops[(shops.index(bought[0][2]) + 1) % 3]),
    )
    assert [answer.status_code for answer in resolved] == [200] * len(bought) + [404]
    async with database.sessions() as session:
        rows = await session.execute(
            sa.text(
                "select convert_from(payload, 'UTF8')::jsonb ->> 'amount' as amount,"
                " headers ->> 'traceparent' as trace from outbox"
                " where headers ->> 'ce_type' = 'cashback.purchase_reported.v1'"
            )
        )
        seen = {int(row.amount) - 100_000: row.trace.split("-")[1] for row in rows}
        foreign = await session.scalar(
            sa.text("select count(*) from outbox where topic like 'partner.%' and headers ? 'traceparent'")
        )
    assert seen == {n: traces[n] for n, *_ in bought}
    assert foreign == 0
