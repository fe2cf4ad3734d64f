"""Members: the records that staff keep and that members see of themselves."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from uuid_utils.compat import uuid7

from common import app
from common.events import registry as events
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag
from registry import errors, rules
from registry.api.dependencies import (
    MomentDep,
    Purpose,
    Reader,
    ReaderOrMember,
    Staff,
    StaffOrMember,
    business_day,
)
from registry.commands import admission
from registry.commands import membership as commands
from registry.commands.audit import record_access
from registry.commands.duplicates import confirm_namesakes
from registry.commands.loading import locked
from registry.models import Member, Person
from registry.queries import history, people, reach
from registry.queries.extract import extract
from registry.schemas import people as bodies
from registry.schemas.people import MemberState, MemberView, PersonFields

router = app.router(tags=["members"])


@router.get("/members")
async def list_members(
    session: SessionDep,
    principal: Reader,
    page: PageDep,
    moment: MomentDep,
    organisation_id: UUID | None = None,
    status: events.MemberStatus | None = None,
    member_id: Annotated[list[UUID] | None, Query(max_length=100, description="Only these, up to 100")] = None,
    purpose: Purpose = None,
) -> Page[MemberView]:
    """Members within your reach; the reading of names is recorded.

    With `as_of`: those who were in your organisations on that day, without the names of those who have gone elsewhere.
    """
    if moment is None:
        records, cursor = await people.members(session, principal, page, organisation_id, status, member_id)
    else:
        records, cursor = await history.members_then(
            session, principal, page, moment, organisation_id, status, member_id
        )
    named = [record.member.member_id for record in records if record.person]
    record_access(session, principal.subject, "list_members", "member", named, purpose, datetime.now(UTC))
    return Page(
        items=[MemberView.of(record.member, record.person, record.consents) for record in records],
        next_cursor=cursor,
    )


@router.post("/members", status_code=201)
async def enter_member(
    body: bodies.MemberRequest, request: Request, response: Response, session: SessionDep, principal: Staff
) -> MemberState:
    """Take a person on by a paper application and the committee's protocol."""
    now = datetime.now(UTC)
    await reach.check_organisation(session, principal, body.organisation_id)
    day = business_day(request, principal, body.effective_on, now)
    personal = body.model_dump(include=set(PersonFields.model_fields) | {"sex"})
    key = rules.match_key(body.last_name, body.first_name, body.patronymic, body.birth_date)
    member = await admission.enter_member(
        session,
        organisation_id=body.organisation_id,
        person=Person(person_id=uuid7(), match_key=key, **personal),
        category=body.category,
        pedagogical=body.pedagogical,
        consents=body.consents,
        admitted_on=day,
        seniority_from=body.seniority_from,
        protocol_number=body.protocol_number,
        protocol_on=body.protocol_on or day,
        namesake_confirmed=body.namesake_confirmed,
        now=now,
    )
    if body.namesake_confirmed:
        await confirm_namesakes(session, member, principal.subject, now)
    record_access(session, principal.subject, "enter_member", "member", [member.member_id], None, now)
    return _state(member, response)


@router.get("/members/{member_id}")
async def read_member(
    member_id: UUID,
    response: Response,
    session: SessionDep,
    principal: ReaderOrMember,
    moment: MomentDep,
    purpose: Purpose = None,
) -> MemberView:
    """One member; with `as_of`, as of that day. The ETag is always that of the newest state."""
    if moment is None:
        record = await people.member(session, principal, member_id)
    else:
        record = await history.member_then(session, principal, member_id, moment)
    named = [member_id] if record.person else []
    record_access(session, principal.subject, "read_member", "member", named, purpose, datetime.now(UTC))
    response.headers["ETag"] = etag(record.member.version)
    return MemberView.of(record.member, record.person, record.consents)


