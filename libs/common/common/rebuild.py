"""What a service knows of others, read again from the topics and compared with what it has.

The events are applied to empty copies of the tables, in a schema of their own beside the live ones; then the two are
compared row by row, and what differs is put right in one transaction, with the worker at work all the while: its
tables are locked for that moment, and what has come in meanwhile is read first. Effects are not repeated: an effect
happened once, and what it did is the service's own.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy.ext.asyncio import AsyncSession

from common.consumers import Delivery, Subscription, Unreadable, read
from common.db import Database
from common.errors import BusinessError
from common.kafka import kafka_security
from common.parking import Record
from common.projections import Facts, Projection
from common.settings import Settings

SCHEMA = "rebuild"
_BATCH = 2_000
_EMPTY_POLLS = 20
"""So many polls of half a second without a record, before the end of a topic, are an error of the broker's."""

Progress = Callable[[int, int], None]
"""Told how many records are read, and of how many."""
Read = tuple[Subscription, Delivery]


class ParkedFirst(BusinessError):
    code = "parked_records_first"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} records of this service are parked, and what they tell is rightly missing; "
            "retry or discard them (union parked), then rebuild."
        )


@dataclass(frozen=True)
class Difference:
    """One table beside its copy from the topics; all in rows."""

    table: str
    live: int
    rebuilt: int
    missing: int
    """The topics tell of them and the service does not have them."""
    differing: int
    extra: int
    """The service has them and the topics do not tell of them any more; a republish brings them back there."""

    @property
    def same(self) -> bool:
        return not (self.missing or self.differing or self.extra)


@dataclass(frozen=True)
class Derived:
    """What a service makes of the tables that events fill, and keeps beside them."""

    hold: Callable[[AsyncSession], Awaitable[None]]
    """Called before those tables are locked: takes, in the same transaction, what must be held before them."""
    compare: Callable[[AsyncSession], Awaitable[list[Difference]]]
    """What a dry run tells of it; changes nothing and holds nobody up."""
    remake: Callable[[AsyncSession], Awaitable[list[Difference]]]
    """Makes it anew of the tables as they are now, in the transaction that has put them right; tells what differed."""


@dataclass(frozen=True)
class Rebuilt:
    records: int
    unreadable: int
    """Records that are no readable events."""
    differences: Sequence[Difference]


async def rebuild(
    subscriptions: Sequence[Subscription],
    database: Database,
    settings: Settings,
    progress: Progress,
    dry_run: bool = False,
    prune: bool = False,
    derived: Derived | None = None,
) -> Rebuilt:
    """Read every topic from its beginning, compare, and unless `dry_run` put right what is missing or differs.

    What is `derived` is made anew after that, even where no row differs.
    `prune` removes extra rows too. Raises ParkedFirst, and OSError when the broker gives nothing. One at a time.
    """
    tables = {target.table.name: target.table for sub in subscriptions for target in _targets(sub)}
    reader = _Reader(subscriptions, settings)
    async with database.sessions.begin() as session:
        parked = (await session.execute(sa.text("select count(*) from parked_record"))).scalar_one()
        if parked and not dry_run:
            raise ParkedFirst(parked)
        await session.execute(sa.text(f"drop schema if exists {SCHEMA} cascade"))
        await session.execute(sa.text(f"create schema {SCHEMA}"))
        for name in tables:
            await session.execute(sa.text(f"create table {SCHEMA}.{name} (like public.{name} including all)"))
    try:
        await reader.start()

        async def apply_alone(read_now: Sequence[Read]) -> None:
            async with database.sessions.begin() as session:
                await _apply(session, read_now)

        await reader.read_on(apply_alone, progress)
        async with database.sessions.begin() as session:
            if not dry_run:
                if derived:
                    await derived.hold(session)
                names = ", ".join(f"public.{name}" for name in sorted(tables))
                await session.execute(sa.text(f"lock table {names} in share row exclusive mode"))
                # What the worker has committed is in the topics, and it commits nothing more until this ends.
                await reader.read_on(lambda read_now: _apply(session, read_now), progress)
            differences = [await _compared(session, table) for table in tables.values()]
            if not dry_run:
                for table, difference in zip(tables.values(), differences, strict=True):
                    await _put_right(session, table, difference, prune)
            if derived:
                differences += await (derived.compare if dry_run else derived.remake)(session)
        return Rebuilt(reader.records, reader.unreadable, differences)
    finally:
        await reader.stop()
        async with database.sessions.begin() as session:
            await session.execute(sa.text(f"drop schema if exists {SCHEMA} cascade"))


def _targets(subscription: Subscription) -> list[Projection | Facts]:
    return [*(p for p, _ in subscription.projections), *(f for f, _ in subscription.facts)]


