"""A row read with a lock is the row as it is, whatever the session had seen of it before."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.db import Database
from tests.kernel.toy import Counter

Lock = Callable[[AsyncSession, UUID], Awaitable[Any]]


async def by_id(session: AsyncSession, counter: UUID) -> Counter | None:
    return await session.get(Counter, counter, with_for_update=True)


async def by_select(session: AsyncSession, counter: UUID) -> Counter | None:
    return await session.scalar(sa.select(Counter).where(col(Counter.counter_id) == counter).with_for_update())


@pytest.mark.parametrize("lock", [by_id, by_select])
async def test_a_lock_shows_what_others_did_and_keeps_what_we_did(database: Database, lock: Lock) -> None:
    counter = uuid7()
    async with database.sessions.begin() as session:
        session.add(Counter(counter_id=counter, name="counter", value=0, version=1))
    async with database.sessions.begin() as session:
        seen = await session.get_one(Counter, counter)
        async with database.sessions.begin() as other:
            await other.execute(sa.text("update counter set value = 1, version = 2"))
        locked = await lock(session, counter)
        assert locked is seen
        assert (seen.value, seen.version) == (1, 2)
        seen.name = "changed by us"
        await lock(session, counter)
    async with database.sessions() as session:
        assert (await session.get_one(Counter, counter)).name == "changed by us"
