"""Four eyes: what waits for a second person."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from common import app
from common.auth import STAFF, Principal, Role, require, second_person
from common.errors import Forbidden
from common.http import Page, PageDep, SessionDep, etag
from registry.api.dependencies import TREE_STAFF, Staff
from registry.commands import deciding, erasure
from registry.commands.audit import record_access
from registry.config import RegistrySettings
from registry.models import Approval
from registry.queries import records
from registry.schemas.fields import Reason
from registry.schemas.records import ApprovalView
from registry.states import ApprovalStatus

router = app.router(tags=["approvals"])

StaffOrAuditor = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR))]


@router.get("/approvals")
async def list_approvals(
    session: SessionDep,
    principal: StaffOrAuditor,
    page: PageDep,
    status: ApprovalStatus | None = "waiting",
    action: str | None = None,
) -> Page[ApprovalView]:
    """Requests of which everything is within your reach. Default: those that wait."""
    rows, cursor = await records.approvals(session, principal, page, status, action)
    return Page(items=[ApprovalView.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/approvals/{approval_id}")
async def read_approval(
    approval_id: UUID, response: Response, session: SessionDep, principal: StaffOrAuditor
) -> ApprovalView:
    return _view(await records.approval(session, principal, approval_id), response)


@router.post("/approvals/{approval_id}/approve")
async def approve(
    approval_id: UUID, request: Request, response: Response, session: SessionDep, principal: Staff
) -> ApprovalView:
    """Let it happen, at once. Not by who asked; an erasure is approved by territorial staff or above."""
    now = datetime.now(UTC)
    settings: RegistrySettings = request.app.state.settings
    found = await records.approval(session, principal, approval_id)
    second_person(principal, found.requested_by)
    if found.action == erasure.ACTION and not principal.roles & set(TREE_STAFF):
        raise Forbidden("An erasure is approved by the staff of a territorial organisation or one above it.")
    # Before the act: the words that an erasure blanks must not come back by the record of it.
    ids = [UUID(str(value)) for name, value in found.arguments.items() if name.endswith("member_id")]
    record_access(session, principal.subject, found.action, "member", ids, None, now)
    return _view(await deciding.approve(session, approval_id, principal.subject, settings, now), response)


@router.post("/approvals/{approval_id}/refuse")
async def refuse(
    approval_id: UUID, body: Reason, response: Response, session: SessionDep, principal: Staff
) -> ApprovalView:
    """Refuse, or take your own request back."""
    await records.approval(session, principal, approval_id)
    now = datetime.now(UTC)
    return _view(await deciding.refuse(session, approval_id, principal.subject, body.reason, now), response)


def _view(approval: Approval, response: Response) -> ApprovalView:
    response.headers["ETag"] = etag(approval.version)
    return ApprovalView.model_validate(approval)
