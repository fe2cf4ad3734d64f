"""What a service does by itself when time passes: due operations, deadlines, checkpoints, expiries.

Any number of workers look; one at a time acts, under an advisory lock, in one transaction with the note that it did.
"""

import asyncio
import contextlib
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
_LOOK_SECONDS = 1.0
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
    """Looks after the rounds of one worker."""

    rounds: Sequence[Round]
    database: Database
    settings: Settings
    _task: asyncio.Task[None] | None = None
    _not_before: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        self._task = asyncio.create_task(self._look(), name="rounds")

    async def stop(self) -> None:
        """A round under way is rolled back; another worker, or the next start, does it again."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _look(self) -> None:
        while True:
            for a_round in self.rounds:
                if time.monotonic() < self._not_before.get(a_round.name, 0.0):
                    continue
                pause = min(a_round.every.total_seconds(), _AFTER_FAILURE)
                try:
                    await run_round(self.database, self.settings, a_round, datetime.now(UTC))
                except Exception as error:
                    pause = _AFTER_FAILURE
                    telemetry.ROUND_FAILURES.labels(a_round.name).inc()
                    telemetry.log().error("round_failed", round=a_round.name, **telemetry.describe(error))
                self._not_before[a_round.name] = time.monotonic() + pause
            await asyncio.sleep(_LOOK_SECONDS)
