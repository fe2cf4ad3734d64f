"""Long work that is asked for over HTTP and done by the worker: an import, an archive, a rebuild.

The asker's transaction writes the job; a worker leases it, does it in transactions of its own and tells how far it
is. A worker that dies is followed by another when its lease is over: a handler may be begun again at any time, goes on
from its checkpoint and does nothing twice. What a lost lease still tries to write is refused.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common import telemetry
from common.auth import Principal
from common.db import Database, is_transient
from common.errors import BusinessError
from common.settings import Settings

_ATTEMPTS = 5
"""After so many beginnings a job that never ends is a failure of ours, and no worker takes it up again."""

_POLL_SECONDS = 0.5

_ENQUEUE = sa.text(
    "insert into job (job_id, kind, requested_by, organisation_id, arguments, total)"
    " values (:job_id, :kind, :requested_by, :organisation_id, :arguments, :total)"
).bindparams(sa.bindparam("arguments", type_=JSONB))
_KEEP = sa.text(
    "insert into job_file (job_id, name, made, media_type, content)"
    " values (:job_id, :name, :made, :media_type, :content)"
    " on conflict (job_id, name) do update set media_type = excluded.media_type, content = excluded.content"
)
_DISCARD = sa.text("delete from job_file where job_id = :job_id and made and name = any(:names)")
_LEASE = sa.text(
    "update job set state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),"
    " leased_until = now() + make_interval(secs => :seconds)"
    " where job_id = (select job_id from job where kind = any(:kinds)"
    "   and (state = 'queued' or (state = 'running' and leased_until < now()))"
    "   order by created_at, job_id limit 1 for update skip locked)"
    " returning job_id, kind, arguments, checkpoint, attempts, requested_by, organisation_id"
)
_HOLD = "update job set {} where job_id = :job_id and attempts = :attempt and state = 'running' returning job_id"
_RENEW = sa.text(_HOLD.format("leased_until = now() + make_interval(secs => :seconds)"))
_PROGRESS = sa.text(_HOLD.format("done = :done, total = coalesce(:total, total)"))
_CHECKPOINT = sa.text(_HOLD.format("checkpoint = :checkpoint")).bindparams(sa.bindparam("checkpoint", type_=JSONB))
_END = sa.text(
    _HOLD.format(
        "state = :state, result = :result, code = :code, detail = :detail, leased_until = null, finished_at = now()"
    )
).bindparams(sa.bindparam("result", type_=JSONB))
_WAITING = sa.text("select count(*) from job where state in ('queued', 'running')")
_PURGE = sa.text("delete from job_file where created_at < now() - make_interval(days => :days)")


class LeaseLost(Exception):
    """Another worker has the job now; what this one was about to write is not written."""


@dataclass
class Running:
    """A job under way: what its handler is given."""

    job_id: UUID
    kind: str
    arguments: dict[str, Any]
    state: dict[str, Any]
    """The last checkpoint; empty at the first beginning."""
    attempt: int
    requested_by: str
    """The subject of the token with which it was asked for."""
    organisation_id: UUID | None
    """The organisation of that token."""
    database: Database
    settings: Any

    async def progress(self, done: int, total: int | None = None) -> None:
        await self._write(_PROGRESS, {"done": done, "total": total})

    async def checkpoint(self, state: dict[str, Any], session: AsyncSession | None = None) -> None:
        """Remember how far it is; with a session, in the transaction of the work it tells of."""
        self.state = state
        await self._write(_CHECKPOINT, {"checkpoint": state}, session)

    async def hold(self, session: AsyncSession) -> None:
        """Make a transaction's commit depend on the lease: raises LeaseLost, and locks the job until the commit."""
        await self._write(_RENEW, {"seconds": self.settings.job_lease_seconds}, session)

    async def read(self, name: str) -> bytes:
        """A file that came with the job, or that it kept."""
        async with self.database.sessions() as session:
            content = await file_of(session, self.job_id, name)
        if content is None:
            raise BusinessError(f"The file {name} of this job is no longer kept; ask for the work anew.")
        return content.content

    async def keep(self, name: str, content: bytes, media_type: str) -> None:
        """Keep a file that the job made. It replaces one of the same name."""
        async with self.database.sessions.begin() as session:
            await self.hold(session)
            values = {"job_id": self.job_id, "name": name, "made": True, "media_type": media_type}
            await session.execute(_KEEP, {**values, "content": content})

    async def discard(self, names: Sequence[str]) -> None:
        """Forget files that the job kept for itself."""
        async with self.database.sessions.begin() as session:
            await self.hold(session)
            await session.execute(_DISCARD, {"job_id": self.job_id, "names": list(names)})

    async def _write(
        self, statement: sa.TextClause, values: dict[str, Any], session: AsyncSession | None = None
    ) -> None:
        values |= {"job_id": self.job_id, "attempt": self.attempt}
        if session is None:
            async with self.database.sessions.begin() as own:
                held = await own.scalar(statement, values)
        else:
            held = await session.scalar(statement, values)
        if held is None:
            raise LeaseLost


