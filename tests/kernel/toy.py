"""A service of nothing but the kernel: it counts, tells of each count, and hears itself."""

import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import registry
from sqlmodel import Field as Column
from sqlmodel import SQLModel, col

from common.app import Service, router
from common.auth import STAFF, Principal, require
from common.consumers import Delivery, Subscription
from common.errors import BusinessError, NotFound
from common.events.base import Event, Topic
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag, paginate
from common.jobs import Job, Running, enqueue
from common.limits import limited
from common.main import run
from common.outbox import publish
from common.projections import Facts, Projection
from common.rounds import Round
from common.settings import Settings
from common.tables import add_kernel_tables
from common.types import Line

COUNTERS = Topic("toy.counter.v1", owner="toy")


class CounterEvent(Event):
    topic: ClassVar[Topic] = COUNTERS
    source: ClassVar[str] = "urn:union:toy"
    key_field: ClassVar[str] = "counter_id"

    counter_id: UUID
    value: int


class Counted(CounterEvent):
    event_type: ClassVar[str] = "toy.counted.v1"


class Created(CounterEvent):
    event_type: ClassVar[str] = "toy.created.v1"


class Table(SQLModel, registry=registry()):
    pass


class Counter(Table, table=True):
    __tablename__ = "counter"
    counter_id: UUID = Column(primary_key=True)
    name: str
    value: int
    version: int


class Seen(Table, table=True):
    """The projection."""

    __tablename__ = "seen"
    counter_id: UUID = Column(primary_key=True)
    value: int
    version: int


class CounterFact(Table, table=True):
    """Every state that a counter ever had."""

    __tablename__ = "counter_fact"
    counter_id: UUID = Column(primary_key=True)
    version: int = Column(primary_key=True)
    value: int
    effective_on: date
    event_type: str
    recorded_at: datetime = Column(sa_type=sa.DateTime(timezone=True))


class Applied(Table, table=True):
    """The effect: a row for each time it acted. Nothing but the inbox keeps it from acting twice."""

    __tablename__ = "applied"
    applied_id: int | None = Column(default=None, primary_key=True)
    counter_id: UUID = Column(index=True)
    version: int


class RefusedValue(Table, table=True):
    """The business rule: values that the effect refuses for now."""

    __tablename__ = "refused_value"
    value: int = Column(primary_key=True)


add_kernel_tables(Table.metadata)


class ValueRefused(BusinessError):
    code = "value_refused"


class CounterRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    counter_id: UUID
    name: Line
    value: int = Field(ge=0, le=1_000_000)


class Change(BaseModel):
    model_config = ConfigDict(extra="forbid")
    value: int = Field(ge=0, le=1_000_000)


class CounterView(BaseModel):
    counter_id: UUID
    value: int


def subscriptions(_settings: Settings) -> list[Subscription]:
    counters = Subscription("toy", COUNTERS)
    seen = Projection(Seen, key="counter_id")
    counters.projects(seen, Counted, Created)
    counters.records(Facts(CounterFact, key="counter_id"), Counted, Created)

    @counters.bulk_effect(Counted)
    async def apply_counts(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        refused = set(await session.scalars(sa.select(col(RefusedValue.value))))
        for delivery in deliveries:
            assert isinstance(delivery.event, Counted)
            if delivery.event.value in refused:
                raise ValueRefused(f"The value {delivery.event.value} is refused for now; retry later.")
            session.add(Applied(counter_id=delivery.event.counter_id, version=delivery.event.version))

    @counters.effect(Created)
    async def apply_creation(session: AsyncSession, event: Created, _delivery: Delivery) -> None:
        session.add(Applied(counter_id=event.counter_id, version=event.version))

    return [counters]


api = router(tags=["counters"])
StaffDep = Annotated[Principal, Depends(require(*STAFF))]


def tell(session: AsyncSession, counter: Counter, event: type[CounterEvent] = Counted) -> None:
    publish(
        session,
        event(
            counter_id=counter.counter_id,
            value=counter.value,
            version=counter.version,
            effective_on=date(2021, 1, 1),
        ),
    )


@api.post("/counters", status_code=201)
async def create(body: CounterRequest, session: SessionDep, _who: StaffDep) -> CounterView:
    counter = Counter(counter_id=body.counter_id, name=body.name, value=body.value, version=1)
    session.add(counter)
    tell(session, counter, Created)
    return CounterView(counter_id=counter.counter_id, value=counter.value)


@api.post("/counters/{counter_id}/refuse")
async def change_and_refuse(counter_id: UUID, session: SessionDep, _who: StaffDep) -> CounterView:
    """Changes, tells, and then refuses: nothing of it may remain."""
    counter = await session.get(Counter, counter_id, with_for_update=True)
    if counter is None:
        raise NotFound("counter", counter_id)
    counter.version += 1
    tell(session, counter)
    await session.flush()
    raise ValueRefused("Changed my mind; send something else.")


@api.patch("/counters/{counter_id}")
async def change(
    counter_id: UUID,
    body: Change,
    response: Response,
    session: SessionDep,
    _who: StaffDep,
    if_match: IfMatch = None,
) -> CounterView:
    counter = await session.get(Counter, counter_id, with_for_update=True)
    if counter is None:
        raise NotFound("counter", counter_id)
    check_if_match(if_match, counter.version)
    counter.value, counter.version = body.value, counter.version + 1
    tell(session, counter)
    response.headers["ETag"] = etag(counter.version)
    return CounterView(counter_id=counter_id, value=counter.value)


@api.get("/counters")
async def counters(session: ReadSessionDep, page: PageDep, _who: StaffDep) -> Page[CounterView]:
    items, cursor = await paginate(session, sa.select(Counter), Counter.counter_id, page)
    return Page(items=[CounterView(counter_id=c.counter_id, value=c.value) for c in items], next_cursor=cursor)


@api.post("/sums", status_code=202)
async def ask_for_a_sum(session: SessionDep, who: StaffDep) -> dict[str, str]:
    job_id = await enqueue(session, "sum", {"refuse": False}, who, files={"numbers.txt": (b"1 2 3", "text/plain")})
    return {"job_id": str(job_id)}


@api.get("/guesses", dependencies=[Depends(limited("guesses", times=3, seconds=60))])
async def guess() -> dict[str, bool]:
    return {"right": False}


async def add_up(job: Running) -> dict[str, Any]:
    """Adds the numbers of a file one after the other; each is a row of `applied` and a checkpoint."""
    numbers = [int(word) for word in (await job.read("numbers.txt")).split()]
    for place in range(job.state.get("place", 0), len(numbers)):
        if numbers[place] < 0:
            raise ValueRefused("A negative number cannot be added; send others.")
        async with job.database.sessions.begin() as session:
            session.add(Applied(counter_id=job.job_id, version=numbers[place]))
            await job.checkpoint({"place": place + 1}, session)
        await job.progress(place + 1, len(numbers))
    await job.keep("sum.txt", str(sum(numbers)).encode(), "text/plain")
    return {"sum": sum(numbers)}


async def note_the_hour(session: AsyncSession, now: datetime, _settings: Settings) -> None:
    session.add(RefusedValue(value=int(now.timestamp() // 3600)))


service = Service(
    name="toy",
    jobs=[Job("sum", add_up), Job("secret", add_up, private=True)],
    rounds=[Round("note_the_hour", timedelta(hours=1), note_the_hour)],
    title="A counter",
    settings=Settings,
    routers=[api],
    subscriptions=subscriptions,
    metadata=Table.metadata,
    migrations=Path(__file__).parent / "migrations",
)

if __name__ == "__main__":
    run(service, sys.argv[1:])
