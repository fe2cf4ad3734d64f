"""Processing a batch: one transaction, bisection by savepoints, parking, retry."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common import inbox, parking, telemetry
from common.consumers import Delivery, Subscription, Unreadable, read
from common.db import Database, is_transient, sqlstate
from common.errors import BusinessError
from common.parking import Record

# No such table, column or function, or no right to it: the database waits for its migration, and no record is at fault.
_BEHIND_THE_RELEASE = frozenset({"42P01", "42703", "42883", "42501"})


_REMEMBERED = 2000
"""Records: what comes again after a rebalance is what was not acknowledged, a few batches at most."""


class Processor:
    """Processes batches of one subscription against one database."""

    def __init__(self, subscription: Subscription, database: Database) -> None:
        self.subscription = subscription
        self._database = database
        self._failures = 0
        self._taken: deque[tuple[int, int, UUID]] = deque(maxlen=_REMEMBERED)
        """Where the last records stood, and what they were: a broker that lost its topics counts from 0 again."""

    async def process(self, records: Sequence[Record]) -> None:
        """Apply a batch and commit. Raises only when the infrastructure is at fault, after a pause."""
        try:
            await self._process(records)
            self._failures = 0
        except Exception as error:
            self._failures += 1
            pause = min(5.0, 0.1 * 2**self._failures) * random.uniform(0.5, 1.5)  # noqa: S311
            telemetry.log().warning(
                "batch_postponed",
                consumer=self.subscription.consumer,
                transient=is_transient(error),
                pause=round(pause, 3),
                **telemetry.describe(error),
            )
            await asyncio.sleep(pause)
            raise

    async def _process(self, records: Sequence[Record]) -> None:
        now = datetime.now(UTC)
        sub = self.subscription
        async with self._database.sessions.begin() as session:
            batch = _Batch(session, sub, records, now)
            await batch.run()
        done = time.time()
        latency = telemetry.EFFECT_LATENCY.labels(sub.consumer)
        for delivery in batch.done:
            latency.observe(max(0.0, done - delivery.envelope.time.timestamp()))
        for event_type, count in Counter(delivery.envelope.type for delivery in batch.done).items():
            telemetry.CONSUMED.labels(sub.consumer, sub.topic.name, event_type).inc(count)
        before = set(self._taken)
        places = [(d.record.partition, d.record.offset, d.envelope.id) for d in batch.done]
        telemetry.REDELIVERED.labels(sub.consumer, sub.topic.name).inc(sum(place in before for place in places))
        self._taken.extend(places)
        for name, count in batch.duplicates.items():
            telemetry.DUPLICATE.labels(sub.consumer, name).inc(count)
        if batch.unknown:
            telemetry.UNKNOWN.labels(sub.consumer, sub.topic.name).inc(batch.unknown)
        for record, code, reason in batch.parked:
            telemetry.PARKED.labels(sub.consumer, sub.topic.name, code).inc()
            telemetry.log().error(
                "record_parked",
                consumer=sub.consumer,
                code=code,
                reason=reason,
                partition=record.partition,
                offset=record.offset,
            )
        telemetry.PROGRESS.labels(sub.consumer, sub.topic.name).set(done)

    async def retry(self, key: str | None = None) -> tuple[int, int]:
        """Process parked records again, per key in their order until one fails. Returns (finished, left)."""
        async with self._database.sessions.begin() as session:
            parked = await parking.parked_records(session, self.subscription.consumer, key, limit=100_000)
        finished = left = 0
        for parked_key in dict.fromkeys(item.record.key for item in parked):
            done, waiting = await self._retry_key(parked_key)
            finished, left = finished + done, left + waiting
        return finished, left

    async def _retry_key(self, key: str) -> tuple[int, int]:
        sub = self.subscription
        async with self._database.sessions.begin() as session:
            queue = await parking.lock_key(session, sub.consumer, sub.topic.name, key)
            for position, item in enumerate(queue):
                batch = _Batch(session, sub, [item.record], datetime.now(UTC))
                await batch.attempt()
                if batch.parked:
                    _, code, reason = batch.parked[0]
                    await parking.mark_failed(session, item.id, code, reason)
                    return position, len(queue) - position
                await parking.release(session, item.id)
            return len(queue), 0


class _Batch:
    """One attempt at a batch inside an open transaction."""

    def __init__(
        self, session: AsyncSession, subscription: Subscription, records: Sequence[Record], now: datetime
    ) -> None:
        self._session = session
        self._subscription = subscription
        self._records = records
        self._now = now
        # From which position of the batch on a key is held: those before a parked record still go.
        self._held: dict[str, int] = {}
        self._parked: dict[int, tuple[Record, str, str]] = {}
        self.done: list[Delivery] = []
        self.duplicates: dict[str, int] = {}
        self.unknown = 0

    @property
    def parked(self) -> list[tuple[Record, str, str]]:
        """(record, code, reason) in the order of the batch, which is the order of each key."""
        return [self._parked[position] for position in sorted(self._parked)]

    async def run(self) -> None:
        """Apply what can be applied and set the rest aside."""
        sub = self._subscription
        keys = (record.key for record in self._records)
        self._held = dict.fromkeys(await parking.held_keys(self._session, sub.consumer, sub.topic.name, keys), -1)
        await self.attempt()
        if self._parked:
            await parking.park(self._session, sub.consumer, self.parked)

    async def attempt(self) -> None:
        """Apply what can be applied; `parked` tells what could not and why, and nothing is written of it."""
        todo = []
        for position, record in enumerate(self._records):
            if self._waits(position, record):
                continue
            try:
                delivery = read(record, self._subscription.known, self._now)
            except Unreadable as error:
                self._park(position, record, error)
                continue
            if delivery is None:
                self.unknown += 1
            else:
                todo.append((position, delivery))
        await self._apply(todo)

    async def _apply(self, deliveries: Sequence[tuple[int, Delivery]]) -> None:
        ready = [(at, delivery) for at, delivery in deliveries if not self._waits(at, delivery.record)]
        if not ready:
            return
        duplicates = dict(self.duplicates)
        # A savepoint undone takes its changes and its locks along, but objects that were only read stay in the
        # session as they were: the next try reads everything anew.
        self._session.expunge_all()
        try:
            async with self._session.begin_nested():
                await self._work([delivery for _, delivery in ready])
                # Deferred constraints must speak now, inside the savepoint, or they fail the whole batch.
                await self._session.flush()
                await self._session.execute(sa.text("set constraints all immediate"))
                await self._session.execute(sa.text("set constraints all deferred"))
        except Exception as error:
            self.duplicates = duplicates
            if is_transient(error) or sqlstate(error) in _BEHIND_THE_RELEASE:
                raise
            if len(ready) == 1:
                position, delivery = ready[0]
                self._park(position, delivery.record, error)
                return
            middle = len(ready) // 2
            await self._apply(ready[:middle])
            await self._apply(ready[middle:])
        else:
            self.done.extend(delivery for _, delivery in ready)

    async def _work(self, deliveries: Sequence[Delivery]) -> None:
        sub = self._subscription
        for projection, events in sub.projections:
            await projection.apply(self._session, [d.event for d in deliveries if isinstance(d.event, events)])
        for facts, events in sub.facts:
            await facts.apply(
                self._session, [(d.envelope, d.event) for d in deliveries if isinstance(d.event, events)]
            )
        for effect in sub.effects:
            wanted = [d for d in deliveries if type(d.event) in effect.events]
            if not wanted:
                continue
            new = await inbox.claim(
                self._session, f"{sub.consumer}.{effect.name}", [d.envelope.id for d in wanted]
            )
            fresh = []
            for delivery in wanted:
                if delivery.envelope.id in new:
                    new.discard(delivery.envelope.id)
                    fresh.append(delivery)
            if len(fresh) < len(wanted):
                self.duplicates[effect.name] = self.duplicates.get(effect.name, 0) + len(wanted) - len(fresh)
            if fresh:
                await effect.run(self._session, fresh)

    def _waits(self, position: int, record: Record) -> bool:
        if position <= self._held.get(record.key, len(self._records)):
            return False
        self._parked[position] = (
            record,
            parking.WAITING,
            "an earlier record of this key is parked; retry in order",
        )
        return True

    def _park(self, position: int, record: Record, error: Exception) -> None:
        self._held[record.key] = min(position, self._held.get(record.key, position))
        if isinstance(error, Unreadable | BusinessError):
            code, reason = error.code, str(error)
        else:
            # The text of a foreign exception may quote a row; its type and place are enough to find it.
            told = telemetry.describe(error)
            code, reason = (
                "failed",
                f"{told['error']} {told['sqlstate'] or ''} at {' < '.join(reversed(told['at']))}",
            )
        self._parked[position] = (record, code, reason)
