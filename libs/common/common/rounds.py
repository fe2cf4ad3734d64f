"""What a service does by itself when time passes: due operations, deadlines, checkpoints, expiries.

Any number of workers look; one at a time acts, under an advisory lock, in one transaction with the note that it did.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common import telemetry
from common.db import Database
from common.settings import Settings

_LOCK_CLASS = 0x726E64
_AFTER_FAILURE = 30.0
"""Seconds before a failed round is tried again."""

_LOCK = sa.text("select pg_try_advisory_xact_lock(:lock_class, :lock)")
_LAST = sa.text("select last_at from round_run where name = :name")
_NOTE = sa.text(
    "insert into round_run (name, last_at) values (:name, :now)"
    " on conflict (name) do update set last_at = excluded.last_at"
)


@dataclass(frozen=True)
class Round:
    """`run(session, now, settings)` is called when `every` has passed since it last ended well; it must not commit."""

    name: str
    every: timedelta
    run: Callable[[AsyncSession, datetime, Any], Awaitable[None]]
    tell: Callable[[AsyncSession], Awaitable[None]] | None = None
    """Sets metrics from what the round left in the database, in every worker: only one of them ran it."""


@dataclass(frozen=True)
class Errand:
    """`run(database, now, settings)` is called again and again, `every` after it last ended, by every worker at once.

    For what talks to somebody else: it opens short transactions of its own, holds none while it waits for an answer,
    and shares the work out by leases in its rows.
    """

    name: str
    every: timedelta
    run: Callable[[Database, datetime, Any], Awaitable[None]]


async def run_errand(database: Database, settings: Settings, errand: Errand, now: datetime) -> None:
    await errand.run(database, now, settings)
    telemetry.ROUND_SUCCESS.labels(errand.name).set(time.time())


async def run_round(database: Database, settings: Settings, a_round: Round, now: datetime) -> bool:
    """Run it if it is due and nobody else is at it; tells whether it ran."""
    async with database.sessions.begin() as session:
        lock = zlib.crc32(a_round.name.encode()) - 2**31
        if not (await session.execute(_LOCK, {"lock_class": _LOCK_CLASS, "lock": lock})).scalar_one():
            return False
        last = (await session.execute(_LAST, {"name": a_round.name})).scalar_one_or_none()
        if last is not None and now - last < a_round.every:
            return False
        await a_round.run(session, now, settings)
        await session.execute(_NOTE, {"name": a_round.name, "now": now})
    telemetry.ROUND_SUCCESS.labels(a_round.name).set(time.time())
    return True


@dataclass
class Clockwork:
    """Looks after what one worker does by itself, each in a task of its own: a long one does not hold up the others."""

    rounds: Sequence[Round]
    database: Database
    settings: Settings
    errands: Sequence[Errand] = ()
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        everything: list[Round | Errand] = [*self.rounds, *self.errands]
        self._tasks = [asyncio.create_task(self._look_after(one), name=f"round {one.name}") for one in everything]

    async def stop(self) -> None:
        """A round under way is rolled back; another worker, or the next start, does it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def alive(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def _look_after(self, a_round: Round | Errand) -> None:
        while True:
            pause = min(a_round.every.total_seconds(), _AFTER_FAILURE)
            try:
                now = datetime.now(UTC)
                if isinstance(a_round, Errand):
                    await run_errand(self.database, self.settings, a_round, now)
                else:
                    await run_round(self.database, self.settings, a_round, now)
                    if a_round.tell is not None:
                        async with self.database.sessions() as session:
                            await a_round.tell(session)
            except Exception as error:
                pause = _AFTER_FAILURE
                telemetry.ROUND_FAILURES.labels(a_round.name).inc()
                telemetry.log().error("round_failed", round=a_round.name, **telemetry.describe(error))
            await asyncio.sleep(pause)
