"""Operations on the tree: asked for with a dry run, approved by a second person, cancelled, undone, listed."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from common import app
from common.auth import Principal
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag
from registry import errors
from registry.api.dependencies import KnownAt, Reader, TreeStaff
from registry.commands import head_counts
from registry.commands.operations import asking
from registry.commands.operations.asking import Asked, Limits
from registry.config import RegistrySettings
from registry.models import OrganisationOperation
from registry.queries import operations as queries
from registry.queries import reach
from registry.schemas import operations as bodies
from registry.schemas.operations import OperationAnswer, OperationView
from registry.vocabulary import OperationKind, OperationStatus

router = app.router(tags=["organisation operations"])

_MOVES_ITSELF = frozenset({"move", "merge", "split", "close", "reopen"})


def limits_of(request: Request) -> Limits:
    settings: RegistrySettings = request.app.state.settings
    return Limits(settings.mass_members, settings.mass_organisations)


@router.post("/organisation-operations", status_code=201)
async def ask_operation(
    body: bodies.OperationRequest, request: Request, response: Response, session: SessionDep, principal: TreeStaff
) -> OperationAnswer:
    """Create, rename, move, merge, split, close or reopen an organisation, from a past, present or future day on.

    `dry_run` answers 200 with the impact, and the status that the operation would get; `refused`, with the reason,
    where it cannot be done. Otherwise 201: `done`; `scheduled` for its day; or `awaiting_approval` where so many
    members or organisations are moved that a second person decides.
    """
    now = datetime.now(UTC)
    asked = _asked(body, now)
    await _check_reach(session, principal, asked.kind, asked.organisation_id, asked.arguments)
    operation = await asking.ask_operation(
        session, asked, principal.subject, limits_of(request), now, dry_run=body.dry_run
    )
    return _answer(operation, response, body.dry_run)


@router.get("/organisation-operations")
async def list_operations(
    session: ReadSessionDep,
    principal: Reader,
    page: PageDep,
    organisation_id: UUID | None = None,
    status: OperationStatus | None = None,
    kind: OperationKind | None = None,
) -> Page[OperationView]:
    """What was asked for in your organisations, in that order: done, waiting, refused, cancelled or undone."""
    rows, cursor = await queries.operations(session, principal, page, organisation_id, status, kind)
    return Page(items=[OperationView.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/organisation-operations/{operation_id}")
async def read_operation(
    operation_id: UUID, response: Response, session: ReadSessionDep, principal: Reader
) -> OperationView:
    return _view(await queries.operation(session, principal, operation_id), response)


@router.post("/organisation-operations/{operation_id}/approve")
async def approve_operation(
    operation_id: UUID, response: Response, session: SessionDep, principal: TreeStaff
) -> OperationView:
    """By another person than the one who asked, with reach over all organisations that it names."""
    await _check_operation(session, principal, operation_id)
    operation = await asking.approve_operation(session, operation_id, principal, datetime.now(UTC))
    return _view(operation, response)


@router.post("/organisation-operations/{operation_id}/cancel")
async def cancel_operation(
    operation_id: UUID, response: Response, session: SessionDep, principal: TreeStaff
) -> OperationView:
    """Before it is done: by whoever could ask for it."""
    await _check_operation(session, principal, operation_id)
    return _view(await asking.cancel_operation(session, operation_id, principal.subject), response)


@router.post("/organisation-operations/{operation_id}/undo", status_code=201)
async def undo_operation(
    operation_id: UUID,
    body: bodies.UndoRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
) -> OperationAnswer:
    """As if it had not been done, from its day on; refused, with what stands in the way, when something depends on it.

    An undoing is an operation itself: with a dry run, and with a second person where the first needed one.
    """
    now = datetime.now(UTC)
    undone = await _check_operation(session, principal, operation_id)
    asked = Asked("undo", undone.organisation_id, {}, undone.effective_on, body.reason, operation_id)
    operation = await asking.ask_operation(
        session, asked, principal.subject, limits_of(request), now, dry_run=body.dry_run
    )
    return _answer(operation, response, body.dry_run)


@router.post("/organisations/{organisation_id}/head-counts", status_code=201)
async def record_head_count(
    organisation_id: UUID, body: bodies.HeadCountRequest, session: SessionDep, principal: TreeStaff
) -> bodies.HeadCountView:
    """How many are employed and study there, as counted for a day; a second count for the day corrects the first."""
    await reach.check_organisation(session, principal, organisation_id)
    count = await head_counts.record_head_count(
        session,
        organisation_id,
        body.counted_on,
        body.employed,
        body.students,
        principal.subject,
        datetime.now(UTC),
    )
    return bodies.HeadCountView.model_validate(count)


@router.get("/organisations/{organisation_id}/head-counts")
async def list_head_counts(
    organisation_id: UUID,
    session: ReadSessionDep,
    principal: Reader,
    known_at: KnownAt = None,
    corrections: Annotated[bool, Query(description="Also counts that were corrected.")] = False,
) -> list[bodies.HeadCountView]:
    """The counts, newest day first; 500 at most."""
    await reach.check_organisation(session, principal, organisation_id)
    counts = await queries.head_counts(session, organisation_id, known_at, corrections)
    return [bodies.HeadCountView.model_validate(count) for count in counts]


def _asked(body: bodies.OperationRequest, now: datetime) -> Asked:
    given = body.model_dump(
        mode="json",
        exclude={"operation", "organisation_id", "effective_on", "reason", "dry_run"},
        exclude_none=True,
    )
    if isinstance(body, bodies.RenameOperation):
        given = {"changes": given}
    if isinstance(body, bodies.CreateOperation):
        subject = body.organisation.parent_id
        given["organisation"]["parent_id"] = str(subject) if subject else None
    else:
        subject = body.organisation_id
    return Asked(body.operation, subject, given, body.effective_on or now.date(), body.reason)


async def _check_operation(session: SessionDep, principal: Principal, operation_id: UUID) -> OrganisationOperation:
    operation = await queries.operation(session, principal, operation_id)
    await _check_reach(session, principal, operation.kind, operation.organisation_id, operation.arguments)
    return operation


async def _check_reach(
    session: SessionDep, principal: Principal, kind: str, subject: UUID | None, arguments: dict[str, Any]
) -> None:
    """All organisations that the operation names are the caller's; none that it ends or moves is the caller's own."""
    if subject is None and not principal.sees_everything:
        raise errors.PlacementRefused(arguments["organisation"]["kind"], None)
    parts: list[dict[str, Any]] = arguments.get("parts", [])
    made = [part["new"] for part in parts if "new" in part]
    named = {
        *(arguments.get(name) for name in ("parent_id", "into_id")),
        *(part.get("into_id") for part in parts),
        *(new.get("parent_id") for new in made),
    }
    for organisation_id in [subject, *sorted(key for key in named if key)]:
        if organisation_id is not None:
            await reach.check_organisation(session, principal, UUID(str(organisation_id)))
    if kind in _MOVES_ITSELF and subject is not None and subject == principal.organisation_id:
        raise errors.OwnOrganisation


def _view(operation: OrganisationOperation, response: Response) -> OperationView:
    response.headers["ETag"] = etag(operation.version)
    return OperationView.model_validate(operation)


def _answer(operation: OrganisationOperation, response: Response, dry_run: bool) -> OperationAnswer:
    if dry_run:
        response.status_code = 200
    else:
        response.headers["ETag"] = etag(operation.version)
    return OperationAnswer(**OperationView.model_validate(operation).model_dump(), dry_run=dry_run)
