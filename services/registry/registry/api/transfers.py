"""Transfers between organisations."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import Request, Response

from common import app
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag
from registry.api.dependencies import ReaderOrMember, Staff, StaffOrMember
from registry.commands import transfers as commands
from registry.config import RegistrySettings
from registry.models import Transfer
from registry.queries import people, reach
from registry.schemas.fields import Reason
from registry.schemas.people import AcceptRequest, TransferRequest, TransferStatus, TransferView

router = app.router(tags=["transfers"])


@router.post("/transfers", status_code=201)
async def release_member(
    body: TransferRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: StaffOrMember,
) -> TransferView:
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
    return _view(transfer, response)


@router.get("/transfers")
async def list_transfers(
    session: ReadSessionDep,
    principal: ReaderOrMember,
    page: PageDep,
    status: TransferStatus | None = None,
    member_id: UUID | None = None,
) -> Page[TransferView]:
    """Transfers from and to organisations within your reach, and your own."""
    rows, cursor = await people.transfers(session, principal, page, status, member_id)
    return Page(items=[TransferView.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("/transfers/{transfer_id}/accept")
async def accept_transfer(
    transfer_id: UUID, body: AcceptRequest, response: Response, session: SessionDep, principal: Staff
) -> TransferView:
    """Take the member on, up to the deadline. Seniority is kept."""
    now = datetime.now(UTC)
    await reach.check_receives(session, principal, transfer_id)
    day = body.effective_on or now.date()
    return _view(await commands.accept_transfer(session, transfer_id, day, now), response)


@router.post("/transfers/{transfer_id}/refuse")
async def refuse_transfer(
    transfer_id: UUID, body: Reason, response: Response, session: SessionDep, principal: Staff
) -> TransferView:
    """The member stays where they are."""
    await reach.check_receives(session, principal, transfer_id)
    transfer = await commands.refuse_transfer(session, transfer_id, body.reason, datetime.now(UTC))
    return _view(transfer, response)


def _view(transfer: Transfer, response: Response) -> TransferView:
    response.headers["ETag"] = etag(transfer.version)
    return TransferView.model_validate(transfer)
