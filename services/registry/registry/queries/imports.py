"""Imports of registers, cut to the caller's scope."""

import base64
import binascii
import struct
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.errors import CursorInvalid, NotFound
from common.http import PageParams, paginate
from registry.models import ImportBatch, ImportBatchFile, ImportRow
from registry.queries.reach import organisations

_PLACE = struct.Struct(">II")


async def imports(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[ImportBatch], str | None]:
    statement = sa.select(ImportBatch).where(organisations(principal, ImportBatch.organisation_id))
    return await paginate(session, statement, col(ImportBatch.batch_id), page)


async def import_in_reach(
    session: AsyncSession, principal: Principal, batch_id: UUID, *, lock: bool = False
) -> ImportBatch:
    statement = sa.select(ImportBatch).where(
        col(ImportBatch.batch_id) == batch_id, organisations(principal, ImportBatch.organisation_id)
    )
    batch = await session.scalar(statement.with_for_update() if lock else statement)
    if batch is None:
        raise NotFound("import", batch_id)
    return batch


async def files_of(session: AsyncSession, batch_id: UUID) -> Sequence[ImportBatchFile]:
    statement = sa.select(ImportBatchFile).where(col(ImportBatchFile.batch_id) == batch_id)
    return (await session.scalars(statement.order_by(col(ImportBatchFile.number)))).all()


async def rows_of(
    session: AsyncSession,
    batch_id: UUID,
    page: PageParams,
    *,
    file_number: int | None,
    outcome: str | None,
    rolled_back: str | None,
) -> tuple[Sequence[ImportRow], str | None]:
    """In the order of the files and of their rows."""
    place = sa.tuple_(col(ImportRow.file_number), col(ImportRow.number))
    statement = sa.select(ImportRow).where(col(ImportRow.batch_id) == batch_id)
    for column, wanted in (
        (ImportRow.file_number, file_number),
        (ImportRow.outcome, outcome),
        (ImportRow.rolled_back, rolled_back),
    ):
        if wanted is not None:
            statement = statement.where(col(column) == wanted)
    if page.cursor is not None:
        statement = statement.where(place > sa.tuple_(*_place(page.cursor)))
    order = (col(ImportRow.file_number), col(ImportRow.number))
    rows = (await session.scalars(statement.order_by(*order).limit(page.limit + 1))).all()
    items = rows[: page.limit]
    if len(rows) <= page.limit:
        return items, None
    last = _PLACE.pack(items[-1].file_number, items[-1].number)
    return items, base64.urlsafe_b64encode(last).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, int]:
    try:
        file, number = _PLACE.unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, struct.error):
        raise CursorInvalid from None
    if max(file, number) >= 2**31:
        raise CursorInvalid
    return file, number


async def admitted_by(session: AsyncSession, batch_id: UUID, file_number: int) -> list[UUID]:
    """The members whom a file of the import admitted."""
    statement = sa.select(col(ImportRow.member_id)).where(
        col(ImportRow.batch_id) == batch_id,
        col(ImportRow.file_number) == file_number,
        col(ImportRow.member_id).is_not(None),
    )
    return [member for member in await session.scalars(statement) if member is not None]
