"""Imports of registers of members: upload, check, correct the columns, commit, roll back."""

import json
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, File, Form, Path, Query, Response, UploadFile

from common import app
from common.errors import NotFound
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag
from common.jobs import file_of
from common.limits import limited
from registry import errors, rules
from registry.api.dependencies import Purpose, Staff
from registry.commands import import_jobs as commands
from registry.commands.audit import record_access
from registry.importing.refusals import REFUSALS_RU
from registry.models import ImportBatch, ImportBatchFile
from registry.queries import imports as queries
from registry.queries import reach
from registry.schemas import imports as bodies
from registry.schemas.imports import ImportRowView, ImportState, ImportView

router = app.router(tags=["imports"])

UPLOAD = "/v1/imports"
MOST_FILES = 100
MOST_MEBIBYTES = 64
LARGEST_UPLOAD = (MOST_MEBIBYTES + 1) * 2**20
"""Bytes of a request: the files, and what is around them."""

ImportId = Annotated[UUID, Path()]
FileNumber = Annotated[int, Path(ge=1, le=MOST_FILES)]


@router.post("/imports", status_code=202, dependencies=[Depends(limited("imports", times=60, seconds=3600))])
async def upload_registers(
    session: SessionDep,
    principal: Staff,
    response: Response,
    files: Annotated[list[UploadFile], File(description=f"At most {MOST_FILES}, {MOST_MEBIBYTES} MiB in all")],
    as_of: Annotated[
        date, Form(ge=rules.EARLIEST, description="The date of the registers: ages are counted on it")
    ],
    organisation_id: Annotated[
        UUID | None, Form(description="The office whose registers they are; default: yours")
    ] = None,
    mapping: Annotated[
        str | None, Form(max_length=50_000, description='JSON: {"columns": {"heading": "field"}}')
    ] = None,
) -> ImportState:
    """Have registers of members checked. Nothing comes into the base before you commit the import.

    Rows of organisations that are not under the office are refused as unknown.
    """
    now = datetime.now(UTC)
    rules.check_date(as_of, "as_of", now.date())
    office = organisation_id or principal.organisation_id
    if office is not None:
        await reach.check_organisation(session, principal, office)
    elif not principal.sees_everything:
        raise NotFound("organisation", "of your token")
    contents = [(_name(file), await file.read()) for file in files]
    if len(contents) > MOST_FILES or sum(len(content) for _, content in contents) > MOST_MEBIBYTES * 2**20:
        raise errors.UploadTooLarge(MOST_FILES, MOST_MEBIBYTES)
    batch = await commands.upload_registers(
        session, principal, office, contents, as_of, commands.checked_mapping(_document(mapping)), now
    )
    return _state(batch, response)


def _name(file: UploadFile) -> str:
    """Without folders and control characters; what it is, is decided by the content."""
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in name if letter.isprintable())[:200] or "register"


def _document(mapping: str | None) -> Any:
    try:
        return json.loads(mapping) if mapping else {}
    except ValueError:
        raise errors.MappingRefused('The mapping is no JSON; send {"columns": {"heading": "field"}}.') from None


@router.get("/imports")
async def list_imports(session: ReadSessionDep, principal: Staff, page: PageDep) -> Page[ImportView]:
    """Imports of the offices within your reach, oldest first; without their files."""
    batches, cursor = await queries.imports(session, principal, page)
    return Page(items=[_view(batch, []) for batch in batches], next_cursor=cursor)


@router.get("/imports/{import_id}")
async def read_import(
    import_id: ImportId, response: Response, session: ReadSessionDep, principal: Staff
) -> ImportView:
    """How far it is, how each file was understood, and what came of it."""
    batch = await queries.import_in_reach(session, principal, import_id)
    response.headers["ETag"] = etag(batch.version)
    return _view(batch, list(await queries.files_of(session, import_id)))


