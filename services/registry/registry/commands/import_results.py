"""What was decided of the rows of an import."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.importing.outcomes import FileRefusal, RowRef
from registry.importing.refusals import REFUSALS_RU
from registry.importing.retelling import Decided

_FILES = sa.text(
    "select number, name, status, refusal, totals from import_batch_file where batch_id = :batch_id order by number"
)
_REFUSAL = sa.text("select refusal from import_batch_file where batch_id = :batch_id and number = :number")
_ROWS = sa.text(
    "select sheet, row, outcome, reason, of_file, of_sheet, of_row, of_member_id from import_row"
    " where batch_id = :batch_id and file_number = :number order by number"
)
_DUPLICATES = """
with recursive below as (
    select organisation_id from organisation where organisation_id = :within
    union select o.organisation_id from organisation o join below b on o.parent_id = b.organisation_id
)
select r.number, r.reason, r.of_file, r.of_sheet, r.of_row, o.name as organisation
from import_row r left join member m on m.member_id = r.of_member_id
left join organisation o on o.organisation_id = m.organisation_id
  and (cast(:within as uuid) is null or o.organisation_id in (select organisation_id from below))
where r.batch_id = :batch_id and r.file_number = :number and r.outcome = 'duplicate'
"""


async def report_of(session: AsyncSession, batch_id: UUID, *, with_rows: bool = True) -> dict[str, Any]:
    """`files.{name}.rows[{sheet, row, outcome, reason, of}]` with `data_rows` and `status`, and `totals` by outcome
    and reason. No personal data is in it. A refused file has `refusal: {code}` and no rows."""
    files: dict[str, Any] = {}
    totals: dict[str, int] = {"accepted": 0, "rejected": 0, "duplicate": 0, "files_already_imported": 0}
    for file in (await session.execute(_FILES, {"batch_id": batch_id})).all():
        entry: dict[str, Any] = {"status": file.status, "rows": []}
        if with_rows and file.status in ("imported", "read"):
            rows = await session.stream(_ROWS, {"batch_id": batch_id, "number": file.number})
            entry["rows"] = [_row(row) async for row in rows]
        entry["data_rows"] = sum(file.totals.get(outcome, 0) for outcome in ("accepted", "rejected", "duplicate"))
        if file.refusal:
            entry["refusal"] = {"code": file.refusal, "message": REFUSALS_RU[file.refusal]}
            totals["files_refused"] = totals.get("files_refused", 0) + 1
        totals["files_already_imported"] += file.status == "already_imported"
        for name, count in file.totals.items():
            totals[name] = totals.get(name, 0) + count
        files[file.name] = entry
    totals["files"] = len(files)
    return {"files": files, "totals": dict(sorted(totals.items()))}


def _row(row: Any) -> dict[str, Any]:
    return {
        "sheet": row.sheet,
        "row": row.row,
        "outcome": row.outcome,
        "reason": row.reason,
        "of": [row.of_file, row.of_sheet, row.of_row] if row.of_file else None,
        "of_person": str(row.of_member_id) if row.of_member_id else None,
    }


async def refusal_of(session: AsyncSession, batch_id: UUID, number: int) -> FileRefusal | None:
    """Why the whole file was refused, if it was."""
    code = await session.scalar(_REFUSAL, {"batch_id": batch_id, "number": number})
    return FileRefusal(code, REFUSALS_RU[code]) if code else None


async def decided_rows(
    session: AsyncSession, batch_id: UUID, number: int, within: UUID | None
) -> dict[int, Decided]:
    """The duplicates of one file, by the number of the data row; where they are members, if that is `within`."""
    parameters = {"batch_id": batch_id, "number": number, "within": within}
    statement = sa.text(_DUPLICATES).bindparams(sa.bindparam("within", type_=sa.Uuid))
    return {
        row.number: Decided(
            "duplicate",
            row.reason,
            RowRef(row.of_file, row.of_sheet, row.of_row) if row.of_file else None,
            row.organisation,
        )
        for row in (await session.execute(statement, parameters)).all()
    }
