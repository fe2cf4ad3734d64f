"""Records that may be of one person: the queue, side by side, and what is decided."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from common import app
from common.http import Page, PageDep, SessionDep, etag
from registry.api.dependencies import Purpose, Staff
from registry.commands import duplicates as commands
from registry.commands.audit import record_access
from registry.commands.merging import request_merge
from registry.commands.unmerging import undo_merge
from registry.config import RegistrySettings
from registry.errors import OtherRecordOutOfReach
from registry.evidence import WORDS
from registry.models import Approval, Duplicate
from registry.queries import reach, records
from registry.queries.records import Side
from registry.schemas import records as bodies
from registry.schemas.people import PersonFields
from registry.schemas.records import (
    ApprovalView,
    DuplicateDetail,
    DuplicateState,
    DuplicateView,
    EvidenceView,
    MergeView,
    SideView,
)
from registry.states import DuplicateStatus, Strength

router = app.router(tags=["duplicates"])


@router.get("/duplicates")
async def list_duplicates(
    session: SessionDep,
    principal: Staff,
    page: PageDep,
    status: DuplicateStatus | None = "open",
    strength: Strength | None = None,
    handed_over: Annotated[
        bool | None, Query(description="Only those handed over to your organisation; false: only others.")
    ] = None,
) -> Page[DuplicateView]:
    """Pairs with a record within your reach, without personal data. Default: those that wait for a decision."""
    rows, cursor = await records.duplicates(session, principal, page, status, strength, handed_over)
    return Page(items=[DuplicateView.model_validate(_fields(row)) for row in rows], next_cursor=cursor)


@router.get("/duplicates/{duplicate_id}")
async def read_duplicate(
    duplicate_id: UUID, response: Response, session: SessionDep, principal: Staff, purpose: Purpose = None
) -> DuplicateDetail:
    """Both records side by side; the reading is recorded. One out of your reach shows nothing of itself."""
    found, sides = await records.duplicate(session, principal, duplicate_id)
    now = datetime.now(UTC)
    for side in sides:
        if side.within_reach:
            _record(session, principal.subject, "read_duplicate", side, purpose, now)
    response.headers["ETag"] = etag(found.version)
    return DuplicateDetail(**_fields(found), sides=[_side(side) for side in sides])


@router.post("/duplicates/{duplicate_id}/not-same")
async def say_not_same(
    duplicate_id: UUID, response: Response, session: SessionDep, principal: Staff
) -> DuplicateState:
    """These are two people. The pair is not proposed again."""
    now = datetime.now(UTC)
    _, sides = await records.duplicate(session, principal, duplicate_id)
    _check_both(sides)
    decided = await commands.say_not_same(session, duplicate_id, principal.subject, now)
    for side in sides:
        _record(session, principal.subject, "say_not_same", side, None, now)
    return _state(decided, response)


@router.post("/duplicates/{duplicate_id}/hand-over")
async def hand_over(
    duplicate_id: UUID, response: Response, session: SessionDep, principal: Staff
) -> DuplicateState:
    """Ask the staff of the organisation above both records to decide."""
    _, sides = await records.duplicate(session, principal, duplicate_id)
    one, other = (side.organisation_id for side in sides)
    assert one is not None
    assert other is not None
    above = await records.common_organisation(session, one, other)
    return _state(await commands.hand_over(session, duplicate_id, above, principal.subject), response)


@router.post("/merges", status_code=201)
async def ask_for_merge(
    body: bodies.MergeRequest, request: Request, response: Response, session: SessionDep, principal: Staff
) -> ApprovalView:
    """Ask for two records to become one. Both are within your reach; somebody else approves."""
    now = datetime.now(UTC)
    settings: RegistrySettings = request.app.state.settings
    for member_id in (body.survivor_member_id, body.absorbed_member_id):
        await reach.check_member(session, principal, member_id)
    approval = await request_merge(
        session,
        survivor_id=body.survivor_member_id,
        absorbed_id=body.absorbed_member_id,
        seniority=body.seniority,
        take=body.take,
        reason=body.reason,
        requested_by=principal.subject,
        days=settings.approval_days,
        now=now,
    )
    ids = [body.survivor_member_id, body.absorbed_member_id]
    record_access(session, principal.subject, "request_merge", "member", ids, None, now)
    return _approval(approval, response)


@router.get("/merges")
async def list_merges(session: SessionDep, principal: Staff, page: PageDep) -> Page[MergeView]:
    """Merges of two records within your reach."""
    rows, cursor = await records.merges(session, principal, page)
    return Page(items=[MergeView.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("/merges/{merge_id}/undo")
async def undo(merge_id: UUID, response: Response, session: SessionDep, principal: Staff) -> MergeView:
    """Both records stand again as they were; what happened to them since is kept."""
    now = datetime.now(UTC)
    found = await records.merge(session, principal, merge_id)
    merge = await undo_merge(session, merge_id, principal.subject, now)
    ids = [found.survivor_member_id, found.absorbed_member_id]
    record_access(session, principal.subject, "undo_merge", "member", ids, None, now)
    response.headers["ETag"] = etag(merge.version)
    return MergeView.model_validate(merge)


def _fields(row: Duplicate) -> dict[str, object]:
    evidence = [EvidenceView(code=code, detail=WORDS[code]) for code in row.evidence]
    return {**row.model_dump(), "evidence": evidence}


def _side(side: Side) -> SideView:
    if not side.within_reach:
        return SideView(within_reach=False)
    member, application = side.member, side.application
    record = member.model_dump() if member else application.model_dump() if application else {}
    shown = {name: record[name] for name in SideView.model_fields if name in record and name != "consents"}
    shown |= {"status": member.status if member else None, "consents": side.consents}
    if application:
        shown["application_id"] = application.application_id
    personal = side.person.model_dump(include={*PersonFields.model_fields, "sex"})
    return SideView(**{**shown, **personal}, within_reach=True)


def _check_both(sides: list[Side]) -> None:
    if not all(side.within_reach for side in sides):
        raise OtherRecordOutOfReach


def _record(
    session: SessionDep, subject: str, action: str, side: Side, purpose: str | None, now: datetime
) -> None:
    if side.member:
        record_access(session, subject, action, "member", [side.member.member_id], purpose, now)
    if side.application:
        record_access(session, subject, action, "application", [side.application.application_id], purpose, now)


def _state(row: Duplicate, response: Response) -> DuplicateState:
    response.headers["ETag"] = etag(row.version)
    return DuplicateState.model_validate(row)


def _approval(approval: Approval, response: Response) -> ApprovalView:
    response.headers["ETag"] = etag(approval.version)
    return ApprovalView.model_validate(approval)
