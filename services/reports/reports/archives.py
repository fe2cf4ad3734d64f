"""A whole region's set of reports as one zip archive: the job `report_archive`."""

import asyncio
import hashlib
import io
import json
import zipfile
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal, Role, subtree
from common.errors import BusinessError
from common.jobs import Job, Running
from reports import views
from reports.forms import FormBook
from reports.indicators import catalogue
from reports.models import Organisation
from reports.printing import paper, spreadsheet, workbook
from reports.printing.words import Language
from reports.queries import reading
from reports.records import Report
from reports.schemas import ReportView

KIND, FILE = "report_archive", "reports.zip"
_PART, _INDEX_FILE = "part-", "index.csv"
MOST = 5_000
"""Reports in one archive: some 100 MB. A larger part of the union is asked for by its regions."""
_BATCH = 50
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_INDEX = (
    *("file", "sha256", "level", "code", "organisation", "form", "version", "as_of", "status", "revision"),
    *("signed_at", "accepted_at"),
)


class NotOneArchive(BusinessError):
    status = 422
    code = "not_one_archive"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"There are {count} such reports; an archive holds 1 to {MOST}. Ask for a day that has reports, "
            "for one form, or for each region."
        )


def _wanted(organisation_id: UUID, as_of: date, form: str | None) -> list[sa.ColumnElement[bool]]:
    wanted = [
        col(Report.organisation_id).in_(subtree(organisation_id, Organisation)),
        col(Report.as_of) == as_of,
    ]
    return [*wanted, col(Report.form) == form] if form else wanted


async def count(session: AsyncSession, organisation_id: UUID, as_of: date, form: str | None) -> int:
    statement = sa.select(sa.func.count()).where(*_wanted(organisation_id, as_of, form))
    return int(await session.scalar(statement) or 0)


async def make_archive(job: Running) -> dict[str, Any]:
    """Made in parts of 50 reports, each kept when it is whole: begun again, it goes on after the last one.

    The checkpoint tells how many parts there are and after which report, by level and id, the next one begins.
    """
    arguments, state = job.arguments, job.state
    organisation_id, as_of = UUID(arguments["organisation_id"]), date.fromisoformat(arguments["as_of"])
    language: Language = arguments["language"]
    book = FormBook.read(job.settings.report_forms_folder, catalogue())
    async with job.database.sessions() as session:
        statement = sa.select(col(Report.level), col(Report.report_id)).where(
            *_wanted(organisation_id, as_of, arguments["form"])
        )
        rows = await session.execute(statement.order_by(col(Report.level), col(Report.report_id)).limit(MOST))
        wanted = [(row.level, str(row.report_id)) for row in rows]
    parts: int = state.get("parts", 0)
    left = [report for report in wanted if not parts or report > tuple(state["after"])]
    for start in range(0, len(left), _BATCH):
        batch = left[start : start + _BATCH]
        part = await _part(job, book, [UUID(report_id) for _, report_id in batch], arguments["format"], language)
        await job.keep(f"{_PART}{parts}", part, "application/zip")
        parts += 1
        await job.checkpoint({"parts": parts, "after": list(batch[-1])})
        await job.progress(len(wanted) - len(left) + start + len(batch), len(wanted))
    names = [f"{_PART}{number}" for number in range(parts)]
    content, count = await _joined(job, names)
    await job.keep(FILE, content, "application/zip")
    await job.discard(names)
    return {"file": FILE, "reports": count, "bytes": len(content)}


async def _part(job: Running, book: FormBook, ids: list[UUID], file_format: str, language: Language) -> bytes:
    """A zip of these reports, with their lines of the index."""
    # Who asked was let to see the organisation; the reports are those below it, whoever does the work.
    worker = Principal(subject="worker", roles=frozenset({Role.INTERNAL_APP}))
    async with job.database.sessions() as session:
        seen = [await _view(session, worker, book, report_id) for report_id in ids]
    content, index = io.BytesIO(), []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for view in seen:
            made = await _made(view, file_format, language)
            name = f"{view.level}/{_safe(view.organisation.code)}-{view.report_id}.{file_format}"
            archive.writestr(name, made)
            index.append(_line(view, name, made))
        archive.writestr(_INDEX_FILE, json.dumps(index))
    return content.getvalue()


async def _joined(job: Running, parts: list[str]) -> tuple[bytes, int]:
    """The whole archive, and how many reports it has; the same bytes of the same reports."""
    content, index = io.BytesIO(), []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, made: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), made, zipfile.ZIP_DEFLATED)

        for part in parts:
            with zipfile.ZipFile(io.BytesIO(await job.read(part))) as made:
                lines = json.loads(made.read(_INDEX_FILE))
                for line in lines:
                    await asyncio.to_thread(add, line[0], made.read(line[0]))
                index += lines
        add(_INDEX_FILE, spreadsheet.written([_INDEX, *index]))
    return content.getvalue(), len(index)


job = Job(KIND, make_archive)


async def _view(session: AsyncSession, worker: Principal, book: FormBook, report_id: UUID) -> ReportView:
    filed = await reading.report(session, worker, report_id, None)
    named = await reading.names(session, views.organisations_of(filed), filed.report.as_of)
    return views.report_view(filed, book, named)


async def _made(view: ReportView, file_format: str, language: Language) -> bytes:
    if file_format == "pdf":
        return await paper.render(view, language)
    return await asyncio.to_thread(workbook.render, view, language)


def _line(view: ReportView, name: str, made: bytes) -> list[Any]:
    return [
        *(name, hashlib.sha256(made).hexdigest(), view.level, view.organisation.code, view.organisation.name),
        *(view.form, view.form_version, str(view.as_of), view.status, view.revision),
        *(moment.isoformat() if moment else "" for moment in (view.signed_at, view.accepted_at)),
    ]


def _safe(code: str) -> str:
    """A code within a file name: nothing in it leads elsewhere."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in code) or "_"