@router.patch("/members/{member_id}")
async def change_member(
    member_id: UUID,
    body: bodies.MemberChange,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
    purpose: Purpose = None,
    if_match: IfMatch = None,
) -> MemberView:
    """Staff change category and contacts and correct what was wrong; members change their own contacts."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    corrections = body.corrections()
    beyond = corrections or body.category is not None or body.pedagogical is not None
    if beyond and not reach.acts_as_staff(principal):
        raise errors.ContactsOnly
    check_if_match(if_match, (await locked(session, Member, member_id)).version)
    day = business_day(request, principal, body.effective_on, now)
    await commands.change_member(
        session,
        member_id,
        body.category,
        body.contacts(),
        day,
        now,
        pedagogical=body.pedagogical,
        corrections=corrections,
        reason=body.reason,
    )
    await session.flush()
    record = await people.member(session, principal, member_id)
    record_access(session, principal.subject, "change_member", "member", [member_id], purpose, now)
    response.headers["ETag"] = etag(record.member.version)
    return MemberView.of(record.member, record.person, record.consents)


@router.post("/members/{member_id}/leave")
async def leave(
    member_id: UUID,
    body: bodies.LeaveRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
) -> MemberState:
    """End the membership, free and at once: by the member, or by staff on the member's word."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    day = business_day(request, principal, body.effective_on, now)
    member = await commands.end_membership(session, member_id, "left", None, day, now)
    record_access(session, principal.subject, "leave", "member", [member_id], None, now)
    return _state(member, response)


@router.post("/members/{member_id}/expel")
async def expel(
    member_id: UUID,
    body: bodies.ExpelRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: Staff,
) -> MemberState:
    """End the membership by the committee's protocol."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    day = business_day(request, principal, body.effective_on, now)
    member = await commands.end_membership(
        session,
        member_id,
        "expelled",
        body.reason,
        day,
        now,
        protocol_number=body.protocol_number,
        protocol_on=body.protocol_on,
    )
    record_access(session, principal.subject, "expel", "member", [member_id], None, now)
    return _state(member, response)


@router.post("/members/{member_id}/reinstate")
async def reinstate(
    member_id: UUID,
    body: bodies.ReinstateRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: Staff,
) -> MemberState:
    """A membership that ended goes on by the committee's protocol; the seniority is kept or begins by decision."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    if body.organisation_id is not None:
        await reach.check_organisation(session, principal, body.organisation_id)
    day = business_day(request, principal, body.effective_on, now)
    member = await admission.reinstate_member(
        session,
        member_id,
        organisation_id=body.organisation_id,
        effective_on=day,
        seniority_from=body.seniority_from,
        protocol_number=body.protocol_number,
        protocol_on=body.protocol_on or day,
        reason=body.reason,
        namesake_confirmed=body.namesake_confirmed,
        now=now,
    )
    if body.namesake_confirmed:
        await confirm_namesakes(session, member, principal.subject, now)
    record_access(session, principal.subject, "reinstate", "member", [member_id], None, now)
    return _state(member, response)


@router.get("/members/{member_id}/seniority")
async def read_seniority(
    member_id: UUID,
    session: ReadSessionDep,
    principal: ReaderOrMember,
    as_of: Annotated[date | None, Query(ge=rules.EARLIEST, le=rules.LATEST, description="Default: today.")] = None,
) -> bodies.Seniority:
    """Full years of membership on a day; days between an end and a reinstatement do not count."""
    member = (await people.member(session, principal, member_id)).member
    day = as_of or datetime.now(UTC).date()
    years, interrupted = rules.seniority(member.joined_on, await people.stays(session, member_id), day)
    return bodies.Seniority(
        member_id=member_id, as_of=day, years=years, since=member.joined_on, interrupted_days=interrupted
    )


@router.post("/members/{member_id}/consents", status_code=201)
async def give_consent(
    member_id: UUID,
    body: bodies.ConsentRequest,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
) -> MemberState:
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    if body.channel == "online" and not reach.is_own(principal, member_id):
        raise errors.ConsentOnPaperOnly
    member = await commands.give_consent(session, member_id, body.purpose, body.text_version, body.channel, now)
    record_access(session, principal.subject, "give_consent", "member", [member_id], None, now)
    return _state(member, response)


@router.post("/members/{member_id}/consents/{purpose}/withdraw")
async def withdraw_consent(
    member_id: UUID,
    purpose: events.Purpose,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
) -> MemberState:
    """Each consent is withdrawn by itself; the membership goes on."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    member = await commands.withdraw_consent(session, member_id, purpose, now)
    record_access(session, principal.subject, "withdraw_consent", "member", [member_id], None, now)
    return _state(member, response)


@router.get("/members/{member_id}/extract")
async def read_extract(
    member_id: UUID, session: SessionDep, principal: StaffOrMember, purpose: Purpose = None
) -> bodies.Extract:
    """Everything held about the member, machine-readable."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    found = await extract(session, member_id)
    record_access(session, principal.subject, "read_extract", "member", [member_id], purpose, now)
    return bodies.Extract(generated_at=now, **found)


def _state(member: Member, response: Response) -> MemberState:
    response.headers["ETag"] = etag(member.version)
    return MemberState.model_validate(member)
