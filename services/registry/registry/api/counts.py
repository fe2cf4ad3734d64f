"""Counts of any day, and the search that forgives."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from common import app
from common.counts import Counts, counts_router
from common.http import Page, PageDep, ReadSessionDep
from common.limits import limited
from common.types import Line
from registry.api.dependencies import MomentDep, Reader
from registry.models import Member, Organisation
from registry.queries import counts, organisations, people, reach
from registry.queries.moments import Moment
from registry.queries.search import search
from registry.schemas import organisations as bodies

router = app.router(tags=["organisations"])
counts_router(router, Counts(Member, Organisation), reach.organisations)

Words = Annotated[Line, Query(min_length=2, description="Words of the name, in any order, with typing errors.")]
Most = Annotated[int, Query(ge=1, le=50)]


@router.get("/organisation-search")
async def search_organisations(
    session: ReadSessionDep, principal: Reader, moment: MomentDep, q: Words, limit: Most = 20
) -> list[bodies.FoundOrganisation]:
    """Organisations within your reach by name or code, the likeliest first: quotes, №, ё and slips are forgiven."""
    rows = await search(session, q, limit, moment, principal)
    return [bodies.FoundOrganisation.model_validate(row) for row in rows]


@router.get("/public/organisation-search", dependencies=[Depends(limited("public_search", times=120, seconds=60))])
async def search_for_applicants(session: ReadSessionDep, q: Words, limit: Most = 20) -> list[bodies.FoundChoice]:
    """Active organisations that take members, the likeliest first."""
    rows = await search(session, q, limit, takes_members=True)
    return [bodies.FoundChoice.model_validate(row) for row in rows]


@router.get("/organisations/{organisation_id}/counts")
async def count_below(
    organisation_id: UUID, session: ReadSessionDep, principal: Reader, moment: MomentDep
) -> bodies.OrganisationCounts:
    """The organisation and all below it, on that day: organisations by kind, members by category."""
    await reach.check_organisation(session, principal, organisation_id)
    found = await counts.whole(session, organisation_id, moment or Moment(datetime.now(UTC).date()))
    return bodies.OrganisationCounts(
        organisations=found["organisations"],
        own=bodies.MemberCategories.of(found["own"]),
        members=bodies.MemberCategories.of(found["members"]),
    )


@router.get("/member-counts")
async def count_members(
    session: ReadSessionDep,
    principal: Reader,
    page: PageDep,
    moment: MomentDep,
    organisation_id: UUID | None = None,
) -> Page[bodies.MemberCount]:
    """Active members by organisation, those of organisations below not added; without members: left out."""
    if moment is None:
        rows, cursor = await organisations.member_counts(session, principal, page, organisation_id)
    else:
        rows, cursor = await counts.members_by_organisation(session, principal, page, organisation_id, moment)
    return Page(items=[bodies.MemberCount.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/headline")
async def read_headline(session: ReadSessionDep, principal: Reader, moment: MomentDep) -> bodies.Headline:
    """The union's headline counts, of your part of it."""
    if moment is None:
        found = await people.headline(session, principal)
    else:
        found = await counts.headline(session, principal, moment)
    return bodies.Headline(
        organisations=found["organisations"],
        members=bodies.MemberCategories.of(found["members"]),
        online_joins=found["online_joins"],
    )
