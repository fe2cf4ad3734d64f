"""What the other services make of operations on the tree: the same numbers of every day, and the cards stay."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from common.app import build_api
from common.db import Database
from common.processing import Processor
from common.settings import Settings
from common.testing import Client, record_of
from reports.main import service as reports

DAYS = ("2021-03-01", "2021-05-31", "2021-06-01", "2021-07-15", "2021-12-31")


@pytest.fixture
async def follower(templates: Any, settings: Settings) -> AsyncIterator[tuple[FastAPI, Database]]:
    name = templates.copy(reports)
    its = reports.settings(database_url=templates.url(name), jwks_url=settings.jwks_url, topic_partitions=3)
    database = Database.connect(its)
    yield build_api(reports, its, database), database
    await database.close()
    templates.drop(reports, name)


@pytest.fixture
def follow(follower: Any, published: Any, settings: Settings) -> Callable[[], Awaitable[None]]:
    """The reports take all that the registry has published so far, in order."""
    _, database = follower
    processors = {s.topic.name: Processor(s, database) for s in reports.subscriptions(settings)}

    async def run() -> None:
        for event in await published():
            if event.topic.name in processors:
                await processors[event.topic.name].process([record_of(event)])

    return run


async def test_the_reports_count_every_day_as_the_registry_does(
    world: Any, done: Any, follow: Any, follower: Any
) -> None:
    app, database = follower
    group = await world.organisation("union_group", world.school)
    for organisation in (world.school, world.school, group, world.other, world.university):
        await world.member(organisation)
    await world.member(world.school, effective_on="2021-07-01")
    operation = {
        "operation": "merge",
        "organisation_id": str(world.school),
        "into_id": str(world.other),
        "effective_on": "2021-06-01",
        "reason": "Объединение школ",
    }
    path = "/v1/organisation-operations"
    merged = done(await world.client.post(path, json=operation, headers=world.federal), 201)
    part = {"new": {"code": "S1", "name": "ППО студентов"}, "rest": True}
    split = {**operation, "operation": "split", "organisation_id": str(world.university), "parts": [part]}
    split.pop("into_id")
    done(await world.client.post(path, json=split, headers=world.federal), 201)
    await follow()

    async def compare() -> list[int]:
        totals = []
        async with Client(transport=httpx.ASGITransport(app), base_url="http://reports") as client:
            for day in DAYS:
                for organisation in (world.root, world.town, world.school, world.other, world.university):
                    mine = await world.client.get(
                        f"/v1/organisations/{organisation}/counts", params={"as_of": day}, headers=world.federal
                    )
                    parameters = {"organisation_id": str(organisation), "as_of": day}
                    theirs = await client.get("/v1/statistics", params=parameters, headers=world.federal)
                    assert theirs.status_code == 200, theirs.text
                    total = done(mine)["members"]["total"]
                    assert theirs.json()["indicators"]["members"] == total, (day, organisation)
                    totals.append(total)
        return totals

    after = await compare()
    body = {"reason": "Ошибка"}
    undo = f"{path}/{merged['operation_id']}/undo"
    done(await world.client.post(undo, json=body, headers=world.federal), 201)
    await follow()
    assert await compare() != after
    async with database.sessions() as session:
        parked = await session.scalar(sa.text("select count(*) from parked_record"))
        newest = (await session.execute(sa.text("select organisation_id, count(*) from member group by 1"))).all()
    assert parked == 0
    assert {row[0]: row[1] for row in newest}[world.school] == 3
