"""Two at the same card or batch: the second sees what the first has done."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cards import commands
from common.db import Database
from common.testing import Client, TestIssuer, eventually
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region


async def while_it_waits(database: Database, waiting: Awaitable[Any]) -> Any:
    """Start what will wait for a lock, and give its task once it does."""
    task = asyncio.ensure_future(waiting)

    async def waits() -> bool:
        async with database.sessions() as session:
            return bool(await session.scalar(sa.text("select exists (select from pg_locks where not granted)")))

    await eventually(waits, timeout=10)
    return task


async def test_a_card_is_blocked_once(
    client: Client,
    issuer: TestIssuer,
    database: Database,
    region: Region,
    deliver: Deliver,
    cards_of: CardsOf,
    published: Published,
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted())
    [card] = await cards_of(anna)
    holder = issuer.bearer("member", member_id=anna.member_id)
    async with database.sessions.begin() as session:
        await commands.block_card(session, card.card_id, "stolen", "office", datetime.now(UTC))
        await session.flush()
        late = await while_it_waits(
            database, client.post(f"/v1/cards/{card.card_id}/block", json={"reason": "lost"}, headers=holder)
        )
    answer = await late
    assert (answer.status_code, answer.json()["code"]) == (409, "card_step_not_allowed")
    [card] = await cards_of(anna)
    assert (card.reason, card.version) == ("stolen", 2)
    assert [event.version for event in await published()] == [1, 2]


async def test_a_batch_takes_each_step_once(
    client: Client,
    issuer: TestIssuer,
    database: Database,
    region: Region,
    deliver: Deliver,
    published: Published,
) -> None:
    await deliver(Person(region.school).admitted())
    staff = issuer.bearer("federal_staff")
    order = {"organisation_id": str(region.school)}
    batch = (await client.post("/v1/plastic-batches", json=order, headers=staff)).json()["batch_id"]
    await client.post(f"/v1/plastic-batches/{batch}/approve", headers=issuer.bearer("federal_staff", sub="second"))
    async with database.sessions.begin() as session:
        await commands.send_batch(session, UUID(batch), datetime.now(UTC))
        await session.flush()
        late = await while_it_waits(database, client.post(f"/v1/plastic-batches/{batch}/send", headers=staff))
    answer = await late
    assert (answer.status_code, answer.json()["code"]) == (409, "batch_step_not_allowed")
    steps = [event for event in await published() if getattr(event, "batch_id", None) == UUID(batch)]
    assert len([event for event in steps if event.event_type.startswith("cards.plastic_batch_sent")]) == 1
