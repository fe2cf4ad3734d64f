"""Routes that give reports and figures as people print and look at them."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from common import jobs
from common.app import router as kernel_router
from common.documents import PDF, SVG
from common.errors import BusinessError
from common.http import ReadSessionDep, SessionDep, etag
from common.limits import limited
from reports import archives, views, views_insight
from reports.api import Forms, Reader, Revision
from reports.printing import charts, paper, spreadsheet, workbook
from reports.printing.words import Language
from reports.queries import cockpit, public, reading
from reports.schemas import Day, FormCode, ReportView

router = kernel_router(tags=["printing"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV, JSON = "text/csv", "application/json"
_SUFFIXES = {PDF: "pdf", XLSX: "xlsx", CSV: "csv"}

_BINARY = {"schema": {"type": "string", "format": "binary"}}
Accept = Annotated[str, Header(max_length=500, description=f"{JSON}, {CSV}, {PDF} or {XLSX}")]
Said = Annotated[Language, Query(alias="language", description="Of labels and headings")]


class NotMade(BusinessError):
    status = 406
    code = "media_type_not_made"

    def __init__(self, made: tuple[str, ...]) -> None:
        super().__init__(f"Ask for one of {', '.join(made)} in Accept.")


class ArchiveRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: Day
    format: Literal["pdf", "xlsx"] = "pdf"
    form: FormCode | None = Field(default=None, description="Absent: every form")
    language: Language = "ru"


class JobAccepted(BaseModel):
    job_id: UUID = Field(description="GET /v1/jobs/{job_id}; then its file reports.zip")
    reports: int


def chosen(accept: str, made: tuple[str, ...]) -> str:
    """The media type that is wanted most of those that are made, the first of them where all are welcome."""
    wanted = []
    for place, item in enumerate(accept.split(",")):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        quality = float(weight) if weight.replace(".", "", 1).isdecimal() else 0.0
        wanted.append((-quality, place, name))
    for quality, _, name in sorted(wanted):
        group = name.removesuffix("*")
        for each in made:
            if quality < 0 and (each == name or name == "*/*" or (group.endswith("/") and each.startswith(group))):
                return each
    raise NotMade(made)


@router.get(
    "/reports/{report_id}",
    response_model=ReportView,
    responses={
        200: {"content": {PDF: _BINARY, XLSX: _BINARY, CSV: {"schema": {"type": "string"}}}},
    },
)
async def get_report(
    report_id: UUID,
    response: Response,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    revision: Revision = None,
    language: Said = "ru",
    accept: Accept = JSON,
) -> ReportView | Response:
    """One report: with its labels, parts, revisions and steps; or as a form to be printed, by Accept."""
    media_type = chosen(accept, (JSON, CSV, PDF, XLSX))
    filed = await reading.report(session, principal, report_id, revision)
    named = await reading.names(session, views.organisations_of(filed), filed.report.as_of)
    view = views.report_view(filed, book, named)
    response.headers["Vary"] = "Accept"
    response.headers["ETag"] = etag(filed.report.version)
    if media_type == JSON:
        return view
    return await _file(view, media_type, language)


@router.get("/reports/{report_id}/xlsx", response_class=Response, responses={200: {"content": {XLSX: _BINARY}}})
async def get_report_workbook(
    report_id: UUID,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    revision: Revision = None,
    language: Said = "ru",
) -> Response:
    """The report as an office form, for those who cannot say Accept: a link on a page."""
    filed = await reading.report(session, principal, report_id, revision)
    named = await reading.names(session, views.organisations_of(filed), filed.report.as_of)
    return await _file(views.report_view(filed, book, named), XLSX, language)


async def _file(view: ReportView, media_type: str, language: Language) -> Response:
    if media_type == PDF:
        content = await paper.render(view, language)
    elif media_type == XLSX:
        content = await asyncio.to_thread(workbook.render, view, language)
    else:
        content = spreadsheet.render(view, language)
    name = f"{view.form}-{view.as_of}-{view.report_id}.{_SUFFIXES[media_type]}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "ETag": etag(view.version),
        "Vary": "Accept",
    }
    return Response(content, media_type=media_type, headers=headers)


@router.post("/organisations/{organisation_id}/archives", status_code=202)
async def ask_for_archive(
    organisation_id: UUID, body: ArchiveRequest, session: SessionDep, principal: Reader
) -> JobAccepted:
    """Every report of the organisation and of all below it, each as a file, with an index: one zip archive."""
    await reading.check_visible(session, principal, organisation_id)
    count = await archives.count(session, organisation_id, body.as_of, body.form)
    if not 0 < count <= archives.MOST:
        raise archives.NotOneArchive(count)
    arguments = {"organisation_id": str(organisation_id), **body.model_dump(mode="json")}
    job_id = await jobs.enqueue(session, archives.KIND, arguments, principal, total=count)
    return JobAccepted(job_id=job_id, reports=count)


@router.get(
    "/organisations/{organisation_id}/charts/{name}",
    response_class=Response,
    responses={200: {"content": {SVG: {"schema": {"type": "string"}}}}},
)
async def get_chart(
    organisation_id: UUID,
    name: charts.Name,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    as_of: Annotated[Day | None, Query(description="Of the reports; absent: the newest there are")] = None,
    language: Said = "ru",
) -> Response:
    """A picture of the organisation with everything below it, live, as SVG without any script."""
    found = await cockpit.cockpit(session, principal, book, organisation_id, as_of)
    view = views_insight.cockpit_view(found, book, datetime.now(UTC).date())
    return Response(charts.draw(name, view, language), media_type=SVG)


@router.get(
    "/public/charts/members",
    response_class=Response,
    responses={200: {"content": {SVG: {"schema": {"type": "string"}}}}},
    dependencies=[Depends(limited("public_statistics", times=30, seconds=60))],
)
async def get_public_chart(
    request: Request,
    session: ReadSessionDep,
    book: Forms,
    as_of: Annotated[Day | None, Query()] = None,
    language: Said = "ru",
) -> Response:
    """Members by region, for everybody: what GET /v1/public/statistics tells, and no more."""
    threshold: int = request.app.state.settings.public_threshold
    day = as_of or await public.newest_public_day(session)
    rows = await public.public_rows(session, book, day, views_insight.PUBLIC) if day else []
    view = views_insight.public_view(rows, day or date(datetime.now(UTC).year, 1, 1), threshold)
    return Response(charts.public(view, language), media_type=SVG)
