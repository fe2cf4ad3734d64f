"""An import over HTTP: uploaded, checked by the worker, committed, perhaps rolled back."""

import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.auth import Principal
from common.errors import BusinessError
from common.jobs import Job, Running, enqueue, file_of
from registry import errors
from registry.commands.import_batches import end_batch, roll_back_batch, write_annotated_copy
from registry.commands.import_mappings import save_mapping, saved_mappings
from registry.commands.import_reading import Source
from registry.commands.import_results import report_of
from registry.commands.importing import FileProgress, Order, run_import
from registry.commands.loading import locked
from registry.importing.mapping import Mapping, MappingInvalid
from registry.models import ImportBatch, ImportBatchFile, ImportRow

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def checked_mapping(document: Any) -> dict[str, Any]:
    """The document itself; refused when it is no mapping."""
    try:
        Mapping.of_document(document)
    except MappingInvalid as error:
        raise errors.MappingRefused(str(error)) from None
    return dict(document)


async def upload_registers(
    session: AsyncSession,
    principal: Principal,
    organisation_id: UUID | None,
    files: Sequence[tuple[str, bytes]],
    as_of: date,
    mapping: dict[str, Any],
    now: datetime,
) -> ImportBatch:
    """Keep the files and have them checked: a dry run, of which nothing comes into the base.

    `organisation_id` is the office: registers may name organisations under it alone. None: the whole union.
    """
    ordered = sorted(files)
    batch = ImportBatch(
        batch_id=uuid7(),
        organisation_id=organisation_id,
        requested_by=principal.subject,
        as_of=as_of,
        state="checking",
        mapping=mapping,
        created_at=now,
    )
    # Under their numbers: a name may tell of a person, and two files may have one name.
    contents = {str(n): (content, "application/octet-stream") for n, (_, content) in enumerate(ordered, 1)}
    arguments = {"batch_id": str(batch.batch_id)}
    batch.job_id = batch.files_job_id = await enqueue(
        session, "import_check", arguments, principal, total=len(ordered), files=contents
    )
    session.add(batch)
    await session.flush()
    session.add_all(
        ImportBatchFile(batch_id=batch.batch_id, number=number, name=name)
        for number, (name, _) in enumerate(ordered, 1)
    )
    return batch


async def correct_mapping(
    session: AsyncSession, principal: Principal, batch: ImportBatch, mapping: dict[str, Any], now: datetime
) -> None:
    """Another mapping of the columns: kept for the office's next files of the same headings, and checked anew."""
    if batch.state not in ("checked", "failed"):
        raise errors.ImportNotChecked
    batch.mapping, batch.version = mapping, batch.version + 1
    if batch.organisation_id is not None:
        await save_mapping(session, batch, Mapping.of_document(mapping), now)
    await _start(session, principal, batch, "import_check", "checking")


async def commit_import(session: AsyncSession, principal: Principal, batch: ImportBatch) -> None:
    """Import what was checked. Judged anew: what has come into the base since then counts."""
    if batch.state not in ("checked", "failed"):
        raise errors.ImportNotChecked
    if batch.files_job_id is None or await file_of(session, batch.files_job_id, "1") is None:
        raise errors.ImportFilesGone
    if batch.state == "checked":
        await _forget_check(session, batch.batch_id)
    batch.version += 1
    await _start(session, principal, batch, "import_commit", "importing")


async def ask_roll_back(session: AsyncSession, principal: Principal, batch: ImportBatch) -> None:
    if batch.state not in ("imported", "failed"):
        raise errors.ImportNotCommitted
    batch.version += 1
    await _start(session, principal, batch, "import_roll_back", "rolling_back")


async def _start(session: AsyncSession, principal: Principal, batch: ImportBatch, kind: str, state: str) -> None:
    batch.state = state
    batch.job_id = await enqueue(session, kind, {"batch_id": str(batch.batch_id)}, principal)


async def _forget_check(session: AsyncSession, batch_id: UUID) -> None:
    await session.execute(sa.delete(ImportRow).where(col(ImportRow.batch_id) == batch_id))
    files = sa.update(ImportBatchFile).where(col(ImportBatchFile.batch_id) == batch_id)
    await session.execute(files.values(status="waiting"))


async def check(job: Running) -> dict[str, Any]:
    """A dry run of the uploaded files. Begun again from the first: nothing of it is in the base."""
    async with job.database.sessions.begin() as session:
        await job.hold(session)
        await _forget_check(session, UUID(job.arguments["batch_id"]))
    return await _run(job, dry_run=True, state="checked")


async def commit(job: Running) -> dict[str, Any]:
    """The import itself; begun again, it goes on with the files that are not in."""
    return await _run(job, dry_run=False, state="imported")


async def roll_back(job: Running) -> dict[str, Any]:
    async with job.database.sessions.begin() as session:
        await job.hold(session)
        return dict(await roll_back_batch(session, UUID(job.arguments["batch_id"])))


async def _run(job: Running, *, dry_run: bool, state: str) -> dict[str, Any]:
    order = await _order(job, dry_run=dry_run)

    async def told(progress: FileProgress) -> None:
        number = [source.name for source in order.sources].index(progress.name) + 1
        if progress.status != "already_imported":
            copy = io.BytesIO()
            await write_annotated_copy(job.database, order, number, copy)
            await job.keep(f"annotated-{number}.xlsx", copy.getvalue(), XLSX)
        await job.progress(progress.done, progress.files)

    async with _failing(job, order.batch_id):
        await run_import(job.database, order, told, job.hold)
    async with job.database.sessions.begin() as session:
        await job.hold(session)
        report = await report_of(session, order.batch_id, with_rows=False)
        await end_batch(session, order.batch_id, state, report["totals"])
    return dict(report["totals"])


@contextlib.asynccontextmanager
async def _failing(job: Running, batch_id: UUID) -> AsyncIterator[None]:
    try:
        yield
    except BusinessError:
        async with job.database.sessions.begin() as session:
            await job.hold(session)
            batch = await locked(session, ImportBatch, batch_id)
            batch.state, batch.version = "failed", batch.version + 1
        raise


async def _order(job: Running, *, dry_run: bool) -> Order:
    batch_id = UUID(job.arguments["batch_id"])
    async with job.database.sessions() as session:
        batch = await session.get_one(ImportBatch, batch_id)
        files = sa.select(ImportBatchFile).where(col(ImportBatchFile.batch_id) == batch_id)
        rows = list(await session.scalars(files.order_by(col(ImportBatchFile.number))))
        saved = await saved_mappings(session, batch.organisation_id)

    def reader(number: int) -> Source:
        async def read() -> bytes:
            assert batch.files_job_id is not None
            async with job.database.sessions() as session:
                file = await file_of(session, batch.files_job_id, str(number))
            if file is None:
                raise errors.ImportFilesGone
            return file.content

        return Source(rows[number - 1].name, read)

    return Order(
        batch_id,
        [reader(row.number) for row in rows],
        batch.as_of,
        datetime.now(UTC),
        dry_run,
        Mapping.of_document(batch.mapping, saved),
        batch.organisation_id,
    )


JOBS = (
    Job("import_check", check, private=True),
    Job("import_commit", commit, private=True),
    Job("import_roll_back", roll_back),
)
