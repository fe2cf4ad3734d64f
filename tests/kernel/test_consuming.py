"""Projections, effects, parking and tracing, record by record on a real database and a real broker."""

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from common import parking, telemetry
from common.app import build_worker
from common.db import Database
from common.parking import Parked, Record
from common.processing import Processor
from common.settings import Settings
from common.testing import Client, TestIssuer, eventually, record_of
from common.topics import provision
from tests.conftest import APACHE
from tests.kernel import toy
from tests.kernel.toy import COUNTERS, Counted, RefusedValue
from tests.kernel.world import Worker, counted, effects, projection, send_raw

CONSUMER = f"toy.{COUNTERS.name}"


def count(counter: UUID, version: int, value: int = 0) -> Counted:
    return Counted(counter_id=counter, value=value, version=version, effective_on=date(2021, 1, 1))


def garbage(counter: UUID, offset: int = 0) -> Record:
    good = record_of(count(counter, 1), offset)
    return Record(good.topic, good.partition, offset, good.raw_key, b"{not json", good.headers)


@pytest.fixture
def processor(settings: Settings, database: Database) -> Processor:
    return Processor(toy.subscriptions(settings)[0], database)


async def parked(database: Database) -> list[Parked]:
    async with database.sessions() as session:
        return await parking.parked_records(session)


async def refuse(database: Database, *values: int) -> None:
    async with database.sessions.begin() as session:
        await session.execute(sa.delete(RefusedValue))
        if values:
            await session.execute(insert(RefusedValue), [{"value": value} for value in values])


async def test_a_projection_takes_the_newest_state_whatever_the_order(
    processor: Processor, database: Database
) -> None:
    one, two = uuid7(), uuid7()
    await processor.process([record_of(e) for e in (count(one, 3, 30), count(two, 1, 1), count(one, 2, 20))])
    await processor.process([record_of(count(one, 1, 10)), record_of(count(two, 2, 2))])
    assert await projection(database) == {one: (30, 3), two: (2, 2)}


async def test_an_effect_happens_once_however_often_its_event_comes(
    processor: Processor, database: Database
) -> None:
    counter = uuid7()
    record = record_of(count(counter, 1))
    await processor.process([record, record])
    await processor.process([record])
    await asyncio.gather(*(processor.process([record]) for _ in range(4)))
    assert await effects(database) == {counter: [1]}


async def test_what_cannot_be_read_is_parked_and_later_ones_of_its_key_wait(
    processor: Processor, database: Database
) -> None:
    ill, well = uuid7(), uuid7()
    records = [
        record_of(count(ill, 1), 0),
        garbage(ill, 1),
        record_of(count(well, 1), 2),
        record_of(count(ill, 2), 3),
        record_of(count(well, 2), 4),
    ]
    await processor.process(records)
    await processor.process([record_of(count(ill, 3), 5), record_of(count(well, 3), 6)])
    assert await effects(database) == {ill: [1], well: [1, 2, 3]}
    shelf = await parked(database)
    assert [(p.code, p.record.offset) for p in shelf] == [
        ("unreadable", 1),
        (parking.WAITING, 3),
        (parking.WAITING, 5),
    ]
    assert "body" in shelf[0].reason
    assert shelf[0].record.payload == b"{not json"
    assert shelf[0].record.headers == records[1].headers


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ce_id": "no-uuid"}, "header"),
        ({"ce_time": "yesterday"}, "header"),
        ({"ce_sequence": "one"}, "header"),
    ],
)
async def test_broken_headers_are_told_apart(
    processor: Processor, database: Database, change: dict[str, str], reason: str
) -> None:
    await processor.process([record_of(count(uuid7(), 1), 0, None, **change)])
    [only] = await parked(database)
    assert only.code == "unreadable"
    assert reason in only.reason


async def test_a_record_without_key_type_or_body_harms_nobody(processor: Processor, database: Database) -> None:
    good = uuid7()
    await processor.process(
        [
            Record(COUNTERS.name, 0, 0, None, None, ()),
            Record(COUNTERS.name, 0, 1, b"\xff\x00", b"\x00", (("ce_type", b"\xff"),)),
            record_of(count(good, 1), 2),
            Record(COUNTERS.name, 0, 3, b"k", b"{}", (("ce_type", b"toy.something_new.v9"),)),
        ]
    )
    assert await effects(database) == {good: [1]}
    assert [p.record.offset for p in await parked(database)] == [0, 1]


async def test_a_refusing_rule_parks_with_its_reason_and_a_retry_finishes_in_order(
    processor: Processor, database: Database
) -> None:
    ill, well = uuid7(), uuid7()
    await refuse(database, 13)
    batch = [count(ill, v, 13 if v == 2 else 0) for v in range(1, 6)] + [count(well, v) for v in range(1, 60)]
    await processor.process([record_of(event, offset) for offset, event in enumerate(batch)])
    assert await effects(database) == {ill: [1], well: list(range(1, 60))}
    shelf = await parked(database)
    assert [p.code for p in shelf] == ["value_refused"] + [parking.WAITING] * 3
    assert "retry later" in shelf[0].reason

    assert await processor.retry() == (0, 4)
    assert [p.attempts for p in await parked(database)] == [2, 1, 1, 1]
    await processor.process([record_of(count(ill, 6), 100)])
    await refuse(database)
    assert await processor.retry() == (5, 0)
    assert await effects(database) == {ill: [1, 2, 3, 4, 5, 6], well: list(range(1, 60))}
    assert await projection(database) == {ill: (0, 6), well: (0, 59)}


