"""Routes on which a report goes from hand to hand."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from common.app import router as kernel_router
from common.auth import STAFF, Principal, Role, require
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, etag
from reports.api import Forms, Reader
from reports.commands import filing
from reports.commands.filing import Caller
from reports.forms import Level
from reports.queries import filing as filed_queries
from reports.queries import reading
from reports.records import Report
from reports.schemas import (
    BlockerView,
    Day,
    DecisionRequest,
    DecisionView,
    DeclareRequest,
    DifferencesView,
    DifferenceView,
    ReasonRequest,
    ReceiptView,
)

router = kernel_router(tags=["filing"])

Signer = Annotated[Principal, Depends(require(*STAFF))]
Decider = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF))]


def _caller(principal: Principal, if_match: str | None) -> Caller:
    return Caller(principal, if_match, datetime.now(UTC))


def _receipt(report: Report, response: Response) -> ReceiptView:
    response.headers["ETag"] = etag(report.version)
    return ReceiptView(**report.model_dump(include=set(ReceiptView.model_fields)))


@router.put("/reports/{report_id}/declared")
async def declare_figures(
    report_id: UUID,
    body: DeclareRequest,
    response: Response,
    session: SessionDep,
    principal: Signer,
    book: Forms,
    if_match: IfMatch = None,
) -> ReceiptView:
    """Tell what the base cannot know; the draft is formed anew with it. Who told what and when stays on record."""
    caller = _caller(principal, if_match)
    return _receipt(await filing.declare_figures(session, book, report_id, body.figures, caller), response)


@router.post("/reports/{report_id}/sign")
async def sign_report(
    report_id: UUID,
    response: Response,
    session: SessionDep,
    principal: Signer,
    book: Forms,
    if_match: IfMatch = None,
) -> ReceiptView:
    """Stand by the figures, as the organisation's chair. From then on they no longer follow the base."""
    return _receipt(await filing.sign_report(session, book, report_id, _caller(principal, if_match)), response)


@router.post("/reports/{report_id}/accept")
async def accept_report(
    report_id: UUID, response: Response, session: SessionDep, principal: Decider, if_match: IfMatch = None
) -> ReceiptView:
    """Take a signed report, from above."""
    caller = _caller(principal, if_match)
    return _receipt(await filing.decide_report(session, report_id, "accepted", None, caller), response)


@router.post("/reports/{report_id}/return")
async def return_report(
    report_id: UUID,
    body: ReasonRequest,
    response: Response,
    session: SessionDep,
    principal: Decider,
    if_match: IfMatch = None,
) -> ReceiptView:
    """Give a signed report back with the reason; it is a draft again."""
    caller = _caller(principal, if_match)
    return _receipt(await filing.decide_report(session, report_id, "returned", body.reason, caller), response)


@router.post("/reports/{report_id}/lock")
async def lock_report(
    report_id: UUID, response: Response, session: SessionDep, principal: Decider, if_match: IfMatch = None
) -> ReceiptView:
    """Close the period for an accepted report."""
    caller = _caller(principal, if_match)
    return _receipt(await filing.decide_report(session, report_id, "locked", None, caller), response)


@router.post("/reports/{report_id}/reopen")
async def reopen_report(
    report_id: UUID,
    body: ReasonRequest,
    response: Response,
    session: SessionDep,
    principal: Decider,
    if_match: IfMatch = None,
) -> ReceiptView:
    """Make an accepted or locked report a draft of its next edition, with the reason."""
    caller = _caller(principal, if_match)
    return _receipt(await filing.reopen_report(session, report_id, body.reason, caller), response)


@router.post("/report-decisions", status_code=201)
async def decide_reports(body: DecisionRequest, session: SessionDep, principal: Decider) -> DecisionView:
    """Accept or lock everything below an organisation that can be; your own and those that you signed stay."""
    decided = await filing.decide_many(
        session, body.decision, body.organisation_id, body.as_of, body.form, principal, datetime.now(UTC)
    )
    return DecisionView(decided=decided)


@router.get("/reports/{report_id}/differences")
async def get_differences(
    report_id: UUID, session: ReadSessionDep, principal: Reader, book: Forms
) -> DifferencesView:
    """What the report says beside what its form says now: corrections that came after it was filed."""
    filed = await reading.report(session, principal, report_id, None)
    found = await filed_queries.differences(session, principal, book, filed)
    return DifferencesView(
        report_id=report_id,
        revision=filed.revision.revision,
        as_of=filed.report.as_of,
        differences=[
            DifferenceView(code=each.row.code, label=each.row.label, filed=each.filed, now=each.now)
            for each in found
        ],
    )


@router.get("/organisations/{organisation_id}/blockers")
async def list_blockers(
    organisation_id: UUID,
    as_of: Annotated[Day, Query()],
    session: ReadSessionDep,
    principal: Reader,
    page: PageDep,
    level: Level | None = None,
) -> Page[BlockerView]:
    """Reports of the organisation and below it that are not accepted yet, and what each waits for."""
    rows, cursor = await filed_queries.blockers(session, principal, page, organisation_id, as_of, level)
    today = datetime.now(UTC).date()
    items = [
        BlockerView(
            **{n: getattr(place, n) for n in ("organisation_id", "code", "name", "kind")},
            **report.model_dump(include={"report_id", "form", "level", "status", "due_on", "reason"}),
            waits_for="acceptance" if report.status == "signed" else "signature",
            overdue=report.status != "signed" and report.due_on is not None and report.due_on < today,
            unknown=sum(sides["unknown"] or 0 for sides in revision.sides().values()),
        )
        for report, revision, place, _ in rows
    ]
    return Page(items=items, next_cursor=cursor)
