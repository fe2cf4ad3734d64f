"""What an import reads and keeps beside its rows: the organisations, the files."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.errors import NotFound
from registry.commands.import_reading import ReadFile
from registry.importing.organisation_index import IndexedOrganisation
from registry.models import ImportBatchFile, ImportFile, Organisation

FileStatus = Literal["imported", "read", "already_imported", "refused"]
"""`read` is what a dry run would have imported."""

_ORGANISATIONS = """
select organisation_id, name, kind, code, parent_id, short_name, institution_name from organisation
where status = 'active'
"""
_UNDER = """
with recursive below as (
    select organisation_id from organisation where organisation_id = :within
    union select o.organisation_id from organisation o join below b on o.parent_id = b.organisation_id
) select organisation_id, name, kind, code, parent_id, short_name, institution_name
from organisation join below using (organisation_id)
where status = 'active'
"""


async def indexed_organisations(session: AsyncSession, within: UUID | None) -> list[IndexedOrganisation]:
    """Whom a register may name: the active organisations, of one subtree or of all."""
    if within is None:
        rows = (await session.execute(sa.text(_ORGANISATIONS))).all()
    else:
        rows = (await session.execute(sa.text(_UNDER), {"within": within})).all()
    return [
        IndexedOrganisation(
            id=str(row.organisation_id),
            name=row.name,
            kind=row.kind,
            code=row.code,
            parent_id=str(row.parent_id) if row.parent_id else None,
            aliases=tuple(name for name in (row.short_name, row.institution_name) if name),
        )
        for row in rows
    ]


async def office_of_code(session: AsyncSession, code: str) -> UUID:
    """The organisation of this code. Raises NotFound."""
    office = await session.scalar(
        sa.select(col(Organisation.organisation_id)).where(col(Organisation.code) == code)
    )
    if office is None:
        raise NotFound("organisation", code)
    return office


async def claim_file(
    session: AsyncSession,
    sha256: bytes,
    kind: str,
    name: str,
    as_of: date,
    now: datetime,
    totals: dict[str, int],
) -> bool:
    """False when these bytes were imported before. The claim stands once the transaction commits."""
    row = ImportFile(sha256=sha256, kind=kind, name=name, as_of=as_of, imported_at=now, totals=totals)
    statement = insert(ImportFile).values(row.model_dump()).on_conflict_do_nothing()
    return await session.scalar(statement.returning(ImportFile.sha256)) is not None  # type: ignore[call-overload]


def file_row(batch_id: UUID, file: ReadFile, digest: bytes, status: FileStatus, totals: dict[str, int]) -> Any:
    values = {
        "name": file.name,
        "sha256": digest,
        "status": status,
        "refusal": file.refusal["code"] if file.refusal else None,
        "sheets": file.sheets,
        "totals": totals,
    }
    statement = insert(ImportBatchFile).values(batch_id=batch_id, number=file.number, **values)
    return statement.on_conflict_do_update(index_elements=["batch_id", "number"], set_=values)
