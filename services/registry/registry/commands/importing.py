"""Registers of offices come into the base: in groups of whole files, a transaction each; a file imported is not
imported again."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.db import Database
from registry import errors
from registry.commands import import_staging as staging
from registry.commands.import_matching import find_duplicates
from registry.commands.import_reading import Ahead, Readers, ReadFile, Source
from registry.commands.import_records import FileStatus, claim_file, file_row, indexed_organisations
from registry.commands.loading import lock_admissions
from registry.importing.mapping import NO_MAPPING, Mapping

_IMPORT_LOCK = 0x696D706F
_FILES_AHEAD = 500
"""Their rows are bounded by themselves, see import_reading.Ahead."""
GROUP_ROWS = 20_000
"""Files are taken together until they have so many rows: admissions wait for no longer than these take."""


@dataclass(frozen=True)
class FileProgress:
    """One file that is done, and how many are."""

    name: str
    status: FileStatus
    accepted: int
    duplicate: int
    rejected: int
    done: int
    files: int


@dataclass(frozen=True)
class Order:
    """What is to be imported and how; the same order again goes on where it was broken off."""

    batch_id: UUID
    sources: Sequence[Source]
    """In the order of their names."""
    as_of: date
    now: datetime
    dry_run: bool = False
    mapping: Mapping = NO_MAPPING
    within: UUID | None = None
    """Only the organisations under this one are known to it."""
    processes: int = 0
    """How many processes read; 0: by the machine's cores."""


@dataclass
class _Group:
    files: list[ReadFile] = field(default_factory=list)
    digests: dict[int, bytes] = field(default_factory=dict)
    rows: int = 0


Hold = Callable[[AsyncSession], Awaitable[None]]
OnProgress = Callable[[FileProgress], Awaitable[None]]


async def run_import(database: Database, order: Order, on_progress: OnProgress, hold: Hold | None = None) -> None:
    """Read every file of the order that is not in yet; the outcomes are in import_batch_file and import_row.

    Of two rows of one person the earlier counts; people who are members already stand in nobody's way but their own. A
    member's first day is the register's, else `as_of`. Files whose bytes were imported before are left out. Two imports
    at once wait for each other; admissions wait for the commit of a group. `hold` is called in each transaction just
    before its commit. Raises OSError for a file that cannot be read, and RegistryChanged when an organisation was
    closed meanwhile: the same order again judges anew what is not in.
    """
    async with _one_import(database) as connection:
        run = _Run(order, database.sessions(bind=connection), on_progress, hold)
        try:
            await run.all()
        finally:
            await run.close()


