"""The pocket registry of staff: what phones get, what they send, and what has to be decided of it."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query, Request

from common import app
from common.auth import STAFF, Principal, optional_principal
from common.errors import Forbidden, Unauthenticated
from common.http import Page, PageDep, SessionDep
from common.limits import limited
from registry.api.dependencies import Purpose, Staff, backdating_days
from registry.api.sync_views import item_view, page_view, result_view, status_view
from registry.commands import sync as commands
from registry.commands import sync_items
from registry.commands.audit import record_access
from registry.config import RegistrySettings
from registry.queries import reach, sync
from registry.queries import sync_items as queries
from registry.schemas import sync as bodies
from registry.schemas.fields import Reason

router = app.router(tags=["pocket sync"])

DeviceId = Annotated[
    UUID, Query(description="The phone's own id: a random UUID, made anew for each person who signs in on it.")
]


async def _bearer(principal: Annotated[Principal | None, Depends(optional_principal)]) -> Principal:
    """Anybody with a token; whom the routes let in besides staff, they say."""
    if principal is None:
        raise Unauthenticated
    return principal


_bearer.required_roles = frozenset(STAFF)  # type: ignore[attr-defined]  # read by the scope tests
PhoneOwner = Annotated[Principal, Depends(_bearer)]
"""Staff, and who was staff when the phone last synchronised: it must hear that it is over, and bring what it has."""


async def _check_phone(session: SessionDep, principal: Principal, device_id: UUID) -> None:
    if not reach.acts_as_staff(principal) and not await sync.known_device(session, principal.subject, device_id):
        raise Forbidden(f"This needs one of the roles {', '.join(sorted(STAFF))}.")


@router.get("/sync", dependencies=[Depends(limited("sync", 600, 60))])
async def synchronise(
    request: Request,
    session: SessionDep,
    principal: PhoneOwner,
    device_id: DeviceId,
    cursor: Annotated[
        str | None, Query(max_length=100, description="Of the last page; absent: from the start.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=2000, description="Rows of all kinds together.")] = 500,
    purpose: Purpose = None,
) -> bodies.SyncPage:
    """Everything of your organisation and those below it, then what has changed. The reading is recorded."""
    await session.execute(sa.text("set transaction isolation level repeatable read"))
    settings: RegistrySettings = request.app.state.settings
    now = datetime.now(UTC)
    await _check_phone(session, principal, device_id)
    page = await sync.synchronise(session, principal, device_id, cursor, limit, settings.sync_days, now)
    seen = [member.member_id for member, _, _ in page.members]
    seen += [transfer.member_id for transfer, _ in page.transfers]
    seen += [term.member_id for term, _ in page.offices]
    record_access(session, principal.subject, "sync", "member", list(dict.fromkeys(seen)), purpose, now)
    applicants = [application.application_id for application, _, _ in page.applications]
    record_access(session, principal.subject, "sync", "application", applicants, purpose, now)
    return page_view(page)


@router.post("/sync", dependencies=[Depends(limited("sync_batch", 300, 60))])
async def send_operations(
    body: bodies.SyncBatch, request: Request, session: SessionDep, principal: PhoneOwner
) -> bodies.SyncResults:
    """Operations made offline. Each has its own outcome, and the same one however often it is sent."""
    settings: RegistrySettings = request.app.state.settings
    await _check_phone(session, principal, body.device_id)
    root, scope = await sync.scope(session, principal)
    sender = commands.Sender(
        subject=principal.subject,
        device_id=body.device_id,
        root_id=root,
        scope=scope,
        held=await sync.held_organisations(session, principal.subject, body.device_id),
        transfer_days=settings.transfer_days,
        backdating_days=backdating_days(request, principal),
        decider=principal.organisation_id,
    )
    received = await commands.receive_batch(session, sender, body.operations, datetime.now(UTC))
    return bodies.SyncResults(results=[result_view(one.operation, scope, one.repeated) for one in received])


@router.get("/sync/operations")
async def list_phone_operations(
    session: SessionDep, principal: PhoneOwner, page: PageDep, device_id: DeviceId
) -> Page[bodies.OperationStatus]:
    """What became of the operations that the phone sent."""
    await _check_phone(session, principal, device_id)
    _, scope = await sync.scope(session, principal)
    operations, cursor = await queries.own_operations(session, principal.subject, device_id, page)
    return Page(items=[status_view(operation, scope) for operation in operations], next_cursor=cursor)


@router.get("/sync/conflicts")
async def list_conflicts(
    session: SessionDep,
    principal: Staff,
    page: PageDep,
    decided: bool = False,
    purpose: Purpose = None,
) -> Page[bodies.SyncItem]:
    """Operations of your phones that could not be done: both sides of each. The reading is recorded."""
    return await _list(session, principal, page, queries.CONFLICTS, decided, purpose)


@router.post("/sync/conflicts/{item_id}/resolve")
async def resolve_conflict(
    item_id: UUID, body: bodies.ResolveRequest, request: Request, session: SessionDep, principal: Staff
) -> bodies.OperationStatus:
    """Take the phone's side, wholly or of some fields, or leave the record as it is."""
    await queries.check_item(session, principal, item_id, queries.CONFLICTS)
    if body.take == "current":
        return await _drop(session, principal, item_id, body.reason)
    return await _apply(session, request, principal, item_id, body)


