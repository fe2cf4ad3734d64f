"""Payouts, what happens to them after refunds, and balances that nobody may claim any more."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from cashback.commands import expiry
from common.db import Database
from common.events.cashback import CashbackExpired, PayoutFailed, PayoutRequested, PayoutSettled

pytestmark = pytest.mark.usefixtures("sound")

Refusal = Callable[..., tuple[int, str]]
Published = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


@pytest.fixture
async def member_id(world: Any, campaign_id: UUID) -> UUID:
    """A participant with 5000 kopecks available."""
    member_id: UUID = await world.participant()
    await world.earned(member_id, campaign_id)
    return member_id


async def paid_out(world: Any, member_id: UUID, amount: int) -> str:
    payout_id = (await world.pay_out(member_id, amount)).json()["payout_id"]
    assert (await world.bank("settle", payout_id)).status_code == 200
    return str(payout_id)


async def test_a_payout_is_set_aside_and_then_settled(world: Any, member_id: UUID, published: Published) -> None:
    payout = (await world.pay_out(member_id, 3000)).json()
    assert (payout["status"], payout["requested_on"], payout["version"]) == ("requested", "2021-05-01", 1)
    assert await world.balance(member_id) == {"pending": 0, "available": 2000, "in_payout": 3000, "owed": 0}
    settled = (await world.bank("settle", payout["payout_id"])).json()
    assert (settled["status"], settled["resolved_on"], settled["version"]) == ("settled", "2021-05-03", 2)
    assert await world.balance(member_id) == {"pending": 0, "available": 2000, "in_payout": 0, "owed": 0}
    assert await world.trial() == {"partner_receivable": -5000, "member_available": 2000, "bank": 3000}
    [requested], [done] = await published(PayoutRequested), await published(PayoutSettled)
    assert (requested.version, done.version, done.amount, done.status) == (1, 2, 3000, "settled")


async def test_a_failed_payout_is_available_again(world: Any, member_id: UUID, published: Published) -> None:
    payout = (await world.pay_out(member_id, 3000)).json()
    failed = (await world.bank("fail", payout["payout_id"], reason="счёт закрыт")).json()
    assert (failed["status"], failed["reason"]) == ("failed", "счёт закрыт")
    assert await world.balance(member_id) == {"pending": 0, "available": 5000, "in_payout": 0, "owed": 0}
    assert [event.status for event in await published(PayoutFailed)] == ["failed"]


async def test_a_payout_is_resolved_once(world: Any, member_id: UUID, refusal: Refusal) -> None:
    payout_id = await paid_out(world, member_id, 3000)
    assert refusal(await world.bank("settle", payout_id)) == (409, "payout_already_resolved")
    assert refusal(await world.bank("fail", payout_id, reason="x")) == (409, "payout_already_resolved")


async def test_a_payout_needs_the_minimum_and_the_money(world: Any, member_id: UUID, refusal: Refusal) -> None:
    assert refusal(await world.pay_out(member_id, 999)) == (409, "payout_below_minimum")
    assert refusal(await world.pay_out(member_id, 5001)) == (409, "balance_too_small")
    assert refusal(await world.pay_out(member_id, 5000, on="2035-01-01")) == (422, "date_in_future")
    assert (await world.pay_out(member_id, 5000)).status_code == 201
    assert refusal(await world.pay_out(await world.member(), 1000)) == (409, "balance_too_small")


async def test_the_bank_answers_after_it_was_asked(world: Any, member_id: UUID, refusal: Refusal) -> None:
    payout_id = (await world.pay_out(member_id, 3000)).json()["payout_id"]
    early = await world.bank("settle", payout_id, on="2021-04-30")
    assert refusal(early) == (422, "date_before_cause")
    assert refusal(await world.bank("settle", str(member_id))) == (404, "not_found")


async def test_a_refund_after_the_payout_is_owed_and_netted_from_what_comes_next(
    world: Any, member_id: UUID, campaign_id: UUID
) -> None:
    await paid_out(world, member_id, 5000)
    [purchase] = (await world.client.get("/v1/purchases", headers=world.as_partner())).json()["items"]
    await world.resolve("refund", purchase["purchase_id"], reference="R1", amount=100_000)
    assert await world.balance(member_id) == {"pending": 0, "available": 0, "in_payout": 0, "owed": 5000}
    assert await world.trial() == {"member_clawback": -5000, "bank": 5000}
    await world.earned(member_id, campaign_id, 60_000)
    assert await world.balance(member_id) == {"pending": 0, "available": 0, "in_payout": 0, "owed": 2000}
    await world.earned(member_id, campaign_id, 60_000)
    assert await world.balance(member_id) == {"pending": 0, "available": 1000, "in_payout": 0, "owed": 0}


async def test_a_refund_takes_first_what_is_available(world: Any, member_id: UUID) -> None:
    await paid_out(world, member_id, 4000)
    [purchase] = (await world.client.get("/v1/purchases", headers=world.as_partner())).json()["items"]
    await world.resolve("refund", purchase["purchase_id"], reference="R1", amount=40_000)
    assert await world.balance(member_id) == {"pending": 0, "available": 0, "in_payout": 0, "owed": 1000}


async def test_a_payout_that_fails_pays_what_is_owed_first(world: Any, member_id: UUID) -> None:
    payout_id = (await world.pay_out(member_id, 4000)).json()["payout_id"]
    [purchase] = (await world.client.get("/v1/purchases", headers=world.as_partner())).json()["items"]
    await world.resolve("refund", purchase["purchase_id"], reference="R1", amount=60_000)
    assert await world.balance(member_id) == {"pending": 0, "available": 0, "in_payout": 4000, "owed": 2000}
    await world.bank("fail", payout_id, reason="счёт закрыт")
    assert await world.balance(member_id) == {"pending": 0, "available": 2000, "in_payout": 0, "owed": 0}


async def test_who_has_left_is_paid_until_a_day_and_then_the_balance_expires(
    world: Any, member_id: UUID, database: Database, refusal: Refusal
) -> None:
    await world.leaves(member_id, "2021-06-01")
    balance = (await world.client.get("/v1/balance", headers=world.as_member(member_id))).json()
    assert balance["payable_until"] == "2022-06-01"
    assert (await world.pay_out(member_id, 2000, on="2022-06-01")).status_code == 201
    assert refusal(await world.pay_out(member_id, 2000, on="2022-06-02")) == (409, "no_longer_payable")

    async def expire(on: str) -> int:
        async with database.sessions.begin() as session:
            return await expiry.expire_balances(session, date.fromisoformat(on), 365)

    assert await expire("2022-06-01") == 0
    assert [await expire("2022-06-02"), await expire("2022-06-02")] == [1, 0]
    assert (await world.trial())["expired"] == 3000
    assert (await world.balance(member_id))["available"] == 0


async def test_participants_balances_never_expire(world: Any, member_id: UUID, database: Database) -> None:
    async with database.sessions.begin() as session:
        assert await expiry.expire_balances(session, date(2099, 1, 1), 0) == 0


async def test_what_nobody_asked_for_in_time_expires_and_the_newest_stays(
    world: Any, campaign_id: UUID, database: Database, published: Any
) -> None:
    """What went out took the oldest first."""
    member_id = await world.participant()
    for amount, on in ((100_000, "2021-04-01"), (60_000, "2021-06-01")):
        purchase = await world.bought(member_id, campaign_id, amount)
        assert (await world.resolve("confirm", purchase, on=on)).status_code == 200
    assert (await world.pay_out(member_id, 2000, on="2021-06-10")).status_code == 201

    async def expire(on: str) -> int:
        async with database.sessions.begin() as session:
            return (await expiry.expire_unused(session, date.fromisoformat(on), 365))[0]

    assert await expire("2022-04-01") == 0
    assert [await expire("2022-04-02"), await expire("2022-04-02")] == [1, 0]
    assert (await world.balance(member_id))["available"] == 3000
    [event] = await published(CashbackExpired)
    assert (event.member_id, event.amount, event.reason, event.version) == (member_id, 3000, "unused", 2)


async def test_the_worker_expires_by_its_settings(
    world: Any, member_id: UUID, published: Any, pass_time: Any
) -> None:
    await world.leaves(member_id, "2021-06-01")
    await pass_time(datetime(2022, 6, 1, 12, tzinfo=UTC))
    assert await published(CashbackExpired) == []
    await pass_time(datetime(2022, 6, 2, 12, tzinfo=UTC))
    [event] = await published(CashbackExpired)
    assert (event.amount, event.reason, event.status) == (5000, "participation_ended", "ended")
