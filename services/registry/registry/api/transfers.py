"""Transfers between organisations."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from common import app
from common.http import Page, PageDep, SessionDep, etag
from registry.api.dependencies import Purpose, ReaderOrMember, Staff, StaffOrMember, business_day
from registry.commands import transfers as commands
from registry.commands.audit import record_access
from registry.config import RegistrySettings
from registry.models import Transfer
from registry.queries import people, reach
from registry.schemas.fields import Reason
from registry.schemas.transfers import (
    AcceptRequest,
    CancelRequest,
    ExtendRequest,
    TransferRequest,
    TransferState,
    TransferStatus,
    TransferView,
)

router = app.router(tags=["transfers"])


@router.post("/transfers", status_code=201)
async def release_member(
    body: TransferRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
) -> TransferState:
    """Release a member to another organisation. The member stays until that one accepts."""
    now = datetime.now(UTC)
    settings: RegistrySettings = request.app.state.settings
    await reach.check_member(session, principal, body.member_id)
    transfer = await commands.release_member(
        session,
        body.member_id,
        body.to_organisation_id,
        business_day(request, principal, body.effective_on, now),
        settings.transfer_days,
        now,
    )
    record_access(session, principal.subject, "release", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


@router.get("/transfers")
async def list_transfers(
    session: SessionDep,
    principal: ReaderOrMember,
    page: PageDep,
    status: TransferStatus | None = None,
    member_id: UUID | None = None,
    escalated: Annotated[
        bool, Query(description="Those that wait for you, since their deadline has passed.")
    ] = False,
    reminded: Annotated[
        bool, Query(description="Those that your organisations have to decide soon: the deadline is near.")
    ] = False,
    purpose: Purpose = None,
) -> Page[TransferView]:
    """Transfers from and to organisations within your reach, and your own; the reading of names is recorded."""
    records, cursor = await people.transfers(
        session, principal, page, status=status, member_id=member_id, escalated=escalated, reminded=reminded
    )
    named = [record.transfer.member_id for record in records if record.person]
    record_access(session, principal.subject, "list_transfers", "member", named, purpose, datetime.now(UTC))
    return Page(items=[TransferView.of(record.transfer, record.person) for record in records], next_cursor=cursor)


@router.post("/transfers/{transfer_id}/accept")
async def accept_transfer(
    transfer_id: UUID,
    body: AcceptRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: Staff,
) -> TransferState:
    """Take the member on. Seniority and card are kept.

    Up to the deadline the receiving organisation does it; then the one above both ends, on its behalf.
    """
    now = datetime.now(UTC)
    await reach.check_receives(session, principal, transfer_id)
    day = business_day(request, principal, body.effective_on, now)
    transfer = await commands.accept_transfer(session, transfer_id, day, principal.organisation_id, now)
    record_access(session, principal.subject, "accept_transfer", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


@router.post("/transfers/{transfer_id}/refuse")
async def refuse_transfer(
    transfer_id: UUID, body: Reason, response: Response, session: SessionDep, principal: Staff
) -> TransferState:
    """The member stays where they are. Decided by the same ones as an acceptance."""
    now = datetime.now(UTC)
    await reach.check_receives(session, principal, transfer_id)
    transfer = await commands.refuse_transfer(session, transfer_id, body.reason, principal.organisation_id, now)
    record_access(session, principal.subject, "refuse_transfer", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


@router.post("/transfers/{transfer_id}/extend")
async def extend_transfer(
    transfer_id: UUID, body: ExtendRequest, response: Response, session: SessionDep, principal: Staff
) -> TransferState:
    """Give the receiving organisation more time: by the one above both ends, once the deadline has passed."""
    now = datetime.now(UTC)
    await reach.check_receives(session, principal, transfer_id)
    transfer = await commands.extend_transfer(session, transfer_id, body.deadline, principal.organisation_id, now)
    record_access(session, principal.subject, "extend_transfer", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


@router.post("/transfers/{transfer_id}/cancel")
async def cancel_transfer(
    transfer_id: UUID, body: CancelRequest, response: Response, session: SessionDep, principal: StaffOrMember
) -> TransferState:
    """By the member, or by those who released: the member stays where they are."""
    now = datetime.now(UTC)
    await reach.check_releases(session, principal, transfer_id)
    transfer = await commands.cancel_transfer(session, transfer_id, body.reason, now)
    record_access(session, principal.subject, "cancel_transfer", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


def _state(transfer: Transfer, response: Response) -> TransferState:
    response.headers["ETag"] = etag(transfer.version)
    return TransferState.model_validate(transfer)