@router.get("/sync/stranded")
async def list_stranded(
    session: SessionDep,
    principal: Staff,
    page: PageDep,
    decided: bool = False,
    purpose: Purpose = None,
) -> Page[bodies.SyncItem]:
    """What others did offline to what is yours now: somebody whose term ended, who moved, who had the member before."""
    return await _list(session, principal, page, queries.STRANDED, decided, purpose)


@router.post("/sync/stranded/{item_id}/accept")
async def accept_stranded(
    item_id: UUID, body: bodies.AcceptStranded, request: Request, session: SessionDep, principal: Staff
) -> bodies.OperationStatus:
    """Do it by your own right."""
    await queries.check_item(session, principal, item_id, queries.STRANDED)
    return await _apply(session, request, principal, item_id, body)


@router.post("/sync/stranded/{item_id}/decline")
async def decline_stranded(
    item_id: UUID, body: Reason, session: SessionDep, principal: Staff
) -> bodies.OperationStatus:
    """Leave everything as it is."""
    await queries.check_item(session, principal, item_id, queries.STRANDED)
    return await _drop(session, principal, item_id, body.reason)


async def _list(
    session: SessionDep,
    principal: Principal,
    page: PageDep,
    outcomes: tuple[str, ...],
    decided: bool,
    purpose: str | None,
) -> Page[bodies.SyncItem]:
    items, cursor = await queries.items(session, principal, page, outcomes, decided)
    now = datetime.now(UTC)
    members = [key for item in items if item.person and (key := item.operation.member_id)]
    record_access(session, principal.subject, "list_sync_items", "member", members, purpose, now)
    applicants = [key for item in items if item.person and (key := item.operation.application_id)]
    record_access(session, principal.subject, "list_sync_items", "application", applicants, purpose, now)
    return Page(items=[item_view(item) for item in items], next_cursor=cursor)


async def _apply(
    session: SessionDep,
    request: Request,
    principal: Principal,
    item_id: UUID,
    body: bodies.ResolveRequest | bodies.AcceptStranded,
) -> bodies.OperationStatus:
    settings: RegistrySettings = request.app.state.settings
    now = datetime.now(UTC)
    item = await sync_items.apply_item(
        session,
        item_id,
        check_organisation=partial(reach.check_organisation, session, principal),
        subject=principal.subject,
        current_version=body.current_version,
        fields=body.fields,
        corrections=body.corrections.model_dump(exclude_unset=True, exclude_none=True),
        transfer_days=settings.transfer_days,
        backdating_days=backdating_days(request, principal),
        decider=principal.organisation_id,
        now=now,
    )
    if item.member_id is not None:
        record_access(session, principal.subject, "accept_sync_item", "member", [item.member_id], None, now)
    return status_view(item, None)


async def _drop(
    session: SessionDep, principal: Principal, item_id: UUID, reason: str | None
) -> bodies.OperationStatus:
    now = datetime.now(UTC)
    item = await sync_items.drop_item(session, item_id, subject=principal.subject, reason=reason, now=now)
    if item.member_id is not None:
        record_access(session, principal.subject, "drop_sync_item", "member", [item.member_id], None, now)
    return status_view(item, None)
