"""Routes that look into the figures: the cockpit, what is behind a figure, why it changed, what is public."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Path, Query, Request

from common.app import router as kernel_router
from common.errors import NotFound
from common.http import Page, PageDep, ReadSessionDep
from common.limits import limited
from reports import views_insight
from reports.api import Forms, Reader
from reports.formulas import Formula
from reports.queries import changes, cockpit, opening, public, reading
from reports.schemas import Day
from reports.schemas_insight import (
    BehindView,
    ChangeQuery,
    ChangeView,
    CockpitView,
    MomentQuery,
    MovedView,
    OpenedRowView,
    OpenedView,
    PublicView,
)
from reports.states import Moment

router = kernel_router(tags=["figures"])

Indicator = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,49}$", description="See GET /v1/indicators")]
MomentDep = Annotated[MomentQuery, Query()]


async def change_query(query: Annotated[ChangeQuery, Query()]) -> ChangeQuery:
    return query


# Behind a dependency: beside other query parameters FastAPI takes a model for one parameter.
ChangeDep = Annotated[ChangeQuery, Depends(change_query)]


async def moment_query(query: MomentDep) -> MomentQuery:
    return query


@router.get("/organisations/{organisation_id}/cockpit")
async def get_cockpit(
    organisation_id: UUID,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    as_of: Annotated[Day | None, Query(description="Of the reports; absent: the newest there are")] = None,
) -> CockpitView:
    """An organisation with everything below it, live: completeness, coverage, movement, and the same of those below."""
    found = await cockpit.cockpit(session, principal, book, organisation_id, as_of)
    return views_insight.cockpit_view(found, book, datetime.now(UTC).date())


@router.get("/organisations/{organisation_id}/figures/{indicator}")
async def open_figure(
    organisation_id: UUID,
    indicator: Indicator,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    wanted: MomentDep,
) -> OpenedView:
    """A figure as of any day: how it is made, and the share of each organisation directly below."""
    moment = Moment(wanted.as_of, wanted.known_at)
    found = await opening.opened(session, principal, book.catalogue, organisation_id, indicator, moment)
    return views_insight.opened_view(organisation_id, indicator, book.catalogue, moment, found)


@router.get("/organisations/{organisation_id}/figures/{indicator}/behind")
async def list_behind_figure(
    organisation_id: UUID,
    indicator: Indicator,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    page: PageDep,
    wanted: Annotated[MomentQuery, Depends(moment_query)],
) -> Page[BehindView]:
    """The ids behind a figure, with the event each rests on. Names are the registry's to tell, to whom it may."""
    moment = Moment(wanted.as_of, wanted.known_at)
    rows, cursor = await opening.behind(
        session, principal, book.catalogue, organisation_id, indicator, moment, page
    )
    return Page(items=[BehindView(**row._mapping) for row in rows], next_cursor=cursor)


@router.get("/reports/{report_id}/rows/{row}")
async def open_row(
    report_id: UUID,
    row: Annotated[str, Path(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,19}$")],
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
) -> OpenedRowView:
    """A row of a report: what was filed, its formula, and each indicator of it opened as it is known now."""
    filed = await reading.report(session, principal, report_id, None)
    form = book.get(filed.report.form, filed.revision.form_version)
    found = form.row(row) if form else None
    if found is None:
        raise NotFound("row", row)
    moment, organisation_id = Moment(filed.report.as_of), filed.report.organisation_id
    opened = []
    for name in sorted(Formula(found.value).names):
        each = await opening.opened(session, principal, book.catalogue, organisation_id, name, moment)
        opened.append(views_insight.opened_view(organisation_id, name, book.catalogue, moment, each))
    return OpenedRowView(
        report_id=report_id,
        row=row,
        label=found.label,
        unit=found.unit,
        formula=found.value,
        filed=filed.revision.figures.get(row),
        indicators=opened,
    )


@router.get("/organisations/{organisation_id}/changes/{indicator}")
async def explain_change(
    organisation_id: UUID,
    indicator: Indicator,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    wanted: Annotated[ChangeQuery, Query()],
) -> ChangeView:
    """Why a figure changed between two days (and two moments of knowledge): movements that add up to the difference."""
    found = await changes.changes(
        session, principal, book.catalogue, organisation_id, indicator, *_moments(wanted)
    )
    return views_insight.change_view(indicator, book.catalogue, found)


@router.get("/organisations/{organisation_id}/changes/{indicator}/behind")
async def list_behind_change(
    organisation_id: UUID,
    indicator: Indicator,
    session: ReadSessionDep,
    principal: Reader,
    book: Forms,
    page: PageDep,
    wanted: ChangeDep,
    step: Literal["learnt", "happened"],
    cause: Annotated[str, Query(pattern=r"^[a-z_]{1,40}$")],
) -> Page[MovedView]:
    """The ids behind one movement of a change."""
    rows, cursor = await changes.moved(
        session, principal, book.catalogue, organisation_id, indicator, *_moments(wanted), step, cause, page
    )
    return Page(items=[MovedView(entity_id=row.entity_id, delta=row.delta) for row in rows], next_cursor=cursor)


@router.get("/public/statistics", dependencies=[Depends(limited("public_statistics", times=30, seconds=60))])
async def get_public_statistics(
    request: Request, session: ReadSessionDep, book: Forms, as_of: Annotated[Day | None, Query()] = None
) -> PublicView:
    """Members by region and category, of accepted reports, for everybody: without small cells and what betrays them."""
    threshold: int = request.app.state.settings.public_threshold
    day = as_of or await public.newest_public_day(session)
    rows = await public.public_rows(session, book, day, views_insight.PUBLIC) if day else []
    return views_insight.public_view(rows, day or date(datetime.now(UTC).year, 1, 1), threshold)


def _moments(wanted: ChangeQuery) -> tuple[Moment, Moment]:
    last = Moment(wanted.until, wanted.known_until)
    return Moment(wanted.since, wanted.known_since or wanted.known_until), last
