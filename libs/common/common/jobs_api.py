"""The routes of jobs, the same in every service that has any."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from common.auth import STAFF, Principal, Role, require
from common.errors import NotFound
from common.http import Page, PageDep, ReadSessionDep, paginate
from common.jobs import Job, file_of

_COLUMNS = ("job_id", "kind", "state", "done", "total", "result", "code", "detail", "created_at", "finished_at")

AskerDep = Annotated[
    Principal, Depends(require(*STAFF, Role.INTERNAL_APP, Role.AUDITOR, Role.PARTNER, Role.MEMBER))
]


class JobView(BaseModel):
    """Long work: how far it is, and what came of it."""

    job_id: UUID
    kind: str
    state: str = Field(description="queued, running, done or failed")
    done: int = Field(description="How much of `total` is done, in the kind's own unit")
    total: int | None
    result: dict[str, Any] | None = Field(description="Once done")
    code: str | None = Field(description="Why it failed; stable, for programs")
    detail: str | None = Field(description="Why it failed, and what to do")
    created_at: datetime
    finished_at: datetime | None


def jobs_router(router: APIRouter, table: sa.Table, jobs: Sequence[Job]) -> APIRouter:
    """Add the routes; a job is seen by who asked for it and by federal staff."""
    private = {job.kind for job in jobs if job.private}
    columns = [table.c[name] for name in _COLUMNS]

    def seen_by(principal: Principal) -> sa.ColumnElement[bool]:
        everything = Role.FEDERAL_STAFF in principal.roles
        return sa.true() if everything else table.c.requested_by == principal.subject

    async def found(session: ReadSessionDep, principal: Principal, job_id: UUID) -> Any:
        statement = sa.select(*columns).where(table.c.job_id == job_id, seen_by(principal))
        row = (await session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("job", job_id)
        return row

    @router.get("/jobs")
    async def list_jobs(session: ReadSessionDep, page: PageDep, principal: AskerDep) -> Page[JobView]:
        """Your jobs, oldest first."""
        statement = sa.select(*columns).where(seen_by(principal))
        items, cursor = await paginate(session, statement, table.c.job_id, page)
        return Page(items=[JobView.model_validate(row, from_attributes=True) for row in items], next_cursor=cursor)

    @router.get("/jobs/{job_id}")
    async def show_job(job_id: UUID, session: ReadSessionDep, principal: AskerDep) -> JobView:
        """How far a job is."""
        return JobView.model_validate(await found(session, principal, job_id), from_attributes=True)

    @router.get("/jobs/{job_id}/files/{file}", response_class=Response)
    async def get_job_file(job_id: UUID, file: str, session: ReadSessionDep, principal: AskerDep) -> Response:
        """A file that the job made; kept for some days."""
        job = await found(session, principal, job_id)
        found_file = None if job.kind in private else await file_of(session, job_id, file)
        if found_file is None:
            raise NotFound("file of this job", "you gave")
        headers = {"Content-Disposition": f'attachment; filename="{_header_safe(file)}"'}
        return Response(found_file.content, media_type=found_file.media_type, headers=headers)

    return router


def _header_safe(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