async def _apply(session: AsyncSession, read_now: Sequence[Read]) -> None:
    """Apply projections and facts, and no effects, to the copies."""
    await session.execute(sa.text(f"set local search_path = {SCHEMA}, public"))
    by_subscription: dict[int, tuple[Subscription, list[Delivery]]] = {}
    for subscription, delivery in read_now:
        by_subscription.setdefault(id(subscription), (subscription, []))[1].append(delivery)
    for subscription, deliveries in by_subscription.values():
        for projection, events in subscription.projections:
            await projection.apply(session, [d.event for d in deliveries if isinstance(d.event, events)])
        for facts, events in subscription.facts:
            await facts.apply(session, [(d.envelope, d.event) for d in deliveries if isinstance(d.event, events)])
    await session.execute(sa.text("set local search_path = public"))


async def _compared(session: AsyncSession, table: sa.Table) -> Difference:
    keys, columns = _columns(table)
    row = (
        await session.execute(
            sa.text(
                f"select count(live.*) as live, count(rebuilt.*) as rebuilt,"  # noqa: S608 (names of our own)
                f" count(*) filter (where live.{keys[0]} is null) as missing,"
                f" count(*) filter (where rebuilt.{keys[0]} is null) as extra,"
                f" count(*) filter (where live.{keys[0]} is not null and rebuilt.{keys[0]} is not null"
                f"   and {_differs(columns)}) as differing"
                f" from public.{table.name} live full join {SCHEMA}.{table.name} rebuilt using ({', '.join(keys)})"
            )
        )
    ).one()
    return Difference(table.name, row.live, row.rebuilt, row.missing, row.differing, row.extra)


async def _put_right(session: AsyncSession, table: sa.Table, difference: Difference, prune: bool) -> None:
    keys, columns = _columns(table)
    same_key = " and ".join(f"live.{key} = rebuilt.{key}" for key in keys)
    if difference.extra and prune:
        await session.execute(
            sa.text(
                f"delete from public.{table.name} live"  # noqa: S608
                f" where not exists (select from {SCHEMA}.{table.name} rebuilt where {same_key})"
            )
        )
    if difference.differing:
        values = ", ".join(f"{column} = rebuilt.{column}" for column in columns if column not in keys)
        await session.execute(
            sa.text(
                f"update public.{table.name} live set {values} from {SCHEMA}.{table.name} rebuilt"  # noqa: S608
                f" where {same_key} and {_differs(columns)}"
            )
        )
    if difference.missing:
        names = ", ".join(columns)
        chosen = ", ".join(f"rebuilt.{column}" for column in columns)
        await session.execute(
            sa.text(
                f"insert into public.{table.name} ({names}) select {chosen} from {SCHEMA}.{table.name} rebuilt"  # noqa: S608
                f" where not exists (select from public.{table.name} live where {same_key})"
                f" order by {', '.join(f'rebuilt.{key}' for key in keys)}"
            )
        )


def _columns(table: sa.Table) -> tuple[list[str], list[str]]:
    """The primary key's columns, and all that events fill; what a trigger derives follows by itself."""
    keys = [column.name for column in table.primary_key]
    return keys, [column.name for column in table.columns if column.info.get("projected", True)]


def _differs(columns: Sequence[str]) -> str:
    live = ", ".join(f"live.{column}" for column in columns)
    return f"({live}) is distinct from ({live.replace('live.', 'rebuilt.')})"


class _Reader:
    """Reads whole topics in the order of each key, without a consumer group: nobody's offsets move."""

    def __init__(self, subscriptions: Sequence[Subscription], settings: Settings) -> None:
        self._subscriptions = {sub.topic.name: sub for sub in subscriptions}
        self._consumer = AIOKafkaConsumer(
            *self._subscriptions,
            bootstrap_servers=settings.kafka_bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
            **kafka_security(settings),
        )
        self.records = 0
        self.unreadable = 0

    async def start(self) -> None:
        await self._consumer.start()
        known = {partition.topic for partition in self._consumer.assignment()}
        if missing := sorted(set(self._subscriptions) - known):
            raise OSError(f"the broker does not know {', '.join(missing)}")

    async def stop(self) -> None:
        await self._consumer.stop()

    async def read_on(self, apply: Callable[[Sequence[Read]], Awaitable[None]], progress: Progress) -> None:
        """Read up to what the topics hold now."""
        partitions = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(partitions)
        empty = 0
        while True:
            found = await self._consumer.getmany(*partitions, timeout_ms=500, max_records=_BATCH)
            records = [(self._subscriptions[p.topic], record) for p, batch in found.items() for record in batch]
            self.records += len(records)
            await apply([(sub, delivery) for sub, record in records if (delivery := self._read(sub, record))])
            left = await self._left(ends)
            progress(self.records, self.records + left)
            empty = 0 if found else empty + 1
            # The embedded broker tells too early an end: an empty poll is asked for besides.
            if empty and not left:
                return
            if empty > _EMPTY_POLLS:
                raise OSError("the broker gives nothing more before the end of the topics")

    async def _left(self, ends: dict[TopicPartition, int]) -> int:
        left = 0
        for partition, end in ends.items():
            known = max(end, self._consumer.highwater(partition) or 0)
            left += max(0, known - await self._consumer.position(partition))
        return left

    def _read(self, subscription: Subscription, message: ConsumerRecord) -> Delivery | None:
        try:
            return read(Record.of(message), subscription.known, datetime.now(UTC))
        except Unreadable:
            self.unreadable += 1
            return None
