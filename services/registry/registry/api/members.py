"""Members: the records that staff keep and that members see of themselves."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from common import app
from common.events import registry as events
from common.http import IfMatch, Page, PageDep, SessionDep, check_if_match, etag
from registry import errors
from registry.api.dependencies import MomentDep, Purpose, Reader, ReaderOrMember, Staff, StaffOrMember
from registry.commands import membership as commands
from registry.commands.audit import record_access
from registry.commands.loading import locked
from registry.models import Member
from registry.queries import history, people, reach
from registry.queries.extract import extract
from registry.schemas import people as bodies
from registry.schemas.people import MemberState, MemberView

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
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
    purpose: Purpose = None,
    if_match: IfMatch = None,
) -> MemberView:
    """Staff change category and contacts, members their own contacts."""
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    if body.category is not None and not reach.acts_as_staff(principal):
        raise errors.ContactsOnly
    check_if_match(if_match, (await locked(session, Member, member_id)).version)
    contacts = body.model_dump(exclude_unset=True, include={"phone", "email"})
    day = body.effective_on or now.date()
    await commands.change_member(session, member_id, body.category, contacts, day, now)
    await session.flush()
    record = await people.member(session, principal, member_id)
    record_access(session, principal.subject, "change_member", "member", [member_id], purpose, now)
    response.headers["ETag"] = etag(record.member.version)
    return MemberView.of(record.member, record.person, record.consents)


@router.post("/members/{member_id}/leave")
async def leave(
    member_id: UUID,
    body: bodies.LeaveRequest,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
) -> MemberState:
    """End the membership, free and at once: by the member, or by staff on the member's word."""
    return await _end(session, principal, member_id, "left", None, body, response)


@router.post("/members/{member_id}/expel")
async def expel(
    member_id: UUID, body: bodies.ExpelRequest, response: Response, session: SessionDep, principal: Staff
) -> MemberState:
    return await _end(session, principal, member_id, "expelled", body.reason, body, response)


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


async def _end(
    session: SessionDep,
    principal: StaffOrMember,
    member_id: UUID,
    how: Literal["left", "expelled"],
    reason: str | None,
    body: bodies.LeaveRequest | bodies.ExpelRequest,
    response: Response,
) -> MemberState:
    now = datetime.now(UTC)
    await reach.check_member(session, principal, member_id)
    day = body.effective_on or now.date()
    member = await commands.end_membership(session, member_id, how, reason, day, now)
    action = "leave" if how == "left" else "expel"
    record_access(session, principal.subject, action, "member", [member_id], None, now)
    return _state(member, response)


def _state(member: Member, response: Response) -> MemberState:
    response.headers["ETag"] = etag(member.version)
    return MemberState.model_validate(member)
