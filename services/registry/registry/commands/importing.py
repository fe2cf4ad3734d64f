"""Registers of offices come into the base: a file is a transaction, and a file imported is not imported again."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.db import Database
from registry import errors
from registry.commands.import_rows import (
    claim_file,
    hold_organisations,
    imported_files,
    known_members,
    members_alike,
    organisation_index,
    write_members,
)
from registry.commands.loading import lock_admissions
from registry.importing.annotate import annotate
from registry.importing.engine import SourceFile, classify
from registry.importing.outcomes import FileResult
from registry.importing.report import build_report

_IMPORT_LOCK = 0x696D706F

FileStatus = Literal["imported", "read", "already_imported", "refused"]
"""`read` is what a dry run would have imported."""


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
class MembersImported:
    """`report` is importing.report.build_report's of the files read now, with each file's `status`."""

    files: tuple[FileProgress, ...]
    totals: dict[str, int]
    report: dict[str, Any] = field(repr=False)


async def import_members(
    database: Database,
    paths: Sequence[Path],
    as_of: date,
    annotated_dir: Path | None = None,
    on_progress: Callable[[FileProgress], None] | None = None,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> MembersImported:
    """Import registers of members, in the order of their names.

    Of two rows of one person the earlier counts; people who are members already stand in nobody's way but their
    own. A member's first day is the register's, else `as_of`. Files whose bytes were imported before are left
    out and have no second effect; after a kill the same call goes on with the next file. Two imports at once
    wait for each other; admissions wait for the commit of a file. Raises OSError for a path that cannot be read,
    and RegistryChanged when what a file was judged by has changed meanwhile: the next call judges it anew.
    """
    now = now or datetime.now(UTC)
    async with _one_import(database):
        sources = await asyncio.to_thread(_read, paths)
        async with database.sessions.begin() as session:
            before = await imported_files(session)
            organisations = await organisation_index(session)
            known = await known_members(session)
        digests = {source.name: hashlib.sha256(source.content).digest() for source in sources}
        fresh, repeated = _fresh(sources, digests, before)
        contents = {source.name: source.content for source in fresh}
        progress: list[FileProgress] = []

        def report(name: str, status: FileStatus, result: FileResult | None) -> None:
            counts = _counts(result)
            progress.append(
                FileProgress(
                    name,
                    status,
                    counts["accepted"],
                    counts["duplicate"],
                    counts["rejected"],
                    done=len(progress) + 1,
                    files=len(sources),
                )
            )
            if on_progress:
                on_progress(progress[-1])

        for name in repeated:
            report(name, "already_imported", None)
        results: list[FileResult] = []
        members = {person.id for person in known}
        decisions = classify(fresh, organisations, known, as_of)
        while (result := await asyncio.to_thread(_next, decisions)) is not None:
            results.append(result)
            status: FileStatus = "refused" if result.refusal else "read"
            if not result.refusal and not dry_run:
                async with database.sessions.begin() as session:
                    status = await _import_file(session, result, digests[result.name], as_of, now, members)
            if annotated_dir is not None:
                await asyncio.to_thread(_write_annotated, annotated_dir, result, contents[result.name])
            report(result.name, status, result)
        document = build_report(results)
        for file in progress:
            document["files"].setdefault(file.name, {"rows": [], "data_rows": 0})["status"] = file.status
        document["totals"]["files"] = len(progress)
        document["totals"]["files_already_imported"] = len(repeated)
        return MembersImported(tuple(progress), document["totals"], document)


def _counts(result: FileResult | None) -> dict[str, int]:
    rows = result.rows if result else ()
    return {
        outcome: sum(row.outcome == outcome for row in rows) for outcome in ("accepted", "duplicate", "rejected")
    }


async def _import_file(
    session: AsyncSession, result: FileResult, sha256: bytes, as_of: date, now: datetime, known: set[str]
) -> FileStatus:
    """`known` are the members that the file was judged by; its own join them."""
    if not await claim_file(session, sha256, "members", result.name, as_of, now, _counts(result)):
        return "already_imported"
    people = [row.person for row in result.rows if row.outcome == "accepted" and row.person is not None]
    if not await hold_organisations(session, people):
        raise errors.RegistryChanged(result.name)
    known |= await write_members(session, people, as_of)
    await lock_admissions(session)
    if await members_alike(session, people) - known:
        raise errors.RegistryChanged(result.name)
    return "imported"


def _read(paths: Sequence[Path]) -> list[SourceFile]:
    return sorted((SourceFile(path.name, path.read_bytes()) for path in paths), key=lambda source: source.name)


def _fresh(
    sources: Sequence[SourceFile], digests: dict[str, bytes], before: set[bytes]
) -> tuple[list[SourceFile], list[str]]:
    """The files to read, and the names of those that were imported before or stand here twice."""
    fresh: list[SourceFile] = []
    repeated: list[str] = []
    seen = set(before)
    for source in sources:
        if digests[source.name] in seen:
            repeated.append(source.name)
        else:
            seen.add(digests[source.name])
            fresh.append(source)
    return fresh, repeated


def _next(decisions: Iterator[FileResult]) -> FileResult | None:
    return next(decisions, None)


def _write_annotated(folder: Path, result: FileResult, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.name}.xlsx").write_bytes(annotate(content, result))


@contextlib.asynccontextmanager
async def _one_import(database: Database) -> AsyncIterator[None]:
    """One import of members at a time: each knows the people of the one before."""
    async with database.engine.connect() as connection:
        await connection.execute(sa.select(sa.func.pg_advisory_lock(_IMPORT_LOCK)))
        await connection.rollback()
        try:
            yield
        finally:
            await connection.execute(sa.select(sa.func.pg_advisory_unlock(_IMPORT_LOCK)))
