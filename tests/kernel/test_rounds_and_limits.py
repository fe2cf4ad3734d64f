"""What happens when time passes, how often a caller may ask, and powers that end with the term."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import ASGITransport
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal, Role, second_person
from common.db import Database
from common.errors import SecondPersonNeeded
from common.limits import Bucket
from common.rounds import Clockwork, Errand, Round, run_round
from common.settings import Settings
from common.testing import Client, TestIssuer, eventually
from tests.kernel.toy import service

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


async def noted(database: Database) -> int:
    async with database.sessions() as session:
        return int((await session.execute(sa.text("select count(*) from refused_value"))).scalar_one())


async def test_a_round_runs_when_it_is_due_and_not_before(
    database: Database, pass_time: Callable[[datetime], Awaitable[None]]
) -> None:
    for minutes, count in ((0, 1), (30, 1), (59, 1), (60, 2), (61, 2), (180, 3)):
        await pass_time(NOON + timedelta(minutes=minutes))
        assert await noted(database) == count


async def test_of_many_workers_one_runs_it(database: Database, settings: Settings) -> None:
    [a_round] = service.rounds
    ran = await asyncio.gather(*(run_round(database, settings, a_round, NOON) for _ in range(6)))
    assert sum(ran) == 1
    assert await noted(database) == 1


async def test_a_failed_round_leaves_nothing_and_is_due_still(database: Database, settings: Settings) -> None:
    async def fails(session: object, now: datetime, settings: object) -> None:
        await service.rounds[0].run(session, now, settings)  # type: ignore[arg-type]
        raise ValueError

    with pytest.raises(ValueError):
        await run_round(database, settings, Round("note_the_hour", timedelta(hours=1), fails), NOON)
    assert await noted(database) == 0
    assert await run_round(database, settings, service.rounds[0], NOON)


async def test_every_worker_tells_what_the_round_of_one_of_them_left(
    database: Database, settings: Settings
) -> None:
    """The second worker comes when the round is not due any more."""
    for _ in range(2):
        heard = asyncio.Event()

        async def tell(session: AsyncSession, heard: asyncio.Event = heard) -> None:
            if await session.scalar(sa.text("select count(*) from refused_value")) == 1:
                heard.set()

        daily = Round("note_the_hour", timedelta(days=1), service.rounds[0].run, tell)
        worker = Clockwork([daily], database, settings)
        worker.start()
        try:
            await asyncio.wait_for(heard.wait(), 30)
        finally:
            await worker.stop()


def test_a_bucket_gives_so_many_at_once_and_as_many_again_in_its_time() -> None:
    bucket = Bucket(times=3, seconds=60)
    assert [bucket.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 20]
    assert bucket.take("b", 0.0) == 0
    assert bucket.take("a", 19.0) == pytest.approx(1)
    assert bucket.take("a", 20.0) == 0
    assert [bucket.take("a", 1000.0) for _ in range(4)] == [0, 0, 0, 20]


async def test_who_asks_too_often_is_told_when_to_come_again(client: Client, issuer: TestIssuer) -> None:
    answers = [await client.get("/v1/guesses") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refusal = answers[-1]
    assert refusal.json()["code"] == "too_many_requests"
    assert 1 <= int(refusal.headers["retry-after"]) <= 20
    known = await client.get("/v1/guesses", headers=issuer.bearer("member", sub="another"))
    assert known.status_code == 200


async def test_operators_set_other_limits_by_name(settings: Settings, database: Database) -> None:
    from common.app import build_api

    app: FastAPI = build_api(
        service, settings.model_copy(update={"rate_limits": {"guesses": (1, 60.0)}}), database
    )
    async with Client(transport=ASGITransport(app), base_url="http://service") as client:
        assert [(await client.get("/v1/guesses")).status_code for _ in range(2)] == [200, 429]


async def test_powers_end_with_the_last_day_of_the_term(client: Client, issuer: TestIssuer) -> None:
    today = datetime.now(UTC).date()
    for last_day, status in ((today + timedelta(days=1), 200), (today, 200), (today - timedelta(days=1), 403)):
        headers = issuer.bearer("primary_staff", powers_until=last_day)
        for _ in range(2):  # verified, then remembered
            assert (await client.get("/v1/counters", headers=headers)).status_code == status


def test_a_remembered_token_loses_its_powers_overnight() -> None:
    chair = Principal("chair", frozenset({Role.PRIMARY_STAFF, Role.MEMBER}), powers_until=NOON.date())
    assert chair.on(NOON.date()).roles == chair.roles
    assert chair.on(NOON.date() + timedelta(days=1)).roles == {Role.MEMBER}


def test_four_eyes_are_of_two_people() -> None:
    second_person(Principal("second", frozenset()), "first")
    with pytest.raises(SecondPersonNeeded):
        second_person(Principal("first", frozenset()), "first")


async def test_errands_are_run_again_and_again_outside_of_a_transaction_and_a_failed_one_too(
    database: Database, settings: Settings
) -> None:
    done: list[str] = []

    async def asks(_database: Database, _now: datetime, _settings: Settings) -> None:
        async with database.sessions() as session:
            open_ones = await session.scalar(
                sa.text(
                    "select count(*) from pg_stat_activity where datname = current_database()"
                    " and pid <> pg_backend_pid() and state like 'idle in transaction%'"
                )
            )
        done.append(f"{open_ones} open")

    async def fails(_database: Database, _now: datetime, _settings: Settings) -> None:
        done.append("failed")
        raise ValueError

    often = timedelta(milliseconds=1)
    clockwork = Clockwork([], database, settings, [Errand("asks", often, asks), Errand("fails", often, fails)])
    clockwork.start()

    async def thrice() -> bool:
        return done.count("0 open") >= 3

    await eventually(thrice)
    assert clockwork.alive
    await clockwork.stop()
    assert done.count("failed") == 1, "it is tried again after a pause"