@dataclass(frozen=True)
class Job:
    """A kind of job. The handler returns its result: a JSON object without personal data."""

    kind: str
    handler: Callable[[Running], Awaitable[dict[str, Any]]]
    private: bool = False
    """Its files hold personal data: the kernel's route does not give them out, the service audits who reads them."""


@dataclass(frozen=True)
class JobFile:
    name: str
    media_type: str
    content: bytes


async def enqueue(
    session: AsyncSession,
    kind: str,
    arguments: dict[str, Any],
    principal: Principal,
    total: int | None = None,
    files: Mapping[str, tuple[bytes, str]] | None = None,
) -> UUID:
    """Ask for a job; it begins after the commit. `files` are name → (content, media type)."""
    job_id = uuid7()
    await session.execute(
        _ENQUEUE,
        {
            "job_id": job_id,
            "kind": kind,
            "requested_by": principal.subject,
            "organisation_id": principal.organisation_id,
            "arguments": arguments,
            "total": total,
        },
    )
    for name, (content, media_type) in (files or {}).items():
        values = {"job_id": job_id, "name": name, "made": False, "media_type": media_type, "content": content}
        await session.execute(_KEEP, values)
    return job_id


async def file_of(session: AsyncSession, job_id: UUID, name: str) -> JobFile | None:
    statement = sa.text("select name, media_type, content from job_file where job_id = :job_id and name = :name")
    row = (await session.execute(statement, {"job_id": job_id, "name": name})).one_or_none()
    return JobFile(row.name, row.media_type, bytes(row.content)) if row else None


async def purge_files(session: AsyncSession, days: int) -> None:
    """Forget files that are older: they may hold personal data, and the results stand in the tables."""
    await session.execute(_PURGE, {"days": days})


@dataclass
class Workshop:
    """Does the jobs of one service, one at a time a worker; workers share them out by their leases."""

    jobs: Sequence[Job]
    database: Database
    settings: Settings
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self.jobs:
            self._task = asyncio.create_task(self._work(), name="jobs")

    async def stop(self) -> None:
        """Leave the job under way to whoever takes it when its lease is over."""
        self._stopping.set()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def alive(self) -> bool:
        return not self.jobs or (self._task is not None and not self._task.done())

    async def _work(self) -> None:
        while not self._stopping.is_set():
            worked = False
            try:
                worked = await self.do_next()
                async with self.database.sessions() as session:
                    telemetry.JOBS_WAITING.set((await session.execute(_WAITING)).scalar_one())
            except Exception as error:
                telemetry.log().warning("jobs_failed", **telemetry.describe(error))
            if not worked:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _POLL_SECONDS)

    async def do_next(self) -> bool:
        """Do one job that waits, or whose worker is gone; False when there is none."""
        handlers = {job.kind: job.handler for job in self.jobs}
        lease = {"kinds": list(handlers), "seconds": self.settings.job_lease_seconds}
        async with self.database.sessions.begin() as session:
            row = (await session.execute(_LEASE, lease)).one_or_none()
        if row is None:
            return False
        job = Running(
            row.job_id,
            row.kind,
            row.arguments,
            row.checkpoint,
            row.attempts,
            row.requested_by,
            row.organisation_id,
            self.database,
            self.settings,
        )
        with contextlib.suppress(LeaseLost):
            if job.attempt > _ATTEMPTS:
                await self._end(
                    job, "failed", code="job_given_up", detail="It was begun too often; ask the operators."
                )
            else:
                await self._do(job, handlers[job.kind])
        return True

    async def _do(self, job: Running, handler: Callable[[Running], Awaitable[dict[str, Any]]]) -> None:
        renewing = asyncio.create_task(self._renew(job))
        try:
            result = await handler(job)
        except BusinessError as refusal:
            await self._end(job, "failed", code=refusal.code, detail=refusal.detail)
        except LeaseLost:
            raise
        except Exception as error:
            telemetry.log().error("job_failed", kind=job.kind, job_id=str(job.job_id), **telemetry.describe(error))
            if not is_transient(error):
                detail = "This is our mistake and it is recorded; ask the operators, with the job's id."
                await self._end(job, "failed", code="internal_error", detail=detail)
            # Else its lease runs out, and it is begun again from its checkpoint.
        else:
            await self._end(job, "done", result=result)
        finally:
            renewing.cancel()

    async def _renew(self, job: Running) -> None:
        while True:
            await asyncio.sleep(self.settings.job_lease_seconds / 3)
            with contextlib.suppress(Exception):
                async with self.database.sessions.begin() as session:
                    await job.hold(session)

    async def _end(self, job: Running, state: str, **values: Any) -> None:
        async with self.database.sessions.begin() as session:
            parameters = {"result": None, "code": None, "detail": None, **values, "state": state}
            ended = await session.scalar(_END, {**parameters, "job_id": job.job_id, "attempt": job.attempt})
        if ended is None:
            raise LeaseLost
        telemetry.JOBS_ENDED.labels(job.kind, state).inc()
