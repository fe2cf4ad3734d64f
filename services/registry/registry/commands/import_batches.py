"""A batch of registers: made, imported from the command line, rolled back."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.db import Database
from common.events.registry import MemberRetracted
from common.outbox import publish_rows
from registry import errors
from registry.commands.import_mappings import save_mapping, saved_mappings
from registry.commands.import_reading import Source
from registry.commands.import_records import indexed_organisations
from registry.commands.import_results import decided_rows, refusal_of, report_of
from registry.commands.importing import FileProgress, Order, run_import
from registry.commands.loading import locked
from registry.importing.annotate import annotate
from registry.importing.mapping import NO_MAPPING, Mapping
from registry.importing.organisation_index import OrganisationIndex
from registry.importing.retelling import retell
from registry.models import ImportBatch, ImportBatchFile, ImportRow

OPERATOR = "operator"


@dataclass(frozen=True)
class MembersImported:
    """`report` has `files.{name}.rows[{sheet, row, outcome, reason, of}]` of the files read now, and their `status`."""

    batch_id: UUID
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
    mapping: Mapping = NO_MAPPING,
    office: UUID | None = None,
    with_rows: bool = True,
    processes: int = 0,
) -> MembersImported:
    """Import registers of members, in the order of their names: see run_import.

    After a kill the same call goes on with what is not in. A dry run leaves no trace. Of an `office`, only the
    organisations under it are known, and what it said of its columns before holds and is kept. `with_rows` false: the
    report has totals alone.
    """
    ordered = sorted(paths, key=lambda path: path.name)
    sources = [Source(path.name, _reader(path)) for path in ordered]
    async with database.sessions() as session:
        known = replace(mapping, saved=await saved_mappings(session, office))
    order = Order(uuid7(), sources, as_of, now or datetime.now(UTC), dry_run, known, office, processes)
    seen: list[FileProgress] = []

    async def told(progress: FileProgress) -> None:
        seen.append(progress)
        if annotated_dir is not None and progress.status != "already_imported":
            await _annotate(database, order, progress, annotated_dir)
        if on_progress:
            on_progress(progress)

    async with database.sessions.begin() as session:
        session.add(
            ImportBatch(
                batch_id=order.batch_id,
                organisation_id=office,
                requested_by=OPERATOR,
                as_of=as_of,
                state="checking" if dry_run else "importing",
                created_at=order.now,
            )
        )
    try:
        await run_import(database, order, told)
        async with database.sessions.begin() as session:
            report = await report_of(session, order.batch_id, with_rows=with_rows)
            batch = await end_batch(session, order.batch_id, "imported", report["totals"])
            if office is not None and not dry_run:
                await save_mapping(session, batch, mapping, order.now)
    finally:
        if dry_run:
            async with database.sessions.begin() as session:
                await forget_batch(session, order.batch_id)
    return MembersImported(order.batch_id, tuple(seen), report["totals"], report)


def _reader(path: Path) -> Callable[[], Any]:
    async def read() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return read


async def _annotate(database: Database, order: Order, progress: FileProgress, folder: Path) -> None:
    number = next(n for n, source in enumerate(order.sources, 1) if source.name == progress.name)

    def made() -> BinaryIO:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / f"{progress.name}.xlsx").open("wb")

    with await asyncio.to_thread(made) as target:
        await write_annotated_copy(database, order, number, target)


async def write_annotated_copy(database: Database, order: Order, number: int, target: BinaryIO) -> None:
    """A file of the order with the decision beside every row. Read anew: what the base keeps of it is not personal."""
    source = order.sources[number - 1]
    async with database.sessions.begin() as session:
        index = OrganisationIndex(await indexed_organisations(session, order.within))
        decided = await decided_rows(session, order.batch_id, number, order.within)
        refusal = await refusal_of(session, order.batch_id, number)
    content = await source.read()
    told = retell(source.name, content, index, order.as_of, order.mapping, decided)
    await asyncio.to_thread(annotate, target, content, source.name, told, refusal)


async def end_batch(session: AsyncSession, batch_id: UUID, state: str, totals: dict[str, int]) -> ImportBatch:
    batch = await locked(session, ImportBatch, batch_id)
    batch.state, batch.totals, batch.version = state, totals, batch.version + 1
    return batch


async def forget_batch(session: AsyncSession, batch_id: UUID) -> None:
    """Drop what a dry run has found."""
    for table in (ImportRow, ImportBatchFile, ImportBatch):
        await session.execute(sa.delete(table).where(col(table.batch_id) == batch_id))


# Who was admitted by the batch, and why not all of them can be taken back.
_JUDGE = sa.text(
    """
    update import_row r set rolled_back = case
        when m.status <> 'member' then 'not_a_member'
        when m.version > 1 then 'changed'
        when exists (select from transfer t where t.member_id = m.member_id and t.status = 'released')
            then 'transfer_open'
        else 'retracted' end
    from member m where r.batch_id = :batch_id and m.member_id = r.member_id
    """
)
_LOCK_MEMBERS = sa.text(
    "select m.member_id from member m join import_row r using (member_id) where r.batch_id = :batch_id"
    " order by m.member_id for update of m"
)
_RETRACT = (
    # What was believed of them was so on no day.
    """
    with retracted as (
        select member_id from import_row where batch_id = :batch_id and rolled_back = 'retracted'
    ), ended as (
        update member_period p set superseded_at = clock_timestamp()
        from retracted r where p.member_id = r.member_id and p.superseded_at is null
        returning p.*
    )
    insert into member_period (member_id, valid_from, valid_to, organisation_id, status, category, pedagogical)
    select member_id, valid_from, valid_to, organisation_id, 'retracted', category, pedagogical from ended
    """,
    """
    update member m set status = 'retracted', left_on = joined_on, version = version + 1
    from import_row r where r.batch_id = :batch_id and r.member_id = m.member_id and r.rolled_back = 'retracted'
    """,
    """
    update membership s set to_on = from_on, end_reason = 'retracted'
    from import_row r where r.batch_id = :batch_id and r.member_id = s.member_id and r.rolled_back = 'retracted'
      and s.to_on is null
    """,
    # What came in by these files may come in again.
    """
    delete from import_file f using import_batch_file b
    where b.batch_id = :batch_id and b.sha256 = f.sha256 and b.status = 'imported'
    """,
)
_RETRACTED = (
    "select m.version, m.joined_on as effective_on, m.member_id, m.organisation_id, m.status, m.category, m.sex,"
    " m.birth_year, m.joined_on, m.left_on, array[]::text[] as consents, m.pedagogical"
    " from member m join import_row r using (member_id)"
    " where r.batch_id = :batch_id and r.rolled_back = 'retracted'"
)


async def roll_back_batch(session: AsyncSession, batch_id: UUID) -> dict[str, int]:
    """Take back whom the batch admitted and nothing has happened to since; the others are marked with the reason.

    Returns how many rows of each: retracted, changed, transfer_open, not_a_member. Once rolled back, the batch's files
    may be imported again.
    """
    batch = await locked(session, ImportBatch, batch_id)
    if batch.state not in ("imported", "importing", "rolling_back"):
        raise errors.ImportNotCommitted
    parameters = {"batch_id": batch_id}
    await session.execute(_LOCK_MEMBERS, parameters)
    await session.execute(_JUDGE, parameters)
    for statement in _RETRACT:
        await session.execute(sa.text(statement), parameters)
    fields: list[sa.ColumnClause[Any]] = [sa.column(name) for name in MemberRetracted.model_fields]
    retracted = sa.text(f"({_RETRACTED}) as retracted").bindparams(**parameters)
    await publish_rows(session, MemberRetracted, sa.select(*fields).select_from(retracted))
    counted = await session.execute(
        sa.text(
            "select rolled_back, count(*) from import_row where batch_id = :batch_id and rolled_back is not null"
            " group by 1"
        ),
        parameters,
    )
    totals = {reason: int(count) for reason, count in counted}
    batch.state, batch.version = "rolled_back", batch.version + 1
    batch.totals = {**batch.totals, **{f"rolled_back_{name}": count for name, count in totals.items()}}
    return totals
