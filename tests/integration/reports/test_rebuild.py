"""`union rebuild reports`: damage is told by the dry run, and afterwards every figure is what it was, to the digit."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer

from common.app import Service
from common.db import Database
from common.events.cards import CardIssued
from common.parking import Record
from common.rebuild import Difference, rebuild
from common.settings import Settings
from common.testing import Client, TestIssuer, record_of
from common.topics import provision
from reports import tallies
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import FIRST_RECORDED, History, random_union
from tests.integration.reports.test_consuming import contents

REPORTED = ("2020-01-01", "2021-01-01")
MOMENTS = (
    {"as_of": "2020-07-01"},
    {"as_of": "2021-01-01"},
    {"as_of": "2021-01-01", "known_at": "2019-06-02T00:00:00Z"},
)
DAMAGE = (
    "delete from member_fact where version % 2 = 0",
    "update member_fact set effective_on = effective_on + 400, joined_on = joined_on + 400 where version = 1",
    "update member_fact set holds_until = holds_until - 30",
    "delete from organisation_fact where version > 1",
    "update organisation_fact set holds_until = '2020-03-03'",
    "update office_fact set holds_from = '2020-03-03', holds_until = '2020-03-04', released = not released",
    "update member set status = 'left' where member_id in (select member_id from member where status = 'member'"
    " order by 1 limit 2)",
    "delete from member where member_id in (select member_id from member order by 1 desc limit 1)",
    "delete from card",
    "update tally set value = value + 7",
)


@pytest.fixture
def extra_settings(kafka_bootstrap: str) -> dict[str, Any]:
    return {"kafka_bootstrap": kafka_bootstrap, "kafka_idempotent": False, "kafka_fetch_wait_ms": 20}


async def send(settings: Settings, records: Sequence[Record]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send(record.topic, record.payload, record.raw_key, headers=list(record.headers))
        await producer.flush()
    finally:
        await producer.stop()


async def figures(client: Client, headers: dict[str, str], nodes: Sequence[UUID]) -> dict[Any, Any]:
    """Of every node every statistic of some days, also as known earlier, and its counters."""
    found: dict[Any, Any] = {}
    for node in nodes:
        for moment in MOMENTS:
            asked = {"organisation_id": str(node), **moment}
            answer = await client.get("/v1/statistics", params=asked, headers=headers)
            found[node, *moment.values()] = answer.json()
        cockpit = await client.get(
            f"/v1/organisations/{node}/cockpit", params={"as_of": REPORTED[-1]}, headers=headers
        )
        assert cockpit.status_code == 200
        found[node, "now"] = cockpit.json()
    return found


async def add_up(database: Database) -> None:
    async with database.sessions.begin() as session:
        await tallies.add_up(session, datetime.now(UTC), None)


async def rebuilt(service: Service, database: Database, settings: Settings, **how: Any) -> dict[str, Difference]:
    seen: list[tuple[int, int]] = []
    subscriptions = service.subscriptions(settings)
    done = await rebuild(
        subscriptions, database, settings, lambda *at: seen.append(at), derived=service.derived, **how
    )
    # What the progress bar shows: it ends with everything read.
    assert seen[-1] == (done.records, done.records)
    assert done.records > 0
    return {difference.table: difference for difference in done.differences}


async def test_damaged_projections_are_told_and_put_right_to_the_digit(
    client: Client,
    issuer: TestIssuer,
    deliver_all: DeliverAll,
    database: Database,
    service: Service,
    settings: Settings,
) -> None:
    history = rich_union()
    nodes = [told.event.organisation_id for told in history.told if told.event.event_type.endswith("created.v1")]  # type: ignore[attr-defined]
    records = [*history.records(), *cards_of(history)]
    await provision(settings, [s.topic for s in service.subscriptions(settings)])
    await send(settings, records)
    await deliver_all(records)
    await add_up(database)
    headers = issuer.bearer("federal_staff")
    for day in REPORTED:
        run = await client.post("/v1/report-runs", json={"as_of": day}, headers=headers)
        assert run.status_code == 201, run.text
    await add_up(database)
    before = await figures(client, headers, nodes)

    sound = await rebuilt(service, database, settings, dry_run=True)
    assert [difference for difference in sound.values() if not difference.same] == []

    async with database.sessions.begin() as session:
        for statement in DAMAGE:
            done = await session.execute(sa.text(statement))
            assert done.rowcount > 0, statement  # type: ignore[attr-defined]
    await add_up(database)
    damaged = await figures(client, headers, nodes)
    assert sum(damaged[key] != before[key] for key in before) > len(before) / 2

    wrong = await contents(database)
    told = await rebuilt(service, database, settings, dry_run=True)
    assert await contents(database) == wrong
    assert (told["member"].missing, told["member"].differing) == (1, 2)
    assert told["card"].missing == told["card"].rebuilt > 0
    assert all(told[f"{name}_fact"].missing for name in ("member", "organisation"))
    assert told["office_fact"].differing
    assert all(told[f"{name}_fact: intervals"].differing for name in ("member", "organisation", "office"))

    mended = await rebuilt(service, database, settings)
    assert mended["tally"].differing > 0
    await add_up(database)
    assert await figures(client, headers, nodes) == before
    for day in REPORTED:
        again = (await client.post("/v1/report-runs", json={"as_of": day}, headers=headers)).json()
        assert (again["formed"], again["unchanged"] > 0) == (0, True)


async def test_pruned_rows_leave_no_trace_in_intervals_and_counters(
    client: Client,
    issuer: TestIssuer,
    deliver_all: DeliverAll,
    database: Database,
    service: Service,
    settings: Settings,
) -> None:
    """What no owner tells of: a transfer of a member, and a member, from a registry that lost its last hours."""
    history, _ = random_union(random.Random(4))
    school = history.organisation("primary", next(iter(history.states)))
    member = history.member(school)
    await provision(settings, [s.topic for s in service.subscriptions(settings)])
    kept = history.records()
    await send(settings, kept)
    await deliver_all(kept)
    await add_up(database)
    headers = issuer.bearer("federal_staff")
    before = await figures(client, headers, [school])

    history.transfer(member, next(iter(history.states)), history.told[-1].event.effective_on)
    for category in ("student", "pensioner"):
        history.member(school, category=category)
    await deliver_all(history.records()[len(kept) :])
    await add_up(database)
    assert await figures(client, headers, [school]) != before
    found = await rebuilt(service, database, settings, prune=True)
    assert found["member_fact"].extra == 3
    assert await figures(client, headers, [school]) == before


def rich_union() -> History:
    """A year and a half in which much happens: members, transfers, offices, moves, in one region."""
    history, region = random_union(random.Random(11))
    school = history.organisation("primary", region, institution_type="school", employed=30)
    other = history.organisation("primary", region, institution_type="school", employed=20)
    members = [history.member(school) for _ in range(4)]
    day = datetime(2020, 6, 1, tzinfo=UTC).date()
    history.transfer(members[0], other, day)
    history.change_member(members[1], day, category="pensioner")
    history.end(members[2], day)
    history.change_organisation(school, day, employed=31)
    term = history.take_office(school, members[1], "chair", day, datetime(2025, 6, 1, tzinfo=UTC).date())
    history.change_office(term, datetime(2020, 9, 1, tzinfo=UTC).date(), released=True)
    return history


def cards_of(history: History) -> list[Record]:
    return [
        record_of(
            CardIssued(
                card_id=uuid4(),
                member_id=state["member_id"],
                form="virtual",
                status="active",
                reason=None,
                expires_on="2030-01-01",
                effective_on=FIRST_RECORDED.date(),
                version=1,
            )
        )
        for state in history.states.values()
        if "joined_on" in state
    ]