async def test_a_discarded_record_lets_those_behind_it_go(processor: Processor, database: Database) -> None:
    counter = uuid7()
    await processor.process([garbage(counter, 0), record_of(count(counter, 2), 1)])
    assert await processor.retry() == (0, 2)
    async with database.sessions.begin() as session:
        assert await parking.release(session, (await parked(database))[0].id)
    assert await processor.retry() == (1, 0)
    assert await effects(database) == {counter: [2]}


async def test_a_retry_and_the_consumer_keep_the_order_of_a_key_between_them(
    processor: Processor, database: Database
) -> None:
    """Whoever comes first: a new event of the key is processed after the parked ones, or parked behind them."""
    counters = [uuid7() for _ in range(20)]
    await refuse(database, 13)
    for counter in counters:
        await processor.process([record_of(count(counter, 1, 13)), record_of(count(counter, 2))])
    await refuse(database)
    await asyncio.gather(
        processor.retry(), *(processor.process([record_of(count(counter, 3))]) for counter in counters)
    )
    await processor.retry()
    assert await effects(database) == {counter: [1, 2, 3] for counter in counters}


async def test_a_deferred_constraint_parks_its_record_alone(processor: Processor, database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(
            sa.text(
                "create function refuse() returns trigger language plpgsql as"
                " $$ begin if new.version = 7 then raise exception 'no' using errcode = '23514'; end if;"
                " return null; end $$"
            )
        )
        await connection.execute(
            sa.text(
                "create constraint trigger late after insert on applied deferrable initially deferred"
                " for each row execute function refuse()"
            )
        )
    ill, well = uuid7(), uuid7()
    await processor.process([record_of(count(ill, 7)), record_of(count(well, 1))])
    assert await effects(database) == {well: [1]}
    [only] = await parked(database)
    assert only.code == "failed"
    assert "23514" in only.reason


# --- on the broker -------------------------------------------------------------------------------------------


@pytest.fixture
def extra_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    if "start" in request.fixturenames or "on_kafka" in request.fixturenames:
        return {"kafka_bootstrap": request.getfixturevalue("kafka_bootstrap"), "kafka_idempotent": APACHE}
    return {}


@pytest.fixture
async def on_kafka(settings: Settings) -> None:
    await provision(settings, [COUNTERS])


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


async def test_poison_on_the_topic_stops_its_key_and_no_other(
    on_kafka: None, settings: Settings, database: Database, processor: Processor, tmp_path: Path
) -> None:
    ill, well = uuid7(), uuid7()
    for event in (count(ill, 1), count(well, 1)):
        record = record_of(event)
        if event.counter_id == ill:
            await send_raw(settings, record.raw_key or b"", b"poison", list(record.headers))
        await send_raw(settings, record.raw_key or b"", record.payload or b"", list(record.headers))
    worker = Worker(settings, tmp_path / "worker.log")
    try:
        await worker.ready()

        async def settled() -> bool:
            return await counted(database) == 1 and len(await parked(database)) == 2

        await eventually(settled)
        assert await worker.metric("events_parked_total") == 2
        async with database.sessions.begin() as session:
            await parking.release(session, (await parked(database))[0].id)
        assert await processor.retry() == (1, 0)
        assert await effects(database) == {ill: [1], well: [1]}
    finally:
        worker.kill()


async def test_a_header_that_is_no_text_parks_its_record_and_loses_no_other(
    on_kafka: None, settings: Settings, database: Database, tmp_path: Path
) -> None:
    ill, well = record_of(count(uuid7(), 1)), record_of(count(uuid7(), 1))
    await send_raw(settings, ill.raw_key or b"", ill.payload or b"", [*ill.headers, ("note", b"\xff")])
    await send_raw(settings, well.raw_key or b"", well.payload or b"", [*well.headers, ("reply_to", b"elsewhere")])
    worker = Worker(settings, tmp_path / "worker.log")
    try:
        await worker.ready()

        async def settled() -> bool:
            return await counted(database) == 1 and len(await parked(database)) == 1

        await eventually(settled)
        assert (await parked(database))[0].code == "unreadable"
    finally:
        worker.kill()


async def test_one_trace_from_the_request_to_the_last_consumer(
    on_kafka: None,
    settings: Settings,
    database: Database,
    client: Client,
    issuer: TestIssuer,
    spans: InMemorySpanExporter,
) -> None:
    callers = "4bf92f3577b34da6a3ce929d0e0e4736"
    worker = build_worker(toy.service, settings, database)
    counter = str(uuid7())
    async with worker.router.lifespan_context(worker):
        answer = await client.post(
            "/v1/counters",
            json={"counter_id": counter, "name": "traced", "value": 1},
            headers={**issuer.bearer("federal_staff"), "traceparent": f"00-{callers}-00f067aa0ba902b7-01"},
        )
        assert answer.status_code == 201

        async def acted_upon() -> bool:
            return await counted(database) == 1

        await eventually(acted_upon)
    named = {s.name: format_trace_id(s.context.trace_id) for s in spans.get_finished_spans() if s.context}
    assert named["POST /v1/counters"] == callers
    assert named["apply_creation"] == callers


async def test_what_a_broker_gives_again_is_counted_as_that_and_not_as_new(processor: Processor) -> None:
    def again() -> float:
        return telemetry.REDELIVERED.labels(CONSUMER, COUNTERS.name)._value.get()  # type: ignore[no-any-return]

    before = again()
    batch = [record_of(count(uuid7(), 1), offset) for offset in range(5)]
    await processor.process(batch)
    assert again() == before
    await processor.process(batch[2:])
    assert again() == before + 3
    # A broker that lost its topics counts from 0 again: other events stand there.
    await processor.process([record_of(count(uuid7(), 1), offset) for offset in range(5)])
    assert again() == before + 3