class _Run:
    def __init__(self, order: Order, session: AsyncSession, on_progress: OnProgress, hold: Hold | None) -> None:
        self._order = order
        self._session = session
        self._on_progress = on_progress
        self._hold = hold
        self._names = {number: source.name for number, source in enumerate(order.sources, 1)}
        self._done = 0

    async def close(self) -> None:
        await self._session.rollback()
        async with self._session.begin():
            await staging.drop_tables(self._session)
        await self._session.close()

    async def all(self) -> None:
        session, order = self._session, self._order
        async with session.begin():
            await staging.make_tables(session, dry_run=order.dry_run)
            known = set(await session.scalars(sa.text("select sha256 from import_file where kind = 'members'")))
            organisations = await indexed_organisations(session, order.within)
            finished = set(await session.scalars(_FINISHED, {"batch_id": order.batch_id}))
        self._done = len(finished)
        async with Readers(organisations, order.as_of, order.mapping, order.processes) as readers:
            files: asyncio.Queue[tuple[ReadFile, bytes, bool] | None] = asyncio.Queue(_FILES_AHEAD)
            feeding = asyncio.create_task(self._feed(readers, files, known, finished), name="feed")
            try:
                await self._take_all(files, feeding)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)

    async def _feed(
        self,
        readers: Readers,
        files: asyncio.Queue[tuple[ReadFile, bytes, bool] | None],
        known: set[bytes],
        finished: set[int],
    ) -> None:
        ahead = Ahead()
        for number, source in enumerate(self._order.sources, 1):
            if number in finished:
                continue
            content = await source.read()
            digest = (await asyncio.to_thread(hashlib.sha256, content)).digest()
            file = ReadFile(number, source.name, content, ahead)
            repeated = digest in known
            known.add(digest)
            if not repeated:
                await readers.start(file)
            del content
            await files.put((file, digest, repeated))
        await files.put(None)

    async def _take_all(
        self, files: asyncio.Queue[tuple[ReadFile, bytes, bool] | None], feeding: asyncio.Task[None]
    ) -> None:
        group = _Group()
        while (taken := await _next(files, feeding)) is not None:
            file, digest, repeated = taken
            if not group.files:
                await self._session.begin()
                await staging.clear(self._session)
            group.files.append(file)
            group.digests[file.number] = digest
            if repeated:
                continue
            await staging.stage(self._session, file.rows())
            if file.refusal is not None:
                await staging.forget_file(self._session, file.number)
            group.rows += file.data_rows
            if group.rows >= GROUP_ROWS or len(group.files) >= 500:
                await self._finish(group)
                group = _Group()
        if group.files:
            await self._finish(group)

    async def _finish(self, group: _Group) -> None:
        session, order = self._session, self._order
        if group.rows:
            if not order.dry_run:
                await lock_admissions(session)
                await self._hold_organisations()
            await find_duplicates(session, self._names, dry_run=order.dry_run)
        totals = await staging.counts(session)
        if group.rows:
            if not order.dry_run:
                await staging.write_members(session)
            await staging.keep_outcomes(session, order.batch_id, dry_run=order.dry_run)
            await staging.remember(session, self._names, dry_run=order.dry_run)
        statuses = {file.number: self._status(file) for file in group.files}
        for file in group.files:
            of_file = totals.get(file.number, {"accepted": 0, "duplicate": 0, "rejected": 0})
            if statuses[file.number] == "imported":
                await claim_file(
                    session, group.digests[file.number], "members", file.name, order.as_of, order.now, of_file
                )
            await session.execute(
                file_row(order.batch_id, file, group.digests[file.number], statuses[file.number], of_file)
            )
        if self._hold is not None:
            await self._hold(session)
        await session.commit()
        for file in group.files:
            self._done += 1
            of_file = totals.get(file.number, {})
            progress = FileProgress(
                file.name,
                statuses[file.number],
                of_file.get("accepted", 0),
                of_file.get("duplicate", 0),
                of_file.get("rejected", 0),
                done=self._done,
                files=len(self._names),
            )
            await self._on_progress(progress)

    def _status(self, file: ReadFile) -> FileStatus:
        if file.content:  # never handed to a reader
            return "already_imported"
        if file.refusal is not None:
            return "refused"
        return "read" if self._order.dry_run else "imported"

    async def _hold_organisations(self) -> None:
        """Hold the accepted rows' organisations as they are until the transaction ends."""
        statuses = await self._session.scalars(
            sa.text(
                "select status from organisation where organisation_id in"
                " (select organisation_id from import_staged where outcome = 'accepted')"
                " order by organisation_id for share"
            )
        )
        if any(status != "active" for status in statuses):
            raise errors.RegistryChanged(self._names[1] if len(self._names) == 1 else "these registers")


_FINISHED = sa.text("select number from import_batch_file where batch_id = :batch_id and status <> 'waiting'")


async def _next(
    files: asyncio.Queue[tuple[ReadFile, bytes, bool] | None], feeding: asyncio.Task[None]
) -> tuple[ReadFile, bytes, bool] | None:
    """The next file to take; raises what made the feeding end."""
    waiting = asyncio.ensure_future(files.get())
    await asyncio.wait({waiting, feeding}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        if feeding.exception() is not None:
            waiting.cancel()
            feeding.result()
        return await waiting
    return waiting.result()


@contextlib.asynccontextmanager
async def _one_import(database: Database) -> AsyncIterator[Any]:
    """A connection of its own, on which one import of members at a time goes: each knows the people before it."""
    async with database.engine.connect() as connection:
        await connection.execute(sa.select(sa.func.pg_advisory_lock(_IMPORT_LOCK)))
        await connection.commit()
        try:
            yield connection
        finally:
            await connection.rollback()
            await connection.execute(sa.select(sa.func.pg_advisory_unlock(_IMPORT_LOCK)))
            await connection.commit()
