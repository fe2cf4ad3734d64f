"""Long work: leased, resumed, fenced; seen by who asked for it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from common.app import Service
from common.auth import Principal, Role
from common.db import Database
from common.jobs import Job, LeaseLost, Running, Workshop, enqueue, purge_files
from common.settings import Settings
from common.testing import Client, TestIssuer, eventually
from tests.kernel.toy import Applied, add_up

ASKER = Principal("asker", frozenset({Role.PRIMARY_STAFF}))


async def ask(database: Database, numbers: bytes = b"1 2 3", kind: str = "sum") -> UUID:
    async with database.sessions.begin() as session:
        return await enqueue(session, kind, {}, ASKER, files={"numbers.txt": (numbers, "text/plain")})


async def row_of(database: Database, job_id: UUID) -> Any:
    async with database.sessions() as session:
        return (await session.execute(sa.text("select * from job where job_id = :id"), {"id": job_id})).one()


async def added(database: Database, job_id: UUID) -> list[int]:
    async with database.sessions() as session:
        statement = sa.select(col(Applied.version)).where(col(Applied.counter_id) == job_id)
        return list(await session.scalars(statement.order_by(col(Applied.applied_id))))


async def test_a_job_is_asked_for_done_and_told_of(
    client: Client, issuer: TestIssuer, work: Callable[[], Awaitable[None]]
) -> None:
    asker = issuer.bearer("primary_staff", sub="asker")
    asked = await client.post("/v1/sums", headers=asker)
    assert asked.status_code == 202
    address = f"/v1/jobs/{asked.json()['job_id']}"
    queued = (await client.get(address, headers=asker)).json()
    assert (queued["state"], queued["done"], queued["result"]) == ("queued", 0, None)
    await work()
    done = (await client.get(address, headers=asker)).json()
    assert (done["state"], done["done"], done["total"], done["result"]) == ("done", 3, 3, {"sum": 6})
    file = await client.get(f"{address}/files/sum.txt", headers=asker)
    assert (file.content, file.headers["content-type"]) == (b"6", "text/plain; charset=utf-8")
    assert [job["job_id"] for job in (await client.get("/v1/jobs", headers=asker)).json()["items"]] == [
        asked.json()["job_id"]
    ]


async def test_a_job_is_seen_by_its_asker_and_by_federal_staff_alone(
    client: Client, issuer: TestIssuer, database: Database
) -> None:
    job_id = await ask(database)
    for headers, status in (
        (issuer.bearer("primary_staff", sub="asker"), 200),
        (issuer.bearer("federal_staff", sub="somebody"), 200),
        (issuer.bearer("regional_staff", sub="somebody"), 404),
        (issuer.bearer("member", sub="somebody"), 404),
        ({}, 401),
    ):
        assert (await client.get(f"/v1/jobs/{job_id}", headers=headers)).status_code == status
        assert (await client.get(f"/v1/jobs/{job_id}/files/numbers.txt", headers=headers)).status_code == status
    others = await client.get("/v1/jobs", headers=issuer.bearer("regional_staff", sub="somebody"))
    assert others.json()["items"] == []


async def test_files_of_a_private_kind_are_not_given_out_by_the_kernel(
    client: Client, issuer: TestIssuer, database: Database
) -> None:
    job_id = await ask(database, kind="secret")
    answer = await client.get(f"/v1/jobs/{job_id}/files/numbers.txt", headers=issuer.bearer("federal_staff"))
    assert answer.status_code == 404


async def test_a_refused_job_says_why(database: Database, work: Callable[[], Awaitable[None]]) -> None:
    job_id = await ask(database, b"1 -2 3")
    await work()
    row = await row_of(database, job_id)
    assert (row.state, row.code) == ("failed", "value_refused")
    assert row.detail.startswith("A negative number")
    assert await added(database, job_id) == [1]


async def test_our_own_mistake_is_a_failure_without_its_text(
    database: Database, work: Callable[[], Awaitable[None]]
) -> None:
    job_id = await ask(database, b"1 Ivanova")
    await work()
    row = await row_of(database, job_id)
    assert (row.state, row.code) == ("failed", "internal_error")
    assert "Ivanova" not in row.detail


async def test_a_job_whose_worker_died_goes_on_from_its_checkpoint(
    service: Service, database: Database, settings: Settings
) -> None:
    """The first worker dies after the second number; its lease runs out and the next one goes on with the third."""
    job_id = await ask(database)

    class Killed(BaseException):
        pass

    async def dies(job: Running) -> dict[str, Any]:
        kept = job.checkpoint

        async def checkpoint(state: dict[str, Any], session: Any = None) -> None:
            await kept(state, session)
            if state["place"] == 3:
                raise Killed

        job.checkpoint = checkpoint  # type: ignore[method-assign]
        return await add_up(job)

    short = settings.model_copy(update={"job_lease_seconds": 0.2})
    with pytest.raises(Killed):
        await Workshop([Job("sum", dies)], database, short).do_next()
    assert await added(database, job_id) == [1, 2]
    successor = Workshop(service.jobs, database, settings)
    await eventually(successor.do_next)
    assert await added(database, job_id) == [1, 2, 3]
    row = await row_of(database, job_id)
    assert (row.state, row.attempts, row.result) == ("done", 2, {"sum": 6})


async def test_what_lost_its_lease_writes_nothing_more(database: Database, settings: Settings) -> None:
    job_id = await ask(database)
    lost: list[Running] = []

    async def steps_aside(job: Running) -> dict[str, Any]:
        lost.append(job)
        async with database.sessions.begin() as session:
            await session.execute(
                sa.text("update job set attempts = attempts + 1 where job_id = :id"), {"id": job_id}
            )
        return {}

    await Workshop([Job("sum", steps_aside)], database, settings).do_next()
    row = await row_of(database, job_id)
    assert (row.state, row.result) == ("running", None)

    async def writes_late() -> None:
        async with database.sessions.begin() as session:
            session.add(Applied(counter_id=job_id, version=9))
            await session.flush()
            await lost[0].hold(session)

    with pytest.raises(LeaseLost):
        await writes_late()
    assert await added(database, job_id) == []


async def test_a_job_that_kills_every_worker_is_given_up(
    service: Service, database: Database, settings: Settings
) -> None:
    job_id = await ask(database)
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text("update job set state = 'running', attempts = 5, leased_until = now() - interval '1 second'")
        )
    assert await Workshop(service.jobs, database, settings).do_next()
    row = await row_of(database, job_id)
    assert (row.state, row.code) == ("failed", "job_given_up")


async def test_files_are_forgotten_after_their_days(database: Database) -> None:
    old, new = await ask(database), await ask(database)
    async with database.sessions.begin() as session:
        aged = sa.text("update job_file set created_at = :then where job_id = :id")
        await session.execute(aged, {"then": datetime.now(UTC) - timedelta(days=8), "id": old})
        await purge_files(session, 7)
        left = list(await session.scalars(sa.text("select job_id from job_file")))
    assert left == [new]
