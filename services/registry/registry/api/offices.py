"""Elected offices: elections, terms, early ends; and what follows from them: grants and the access review."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from common import app
from common.auth import Principal, Role, require
from common.events.registry import Office
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag
from registry import rules
from registry.api.dependencies import Purpose, ReaderOrMember, Staff
from registry.commands import offices as commands
from registry.commands.audit import record_access
from registry.config import RegistrySettings
from registry.models import OfficeTerm
from registry.queries import offices as queries
from registry.queries import powers, reach
from registry.schemas import offices as bodies
from registry.schemas.offices import TermState, TermView

router = app.router(tags=["offices"])

_REVIEWED_DAYS = 90

InternalApp = Annotated[Principal, Depends(require(Role.INTERNAL_APP))]
Reviewer = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.REGIONAL_STAFF))]


@router.post("/organisations/{organisation_id}/offices", status_code=201)
async def elect(
    organisation_id: UUID,
    body: bodies.ElectionRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: Staff,
) -> TermState:
    """Record an election. Chairs and deputies, who have powers, are recorded by the organisation above."""
    now = datetime.now(UTC)
    settings: RegistrySettings = request.app.state.settings
    await reach.check_records_office(session, principal, organisation_id, body.office)
    await reach.check_member(session, principal, body.member_id)
    term = await commands.elect_to_office(
        session,
        organisation_id=organisation_id,
        **body.model_dump(),
        longest_years=settings.office_years,
        now=now,
    )
    record_access(session, principal.subject, "elect", "member", [term.member_id], None, now)
    return _state(term, response)


@router.get("/offices")
async def list_offices(
    session: SessionDep,
    principal: ReaderOrMember,
    page: PageDep,
    organisation_id: UUID | None = None,
    member_id: UUID | None = None,
    office: Office | None = None,
    on: Annotated[date | None, Query(ge=rules.EARLIEST, description="Only terms in force on that day.")] = None,
    purpose: Purpose = None,
) -> Page[TermView]:
    """Terms of office within your reach, and your own; the reading of names is recorded."""
    records, cursor = await queries.terms(
        session, principal, page, organisation_id=organisation_id, member_id=member_id, office=office, on=on
    )
    named = [record.term.member_id for record in records if record.person]
    record_access(session, principal.subject, "list_offices", "member", named, purpose, datetime.now(UTC))
    return Page(items=[TermView.of(record.term, record.person) for record in records], next_cursor=cursor)


@router.get("/offices/{term_id}")
async def read_office(
    term_id: UUID, response: Response, session: SessionDep, principal: ReaderOrMember, purpose: Purpose = None
) -> TermView:
    record = await queries.term(session, principal, term_id)
    named = [record.term.member_id] if record.person else []
    record_access(session, principal.subject, "read_office", "member", named, purpose, datetime.now(UTC))
    response.headers["ETag"] = etag(record.term.version)
    return TermView.of(record.term, record.person)


@router.patch("/offices/{term_id}")
async def change_office(
    term_id: UUID,
    body: bodies.TermChange,
    response: Response,
    session: SessionDep,
    principal: Staff,
    if_match: IfMatch = None,
) -> TermState:
    """Released or no longer: whether the union pays the holder for the office alone."""
    now = datetime.now(UTC)
    await reach.check_records_term(session, principal, term_id)
    term, _ = await commands.locked_term(session, term_id)
    check_if_match(if_match, term.version)
    return _state(await commands.set_released(session, term_id, body.released, now), response)


@router.post("/offices/{term_id}/prolong")
async def prolong(
    term_id: UUID,
    body: bodies.ProlongRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: Staff,
) -> TermState:
    """A later last day for a term that is not over, by a new protocol."""
    settings: RegistrySettings = request.app.state.settings
    await reach.check_records_term(session, principal, term_id)
    now = datetime.now(UTC)
    term = await commands.prolong_term(
        session, term_id, **body.model_dump(), longest_years=settings.office_years, now=now
    )
    record_access(session, principal.subject, "prolong_office", "member", [term.member_id], None, now)
    return _state(term, response)


@router.post("/offices/{term_id}/end")
async def end_early(
    term_id: UUID, body: bodies.EndRequest, response: Response, session: SessionDep, principal: Staff
) -> TermState:
    """The powers end before the term does; without a day they end at once."""
    await reach.check_records_term(session, principal, term_id)
    now = datetime.now(UTC)
    term = await commands.end_term(session, term_id, body.ends_on, body.reason, now)
    record_access(session, principal.subject, "end_office", "member", [term.member_id], None, now)
    return _state(term, response)


@router.get("/access/grants")
async def read_grants(session: ReadSessionDep, principal: InternalApp, member_id: UUID) -> bodies.Grants:
    """For the identity provider: what tokens of this member may claim today, by the terms of office."""
    await reach.check_known(session, principal, member_id)
    found = await powers.grants(session, member_id, datetime.now(UTC).date())
    return bodies.Grants(member_id=member_id, grants=[bodies.Grant(**grant) for grant in found])


@router.get("/organisations/{organisation_id}/access")
async def review_access(
    organisation_id: UUID, session: ReadSessionDep, principal: Reviewer
) -> bodies.AccessReview:
    """Who can see this organisation's members, and why; and who did of late."""
    now = datetime.now(UTC)
    await reach.check_organisation(session, principal, organisation_id)
    return bodies.AccessReview(
        organisation_id=organisation_id,
        seats=await powers.seats(session, organisation_id, now.date()),
        seen=await powers.seen_by(session, organisation_id, now, _REVIEWED_DAYS),
        seen_days=_REVIEWED_DAYS,
    )


def _state(term: OfficeTerm, response: Response) -> TermState:
    response.headers["ETag"] = etag(term.version)
    return TermState.model_validate(term)
