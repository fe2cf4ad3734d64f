"""The queue of applications, for staff."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response

from common import app
from common.http import Page, PageDep, SessionDep, etag
from registry.api.dependencies import Purpose, Reader, Staff, business_day
from registry.commands import applications as commands
from registry.commands.audit import record_access
from registry.commands.duplicates import confirm_namesakes
from registry.queries import people, reach
from registry.schemas.people import (
    AdmitRequest,
    ApplicationState,
    ApplicationStatus,
    ApplicationView,
    DeclineRequest,
    MemberState,
)

router = app.router(tags=["applications"])


@router.get("/applications")
async def list_applications(
    session: SessionDep,
    principal: Reader,
    page: PageDep,
    organisation_id: UUID | None = None,
    status: ApplicationStatus | None = None,
    attention: Annotated[
        Literal["reminded", "escalated"] | None,
        Query(description="Those that wait: near their deadline, or come up to you from below since one passed."),
    ] = None,
    purpose: Purpose = None,
) -> Page[ApplicationView]:
    """Applications to organisations within your reach. Names are shown to staff, and the reading is recorded."""
    records, cursor = await people.applications(
        session, principal, page, organisation_id=organisation_id, status=status, attention=attention
    )
    named = [record.application.application_id for record in records if record.person]
    record_access(
        session, principal.subject, "list_applications", "application", named, purpose, datetime.now(UTC)
    )
    return Page(
        items=[ApplicationView.of(record.application, record.person, record.known_as) for record in records],
        next_cursor=cursor,
    )


@router.get("/applications/{application_id}")
async def read_application(
    application_id: UUID,
    response: Response,
    session: SessionDep,
    principal: Reader,
    purpose: Purpose = None,
) -> ApplicationView:
    record = await people.application(session, principal, application_id)
    named = [application_id] if record.person else []
    record_access(session, principal.subject, "read_application", "application", named, purpose, datetime.now(UTC))
    response.headers["ETag"] = etag(record.application.version)
    return ApplicationView.of(record.application, record.person, record.known_as)


@router.post("/applications/{application_id}/admit")
async def admit_applicant(
    application_id: UUID,
    body: AdmitRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: Staff,
) -> MemberState:
    """Take the applicant on by the committee's decision. Answers with the new member."""
    now = datetime.now(UTC)
    await reach.check_application(session, principal, application_id)
    member = await commands.admit_applicant(
        session,
        application_id,
        body.protocol_number,
        business_day(request, principal, body.effective_on, now),
        body.namesake_confirmed,
        now,
        protocol_on=body.protocol_on,
    )
    if body.namesake_confirmed:
        await confirm_namesakes(session, member, principal.subject, now)
    record_access(session, principal.subject, "admit", "application", [application_id], None, now)
    response.headers["ETag"] = etag(member.version)
    return MemberState.model_validate(member)


@router.post("/applications/{application_id}/decline")
async def decline_application(
    application_id: UUID, body: DeclineRequest, response: Response, session: SessionDep, principal: Staff
) -> ApplicationState:
    """Refuse; the applicant reads the reason under the follow code."""
    now = datetime.now(UTC)
    await reach.check_application(session, principal, application_id)
    application = await commands.decline_application(
        session, application_id, body.reason, body.protocol_number, body.protocol_on, now
    )
    record_access(session, principal.subject, "decline", "application", [application_id], None, now)
    response.headers["ETag"] = etag(application.version)
    return ApplicationState.model_validate(application)
