"""The tree of organisations and its counts."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request, Response

from common import app
from common.auth import Principal
from common.events.registry import Kind
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag
from common.types import Line
from registry import errors, rules
from registry.api.dependencies import MomentDep, Reader, TreeStaff
from registry.api.operations import limits_of
from registry.commands.loading import lock_tree, locked
from registry.commands.operations.asking import Asked, ask_operation
from registry.models import Organisation
from registry.queries import organisations as queries
from registry.queries import reach
from registry.schemas import organisations as bodies
from registry.schemas.organisations import OrganisationView

router = app.router(tags=["organisations"])


@router.post("/organisations", status_code=201)
async def create_organisation(
    body: bodies.OrganisationRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
) -> OrganisationView:
    """Open an organisation under a parent within your reach; the root is opened by federal staff."""
    if body.parent_id is not None:
        await reach.check_organisation(session, principal, body.parent_id)
    elif not principal.sees_everything:
        raise errors.PlacementRefused(body.kind, None)
    given = body.model_dump(mode="json", exclude={"effective_on"})
    made = await _done(session, request, principal, "create", body.parent_id, {"organisation": given}, body, None)
    return await _newest(session, made, response)


@router.get("/organisations")
async def list_organisations(
    session: ReadSessionDep,
    principal: Reader,
    page: PageDep,
    moment: MomentDep,
    q: Annotated[Line | None, Query(description="Words of the name, or the code")] = None,
    parent_id: UUID | None = None,
    kind: Kind | None = None,
    under: Annotated[UUID | None, Query(description="This organisation and all that stood below it")] = None,
    status: Literal["active", "closed"] | None = None,
) -> Page[OrganisationView]:
    """Organisations within your reach, in the order of their making."""
    rows, cursor = await queries.organisations(
        session, principal, page, text=q, parent_id=parent_id, kind=kind, moment=moment, under=under, status=status
    )
    return Page(items=[OrganisationView.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/organisations/{organisation_id}")
async def read_organisation(
    organisation_id: UUID, response: Response, session: ReadSessionDep, principal: Reader, moment: MomentDep
) -> OrganisationView:
    """One organisation; with `as_of`, as it was on that day. The ETag is always that of the newest state."""
    return _view(await queries.organisation(session, principal, organisation_id, moment), response)


@router.patch("/organisations/{organisation_id}")
async def change_organisation(
    organisation_id: UUID,
    body: bodies.OrganisationChange,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
    if_match: IfMatch = None,
) -> OrganisationView:
    await reach.check_organisation(session, principal, organisation_id)
    await lock_tree(session)
    check_if_match(if_match, (await locked(session, Organisation, organisation_id)).version)
    changes = body.model_dump(exclude_unset=True, exclude={"effective_on"})
    if body.name is None:
        changes.pop("name", None)
    kind = "rename" if "name" in changes else "change"
    arguments = {"changes": changes}
    await _done(session, request, principal, kind, organisation_id, arguments, body, None)
    return await _newest(session, organisation_id, response)


@router.post("/organisations/{organisation_id}/move")
async def move_organisation(
    organisation_id: UUID,
    body: bodies.MoveRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
) -> OrganisationView:
    """Both the organisation and its new parent are within your reach."""
    await reach.check_organisation(session, principal, organisation_id)
    await reach.check_organisation(session, principal, body.parent_id)
    if organisation_id == principal.organisation_id:
        raise errors.OwnOrganisation
    arguments = {"parent_id": str(body.parent_id)}
    await _done(session, request, principal, "move", organisation_id, arguments, body, body.reason)
    return await _newest(session, organisation_id, response)


@router.post("/organisations/{organisation_id}/close")
async def close_organisation(
    organisation_id: UUID,
    body: bodies.CloseRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
) -> OrganisationView:
    await reach.check_organisation(session, principal, organisation_id)
    if organisation_id == principal.organisation_id:
        raise errors.OwnOrganisation
    await _done(session, request, principal, "close", organisation_id, {}, body, body.reason)
    return await _newest(session, organisation_id, response)


class _Dated(Protocol):
    effective_on: date | None


async def _done(
    session: SessionDep,
    request: Request,
    principal: Principal,
    kind: str,
    subject: UUID | None,
    arguments: dict[str, Any],
    body: _Dated,
    reason: str | None,
) -> UUID:
    """The operation, done at once or not at all; returns the organisation. What waits is asked for elsewhere."""
    now = datetime.now(UTC)
    day = body.effective_on or now.date()
    rules.check_date(day, "effective_on", now.date())
    asked = Asked(kind, subject, arguments, day, reason)
    operation = await ask_operation(session, asked, principal.subject, limits_of(request), now, at_once=True)
    assert operation.organisation_id is not None
    return operation.organisation_id


async def _newest(session: SessionDep, organisation_id: UUID, response: Response) -> OrganisationView:
    return _view(await locked(session, Organisation, organisation_id), response)


def _view(organisation: Organisation, response: Response) -> OrganisationView:
    response.headers["ETag"] = etag(organisation.version)
    return OrganisationView.model_validate(organisation)
