"""Transfers between organisations."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import Request, Response

from common import app
from common.http import Page, PageDep, SessionDep, etag
from registry.api.dependencies import Purpose, ReaderOrMember, Staff, StaffOrMember
from registry.commands import transfers as commands
from registry.commands.audit import record_access
from registry.config import RegistrySettings
from registry.models import Transfer
from registry.queries import people, reach
from registry.schemas.fields import Reason
from registry.schemas.people import AcceptRequest, TransferRequest, TransferState, TransferStatus, TransferView

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
        body.effective_on or now.date(),
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
    purpose: Purpose = None,
) -> Page[TransferView]:
    """Transfers from and to organisations within your reach, and your own; the reading of names is recorded."""
    records, cursor = await people.transfers(session, principal, page, status, member_id)
    named = [record.transfer.member_id for record in records if record.person]
    record_access(session, principal.subject, "list_transfers", "member", named, purpose, datetime.now(UTC))
    return Page(items=[TransferView.of(record.transfer, record.person) for record in records], next_cursor=cursor)


@router.post("/transfers/{transfer_id}/accept")
async def accept_transfer(
    transfer_id: UUID, body: AcceptRequest, response: Response, session: SessionDep, principal: Staff
) -> TransferState:
    """Take the member on, up to the deadline. Seniority is kept."""
    now = datetime.now(UTC)
    await reach.check_receives(session, principal, transfer_id)
    day = body.effective_on or now.date()
    transfer = await commands.accept_transfer(session, transfer_id, day, now)
    record_access(session, principal.subject, "accept_transfer", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


@router.post("/transfers/{transfer_id}/refuse")
async def refuse_transfer(
    transfer_id: UUID, body: Reason, response: Response, session: SessionDep, principal: Staff
) -> TransferState:
    """The member stays where they are."""
    now = datetime.now(UTC)
    await reach.check_receives(session, principal, transfer_id)
    transfer = await commands.refuse_transfer(session, transfer_id, body.reason, now)
    record_access(session, principal.subject, "refuse_transfer", "member", [transfer.member_id], None, now)
    return _state(transfer, response)


def _state(transfer: Transfer, response: Response) -> TransferState:
    response.headers["ETag"] = etag(transfer.version)
    return TransferState.model_validate(transfer)
