"""Group commit: many requests in one transaction, each with its own answer, its own refusal, its own failure."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from fastapi import Response
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from common.db import Database, fetch
from common.errors import BusinessError, IdempotencyConflict
from common.idempotency import Claim
from common.testing import eventually
from common.together import Together
from tests.kernel.toy import ValueRefused

REFUSED, BREAKS_AT_COMMIT = 13, 666
_ADD = """
    insert into counter (counter_id, name, value, version)
    select u, 'x', v, 1 from unnest($1::uuid[], $2::int[]) as t(u, v)
"""


def claim(key: str | None = None, digest: bytes = b"same", subject: str = "shop") -> Claim:
    return Claim(subject, key or str(uuid4()), digest)


class Counters:
    """The work: adds counters; 13 is refused by a rule, 666 by the database when the transaction commits."""

    def __init__(self, database: Database) -> None:
        self.groups: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.together: Together[tuple[UUID, int], int] = Together(database, self.add)

    async def add(self, session: AsyncSession, asked: Sequence[tuple[UUID, int]]) -> Sequence[int | BusinessError]:
        self.groups.append(len(asked))
        await self.gate.wait()
        taken = [(key, value) for key, value in asked if value != REFUSED]
        await fetch(session, _ADD, [key for key, _ in taken], [value for _, value in taken])
        return [ValueRefused("Not this one.") if value == REFUSED else value for _, value in asked]

    def ask(
        self, value: int, given: Claim | None = None, counter_id: UUID | None = None
    ) -> asyncio.Task[Response]:
        question = (counter_id or uuid4(), value)
        asked = self.together.ask(given or claim(), question, lambda n: Response(str(n), 201, {"etag": f'"{n}"'}))
        return asyncio.create_task(asked)


@pytest.fixture
def counters(database: Database) -> Counters:
    return Counters(database)


@pytest.fixture
async def breaks_at_commit(database: Database) -> None:
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text(
                "create function refuse_666() returns trigger language plpgsql as $$ begin"
                " raise exception 'no' using errcode = 'check_violation'; end $$"
            )
        )
        await session.execute(
            sa.text(
                "create constraint trigger late after insert on counter deferrable initially deferred"
                f" for each row when (new.value = {BREAKS_AT_COMMIT}) execute function refuse_666()"
            )
        )


async def values(database: Database) -> list[int]:
    async with database.sessions() as session:
        return list((await session.scalars(sa.text("select value from counter order by value"))).all())


async def keys(database: Database) -> int:
    async with database.sessions() as session:
        return int(await session.scalar(sa.text("select count(*) from idempotency_key")) or 0)


async def test_who_waits_goes_together_and_each_gets_its_own_answer(
    counters: Counters, database: Database
) -> None:
    answers = await asyncio.gather(*(counters.ask(value) for value in range(1, 12)))
    assert [(answer.status_code, answer.body) for answer in answers] == [(201, b"%d" % n) for n in range(1, 12)]
    assert await values(database) == list(range(1, 12))
    assert len(counters.groups) <= 3, counters.groups
    assert await keys(database) == 11


async def test_who_comes_alone_goes_at_once(counters: Counters) -> None:
    assert (await counters.ask(1)).body == b"1"
    assert counters.groups == [1]


async def test_a_refused_one_changes_nothing_leaves_no_claim_and_stops_no_other(
    counters: Counters, database: Database
) -> None:
    mine = claim()
    answers = await asyncio.gather(
        counters.ask(1), counters.ask(REFUSED, mine), counters.ask(2), return_exceptions=True
    )
    assert [isinstance(answer, ValueRefused) for answer in answers] == [False, True, False]
    assert (await values(database), await keys(database)) == ([1, 2], 2)
    assert (await counters.ask(3, mine)).body == b"3", "it may be corrected and sent again under its key"


@pytest.mark.usefixtures("breaks_at_commit")
async def test_what_breaks_at_the_commit_fails_alone(counters: Counters, database: Database) -> None:
    wanted = [1, 2, BREAKS_AT_COMMIT, 3, 4, 5]
    answers = await asyncio.gather(*(counters.ask(value) for value in wanted), return_exceptions=True)
    assert [isinstance(answer, IntegrityError) for answer in answers] == [n == BREAKS_AT_COMMIT for n in wanted]
    assert (await values(database), await keys(database)) == ([1, 2, 3, 4, 5], 5)


async def test_of_two_that_exclude_each_other_one_is_done(counters: Counters, database: Database) -> None:
    same = uuid4()
    answers = await asyncio.gather(
        counters.ask(1, counter_id=same), counters.ask(2), counters.ask(3, counter_id=same), return_exceptions=True
    )
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == 1
    assert len(await values(database)) == 2


async def test_a_twin_at_the_same_moment_gets_the_first_answer_and_another_body_a_conflict(
    counters: Counters, database: Database
) -> None:
    mine = claim("my own key")
    other = claim("my own key", b"other")
    # Another caller's key of the same name is another key.
    stranger = claim("my own key", subject="another shop")
    first, twin, conflict, foreign = await asyncio.gather(
        counters.ask(1, mine),
        counters.ask(1, mine),
        counters.ask(2, other),
        counters.ask(3, stranger),
        return_exceptions=True,
    )
    assert isinstance(first, Response)
    assert isinstance(twin, Response)
    assert (first.body, twin.body) == (b"1", b"1")
    # Whichever was the first: the other has its answer.
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in (first, twin)) == ["", "true"]
    assert (first.headers["etag"], twin.headers["etag"]) == ('"1"', '"1"')
    assert isinstance(conflict, IdempotencyConflict)
    assert isinstance(foreign, Response)
    assert await values(database) == [1, 3]
    again = await counters.ask(1, mine)
    assert (again.body, again.headers["idempotency-replayed"]) == (b"1", "true")


async def test_nobody_is_answered_before_the_commit_and_who_hangs_up_disturbs_nobody(
    counters: Counters, database: Database
) -> None:
    counters.gate.clear()
    gone, stays = counters.ask(1), counters.ask(2)

    async def both_under_way() -> bool:
        return sum(counters.groups) == 2

    await eventually(both_under_way)
    assert not stays.done()
    gone.cancel()
    counters.gate.set()
    assert (await stays).body == b"2"
    assert await values(database) == [1, 2]
    assert (await counters.ask(3)).body == b"3"


async def test_when_the_database_refuses_service_everybody_is_told_at_once(
    counters: Counters, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        counters.groups.append(0)
        raise OSError("the database is away")

    monkeypatch.setattr(counters.together, "work", away)
    answers = await asyncio.gather(*(counters.ask(n) for n in range(8)), return_exceptions=True)
    assert all(isinstance(answer, OSError) for answer in answers)
    assert len(counters.groups) <= 2, "no halves are tried against a database that is away"
    assert (await values(database), await keys(database)) == ([], 0)


async def test_a_statement_of_the_driver_is_within_the_sessions_transaction(database: Database) -> None:
    async with database.sessions() as session:
        await fetch(session, _ADD, [uuid4()], [1])
        await session.rollback()
    assert await values(database) == []
    async with database.sessions.begin() as session:
        await fetch(session, _ADD, [uuid4()], [1])
    assert await values(database) == [1]
    taken = uuid4()
    async with database.sessions() as session:
        with pytest.raises(IntegrityError):
            await fetch(session, _ADD, [taken, taken], [2, 3])
        await session.rollback()
        with pytest.raises(DBAPIError) as failure:
            await fetch(session, "select 1 / $1::int", 0)
        assert "1 / " not in str(failure.value.params)
    assert await values(database) == [1]
