"""The tree of organisations and its counts."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from common import app
from common.events.registry import Kind
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag
from common.types import Line
from registry import errors
from registry.api.dependencies import MomentDep, Reader, TreeStaff
from registry.commands import organisations as commands
from registry.commands.loading import locked
from registry.models import Organisation
from registry.queries import organisations as queries
from registry.queries import people, reach
from registry.schemas import organisations as bodies
from registry.schemas.organisations import OrganisationView

router = app.router(tags=["organisations"])


@router.post("/organisations", status_code=201)
async def create_organisation(
    body: bodies.OrganisationRequest, response: Response, session: SessionDep, principal: TreeStaff
) -> OrganisationView:
    """Open an organisation under a parent within your reach; the root is opened by federal staff."""
    now = datetime.now(UTC)
    if body.parent_id is not None:
        await reach.check_organisation(session, principal, body.parent_id)
    elif not principal.sees_everything:
        raise errors.PlacementRefused(body.kind, None)
    organisation = await commands.create_organisation(
        session,
        **body.model_dump(exclude={"effective_on"}),
        opened_on=body.effective_on or now.date(),
        now=now,
    )
    return _view(organisation, response)


@router.get("/organisations")
async def list_organisations(
    session: ReadSessionDep,
    principal: Reader,
    page: PageDep,
    moment: MomentDep,
    q: Annotated[Line | None, Query(description="Words of the name, or the code")] = None,
    parent_id: UUID | None = None,
    kind: Kind | None = None,
) -> Page[OrganisationView]:
    """Organisations within your reach, in the order of their making."""
    rows, cursor = await queries.organisations(
        session, principal, page, text=q, parent_id=parent_id, kind=kind, moment=moment
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
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
    if_match: IfMatch = None,
) -> OrganisationView:
    now = datetime.now(UTC)
    await reach.check_organisation(session, principal, organisation_id)
    check_if_match(if_match, (await locked(session, Organisation, organisation_id)).version)
    changes = body.model_dump(exclude_unset=True, exclude={"effective_on"})
    if body.name is None:
        changes.pop("name", None)
    day = body.effective_on or now.date()
    return _view(await commands.change_organisation(session, organisation_id, changes, day, now), response)


@router.post("/organisations/{organisation_id}/move")
async def move_organisation(
    organisation_id: UUID,
    body: bodies.MoveRequest,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
) -> OrganisationView:
    """Both the organisation and its new parent are within your reach."""
    now = datetime.now(UTC)
    await reach.check_organisation(session, principal, organisation_id)
    await reach.check_organisation(session, principal, body.parent_id)
    if organisation_id == principal.organisation_id:
        raise errors.OwnOrganisation
    day = body.effective_on or now.date()
    moved = await commands.move_organisation(session, organisation_id, body.parent_id, body.reason, day, now)
    return _view(moved, response)


@router.post("/organisations/{organisation_id}/close")
async def close_organisation(
    organisation_id: UUID,
    body: bodies.CloseRequest,
    response: Response,
    session: SessionDep,
    principal: TreeStaff,
) -> OrganisationView:
    now = datetime.now(UTC)
    await reach.check_organisation(session, principal, organisation_id)
    if organisation_id == principal.organisation_id:
        raise errors.OwnOrganisation
    day = body.effective_on or now.date()
    closed = await commands.close_organisation(session, organisation_id, body.reason, day, now)
    return _view(closed, response)


@router.get("/member-counts")
async def count_members(
    session: ReadSessionDep, principal: Reader, page: PageDep, organisation_id: UUID | None = None
) -> Page[bodies.MemberCount]:
    """Active members by organisation, those of organisations below not added; without members: left out."""
    rows, cursor = await queries.member_counts(session, principal, page, organisation_id)
    return Page(items=[bodies.MemberCount.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/headline")
async def read_headline(session: ReadSessionDep, principal: Reader) -> bodies.Headline:
    """The union's headline counts, of your part of it."""
    found = await people.headline(session, principal)
    members = {category or "not_given": count for category, count in found["members"].items()}
    return bodies.Headline(
        organisations=found["organisations"],
        members=bodies.MemberCategories(
            working=members.get("working", 0),
            student=members.get("student", 0),
            pensioner=members.get("pensioner", 0),
            not_given=members.get("not_given", 0),
            total=sum(members.values()),
        ),
        online_joins=found["online_joins"],
    )


def _view(organisation: Organisation, response: Response) -> OrganisationView:
    response.headers["ETag"] = etag(organisation.version)
    return OrganisationView.model_validate(organisation)