@router.patch("/imports/{import_id}")
async def correct_mapping(
    import_id: ImportId,
    body: bodies.MappingRequest,
    response: Response,
    session: SessionDep,
    principal: Staff,
    if_match: IfMatch = None,
) -> ImportState:
    """Say what the columns mean; it is checked anew, and remembered for the office's files of the same headings."""
    batch = await queries.import_in_reach(session, principal, import_id, lock=True)
    check_if_match(if_match, batch.version)
    mapping = commands.checked_mapping(body.model_dump())
    await commands.correct_mapping(session, principal, batch, mapping, datetime.now(UTC))
    return _state(batch, response)


@router.post("/imports/{import_id}/commit", status_code=202)
async def commit_import(
    import_id: ImportId, response: Response, session: SessionDep, principal: Staff
) -> ImportState:
    """Import what was checked. Asked again after a failure, it goes on where it was."""
    batch = await queries.import_in_reach(session, principal, import_id, lock=True)
    await commands.commit_import(session, principal, batch)
    return _state(batch, response)


@router.post("/imports/{import_id}/rollback", status_code=202)
async def roll_back_import(
    import_id: ImportId, response: Response, session: SessionDep, principal: Staff
) -> ImportState:
    """Take back the members whom the import admitted and nothing has happened to since; its rows tell of each."""
    batch = await queries.import_in_reach(session, principal, import_id, lock=True)
    await commands.ask_roll_back(session, principal, batch)
    return _state(batch, response)


@router.get("/imports/{import_id}/rows")
async def list_rows(
    import_id: ImportId,
    session: ReadSessionDep,
    principal: Staff,
    page: PageDep,
    file_number: Annotated[int | None, Query(ge=1, le=MOST_FILES)] = None,
    outcome: bodies.Outcome | None = None,
    rolled_back: Annotated[str | None, Query(max_length=20, pattern="^[a-z_]+$")] = None,
) -> Page[ImportRowView]:
    """What was decided of every row."""
    await queries.import_in_reach(session, principal, import_id)
    rows, cursor = await queries.rows_of(
        session, import_id, page, file_number=file_number, outcome=outcome, rolled_back=rolled_back
    )
    return Page(items=[ImportRowView.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/imports/{import_id}/files/{number}/annotated", response_class=Response)
async def read_annotated_copy(
    import_id: ImportId, number: FileNumber, session: SessionDep, principal: Staff, purpose: Purpose = None
) -> Response:
    """The file as .xlsx with the decision beside every row. Kept for some days; the reading is recorded."""
    batch = await queries.import_in_reach(session, principal, import_id)
    file = await file_of(session, batch.job_id, f"annotated-{number}.xlsx") if batch.job_id else None
    if file is None:
        raise errors.ImportFilesGone
    whose = await queries.admitted_by(session, import_id, number)
    record_access(session, principal.subject, "import_copy", "member", whose, purpose, datetime.now(UTC))
    headers = {"Content-Disposition": f'attachment; filename="{import_id}-{number}.xlsx"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


def _state(batch: ImportBatch, response: Response) -> ImportState:
    response.headers["ETag"] = etag(batch.version)
    return ImportState.model_validate(batch)


def _view(batch: ImportBatch, files: list[ImportBatchFile]) -> ImportView:
    return ImportView(
        **batch.model_dump(exclude={"requested_by", "files_job_id"}),
        files=[
            bodies.ImportFileView(
                number=file.number,
                name=file.name,
                status=file.status,
                refusal=file.refusal,
                refusal_ru=REFUSALS_RU[file.refusal] if file.refusal else None,
                totals=file.totals,
                sheets=[_sheet(sheet) for sheet in file.sheets],
            )
            for file in files
        ],
    )


def _sheet(sheet: dict[str, Any]) -> bodies.SheetView:
    return bodies.SheetView(
        sheet=sheet["name"],
        heading_row=sheet["heading_row"],
        columns=[
            bodies.ColumnView(
                field=field,
                heading=heading,
                column=sheet["letters"][field],
                confidence=sheet["confidence"].get(field, 0.5),
            )
            for field, heading in sheet["columns"].items()
        ],
        ignored=sheet["ignored"],
        organisation_id=sheet["organisation_id"],
        data_rows=sheet["data_rows"],
    )
