"""Routes of the reports service."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Request

from common.app import router as kernel_router
from common.auth import STAFF, Principal, Role, require
from common.events.reports import ReportStatus
from common.http import Page, PageDep, ReadSessionDep, SessionDep
from reports import views
from reports.commands import forming
from reports.config import ReportsSettings
from reports.forms import FormBook, Level
from reports.indicators import catalogue
from reports.queries import reading
from reports.queries.reading import Wanted
from reports.schemas import (
    CardsHeadline,
    Day,
    FormCode,
    FormList,
    FormRun,
    HeadlineView,
    IndicatorList,
    IndicatorView,
    MemberCount,
    MembersHeadline,
    ReportItem,
    ReportRunRequest,
    ReportRunView,
    ReportsHeadline,
    StatisticsQuery,
    StatisticsView,
    ToldView,
)
from reports.states import Moment

router = kernel_router(tags=["reports"])


def prepare(app: FastAPI, settings: ReportsSettings) -> None:
    """Read the forms once; the process does not start with one that is not sound."""
    app.state.forms = FormBook.read(settings.report_forms_folder, catalogue())


def forms_of(request: Request) -> FormBook:
    book: FormBook = request.app.state.forms
    return book


Forms = Annotated[FormBook, Depends(forms_of)]
Reader = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP))]
Former = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.REGIONAL_STAFF))]
Revision = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="An earlier revision; absent: the newest")]


@router.post("/report-runs", status_code=201)
async def form_reports(
    body: ReportRunRequest, session: SessionDep, principal: Former, book: Forms
) -> ReportRunView:
    """Form the reports of every organisation in your scope; the same figures again make no new revision."""
    made = await forming.form_reports(session, book, body.form, body.as_of, principal, datetime.now(UTC))
    runs = [
        FormRun(
            form=item.form.form,
            form_version=item.form.version,
            level=item.form.level,
            organisations=item.organisations,
            formed=item.formed,
            unchanged=item.organisations - item.formed,
        )
        for item in made
    ]
    return ReportRunView(
        as_of=body.as_of,
        organisations=sum(run.organisations for run in runs),
        formed=sum(run.formed for run in runs),
        unchanged=sum(run.unchanged for run in runs),
        forms=runs,
    )


@router.get("/reports")
async def list_reports(
    session: ReadSessionDep,
    principal: Reader,
    page: PageDep,
    form: FormCode | None = None,
    organisation_id: UUID | None = None,
    under: Annotated[UUID | None, Query(description="The organisation and everything below it")] = None,
    as_of: Day | None = None,
    level: Level | None = None,
    status: ReportStatus | None = None,
    overdue: Annotated[bool, Query(description="Only those that were due and are not signed")] = False,
) -> Page[ReportItem]:
    """Reports with the figures of their newest revision."""
    wanted = Wanted(
        form=form,
        organisation_id=organisation_id,
        under=under,
        as_of=as_of,
        level=level,
        status=status,
        overdue_on=datetime.now(UTC).date() if overdue else None,
    )
    items, cursor = await reading.reports(session, principal, page, wanted)
    return Page(
        items=[ReportItem(**report.model_dump(), figures=figures) for report, figures in items], next_cursor=cursor
    )


@router.get("/forms")
async def list_forms(_principal: Reader, book: Forms) -> FormList:
    """The forms in use, in their newest version."""
    return FormList(items=[views.form_view(form, book) for form in book.newest.values()])


@router.get("/indicators")
async def list_indicators(_principal: Reader, book: Forms) -> IndicatorList:
    """What can be counted, and what formulas of forms may name."""
    return IndicatorList(
        items=[
            IndicatorView(name=name, label=indicator.label, unit=indicator.unit)
            for name, indicator in book.catalogue.indicators.items()
        ]
    )


@router.get("/member-counts")
async def list_member_counts(session: ReadSessionDep, principal: Reader, page: PageDep) -> Page[MemberCount]:
    """Active members per organisation that has any: to compare with the registry's and the cards' own counts."""
    items, cursor = await reading.member_counts(session, principal, page)
    return Page(
        items=[MemberCount(organisation_id=row.organisation_id, members=row.members) for row in items],
        next_cursor=cursor,
    )


@router.get("/statistics")
async def get_statistics(
    session: ReadSessionDep, principal: Reader, book: Forms, wanted: Annotated[StatisticsQuery, Query()]
) -> StatisticsView:
    """Every indicator over an organisation's subtree, as of any day and as known at any moment."""
    moment = Moment(wanted.as_of, wanted.known_at)
    found = await reading.statistics(session, principal, book.catalogue, wanted.organisation_id, moment)
    told = {
        name: ToldView(
            counted=sides["counted"],
            declared=sides["declared"],
            unknown=sides["unknown"] or 0,
            differs=sides["differs"] or 0,
        )
        for name, sides in found.told.items()
    }
    return StatisticsView(**wanted.model_dump(), indicators=found.figures(book.catalogue), told=told)


@router.get("/headline")
async def get_headline(session: ReadSessionDep, principal: Reader) -> HeadlineView:
    """The scope at a glance, as it is now."""
    members = await reading.active_members(session, principal)
    cards = await reading.active_cards(session, principal)
    as_of, levels = await reading.newest_reports(session, principal)
    return HeadlineView(
        organisations=await reading.active_organisations(session, principal),
        members=MembersHeadline(
            total=sum(members.values()),
            working=members.get("working", 0),
            student=members.get("student", 0),
            pensioner=members.get("pensioner", 0),
            without_category=members.get(None, 0),
        ),
        cards=CardsHeadline(
            active=cards.virtual + cards.plastic,
            virtual=cards.virtual,
            plastic=cards.plastic,
            members=cards.members,
        ),
        participants=await reading.participants(session, principal),
        reports=ReportsHeadline(
            as_of=as_of,
            primary=levels.get("primary", 0),
            territorial=levels.get("territorial", 0),
            regional=levels.get("regional", 0),
            federal=levels.get("federal", 0),
        ),
    )
