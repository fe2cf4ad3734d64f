"""What a person without a token may do: find an organisation, apply, follow the application."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import StringConstraints
from uuid_utils.compat import uuid7

from common import app
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag
from common.types import Line
from registry import rules
from registry.commands import applications as commands
from registry.commands.audit import record_access
from registry.consent_texts import TEXTS
from registry.models import Person
from registry.queries import organisations, people
from registry.schemas.organisations import OrganisationChoice
from registry.schemas.people import (
    ApplicationProgress,
    ApplicationReceipt,
    ApplicationRequest,
    ConsentTextView,
)

router = app.router(tags=["public"])

FollowCode = Annotated[str, StringConstraints(min_length=22, max_length=22, pattern=r"^[\w\-]+$"), Path()]


@router.get("/public/organisations")
async def find_organisations(
    session: ReadSessionDep, page: PageDep, q: Annotated[Line, Query(min_length=2)]
) -> Page[OrganisationChoice]:
    """Active organisations that take members, by words of the name."""
    rows, cursor = await organisations.applicants_choice(session, q, page)
    return Page(items=[OrganisationChoice.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/public/consent-texts")
async def read_consent_texts() -> list[ConsentTextView]:
    """The texts that an applicant and a member may consent to."""
    return [ConsentTextView.model_validate(text) for text in TEXTS.values()]


@router.post("/applications", status_code=201)
async def apply(body: ApplicationRequest, response: Response, session: SessionDep) -> ApplicationReceipt:
    """Apply to join. The answer is the same whether or not the person is known already."""
    now = datetime.now(UTC)
    person = Person(
        person_id=uuid7(),
        last_name=body.last_name,
        first_name=body.first_name,
        patronymic=body.patronymic,
        birth_date=body.birth_date,
        sex=body.sex,
        phone=body.phone,
        email=body.email,
        match_key=rules.match_key(body.last_name, body.first_name, body.patronymic, body.birth_date),
    )
    follow_code = secrets.token_urlsafe(16)
    application = await commands.submit_application(
        session,
        organisation_id=body.organisation_id,
        person=person,
        category=body.category,
        consents=list(body.consents),
        consent_text_version=body.consent_text_version,
        check_off=body.check_off,
        wished_on=body.effective_on or now.date(),
        follow_code=follow_code,
        now=now,
    )
    record_access(session, "applicant", "apply", "application", [application.application_id], None, now)
    response.headers["ETag"] = etag(application.version)
    return ApplicationReceipt(
        application_id=application.application_id, follow_code=follow_code, status="submitted"
    )


@router.get("/applications/status/{follow_code}")
async def follow_application(follow_code: FollowCode, session: ReadSessionDep) -> ApplicationProgress:
    """How far the application is; no personal data."""
    return ApplicationProgress.model_validate(await people.followed_application(session, follow_code))
