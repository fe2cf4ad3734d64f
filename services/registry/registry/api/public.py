"""What a person without a token may do: find an organisation, apply, follow the application."""

import secrets
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from uuid_utils.compat import uuid7

from common import app
from common.events.registry import InstitutionType
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag
from common.limits import limited
from common.types import Line
from registry import rules
from registry.commands import applications as commands
from registry.commands.audit import record_access
from registry.config import RegistrySettings
from registry.consent_texts import TEXTS
from registry.models import Person
from registry.queries import organisations, people
from registry.schemas import people as bodies
from registry.schemas.organisations import OrganisationChoice, Region
from registry.schemas.people import (
    ApplicationProgress,
    ApplicationReceipt,
    ApplicationRequest,
    ConsentTextView,
    FollowRequest,
    WithdrawnApplication,
)

router = app.router(tags=["public"])

FollowCode = Annotated[
    bodies.FollowCode,
    Header(
        alias="X-Follow-Code",
        description="The code of the receipt: never in an address, which proxies note.",
    ),
]
_FOLLOW = Depends(limited("follow_codes", times=30, seconds=60))
_SEARCH = Depends(limited("public_search", times=120, seconds=60))


@router.get("/public/regions", dependencies=[_SEARCH])
async def list_regions(session: ReadSessionDep, page: PageDep) -> Page[Region]:
    """The regional organisations: where the search for one's own begins."""
    rows, cursor = await organisations.regions(session, page)
    return Page(items=[Region.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/public/organisations", dependencies=[_SEARCH])
async def find_organisations(
    session: ReadSessionDep,
    page: PageDep,
    q: Annotated[Line | None, Query(min_length=2, description="Words of the name")] = None,
    region_id: UUID | None = None,
    institution_type: InstitutionType | None = None,
) -> Page[OrganisationChoice]:
    """Active organisations that take members: by region, by words of the name, by the kind of institution."""
    rows, cursor = await organisations.applicants_choice(
        session, page, text=q, region_id=region_id, institution_type=institution_type
    )
    return Page(items=[OrganisationChoice.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/public/organisations/{organisation_id}", dependencies=[_SEARCH])
async def read_choice(organisation_id: UUID, session: ReadSessionDep) -> OrganisationChoice:
    """One of them: what an applicant has chosen, and where a member is."""
    return OrganisationChoice.model_validate(await organisations.applicants_one(session, organisation_id))


@router.get("/public/consent-texts")
async def read_consent_texts() -> list[ConsentTextView]:
    """The texts that an applicant and a member may consent to."""
    return [ConsentTextView.model_validate(text) for text in TEXTS.values()]


@router.post(
    "/applications",
    status_code=201,
    dependencies=[Depends(limited("applications", times=20, seconds=60))],
)
async def apply(
    body: ApplicationRequest, request: Request, response: Response, session: SessionDep
) -> ApplicationReceipt:
    """Apply to join. The answer is the same whether or not the person is known already.

    The same application sent again, with whatever key, is one application; each answer's follow code leads to it.
    """
    now = datetime.now(UTC)
    settings: RegistrySettings = request.app.state.settings
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
        decision_days=settings.decision_days,
        now=now,
    )
    record_access(session, "applicant", "apply", "application", [application.application_id], None, now)
    response.headers["ETag"] = etag(application.version)
    return ApplicationReceipt(
        application_id=application.application_id, follow_code=follow_code, status="submitted"
    )


@router.get("/public/application", dependencies=[_FOLLOW])
async def follow_application(follow_code: FollowCode, session: ReadSessionDep) -> ApplicationProgress:
    """How far the application of a follow code is; no personal data."""
    return ApplicationProgress.model_validate(await people.followed_application(session, follow_code))


@router.post("/public/application/withdraw", dependencies=[_FOLLOW])
async def withdraw_application(body: FollowRequest, session: SessionDep) -> WithdrawnApplication:
    """Take the application back, as long as it is not decided."""
    now = datetime.now(UTC)
    application = await commands.withdraw_application(session, body.follow_code, now)
    record_access(session, "applicant", "withdraw", "application", [application.application_id], None, now)
    return WithdrawnApplication(status="withdrawn")
