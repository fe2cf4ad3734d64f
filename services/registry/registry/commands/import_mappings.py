"""What an office said of the columns of its registers, kept for its next files of the same headings."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from registry.importing.mapping import Mapping
from registry.models import ImportBatch, ImportBatchFile, ImportMapping


async def saved_mappings(session: AsyncSession, organisation_id: UUID | None) -> dict[str, Any]:
    """Columns by the shape of the headings. The whole union, None, has none."""
    statement = sa.select(ImportMapping).where(col(ImportMapping.organisation_id) == organisation_id)
    return {mapping.shape: mapping.columns for mapping in await session.scalars(statement)}


async def save_mapping(session: AsyncSession, batch: ImportBatch, said: Mapping, now: datetime) -> None:
    """For the headings of each file of the batch that was read, what was said of its columns."""
    statement = sa.select(ImportBatchFile).where(col(ImportBatchFile.batch_id) == batch.batch_id)
    for file in await session.scalars(statement):
        columns = said.of_file(file.name).columns
        for shape in {sheet["shape"] for sheet in file.sheets if sheet.get("shape") and columns}:
            values = {"columns": columns, "saved_at": now}
            saved = insert(ImportMapping).values(organisation_id=batch.organisation_id, shape=shape, **values)
            await session.execute(
                saved.on_conflict_do_update(index_elements=["organisation_id", "shape"], set_=values)
            )
