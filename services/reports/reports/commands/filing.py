"""From hand to hand: declared, signed by the chair, accepted or returned from above, locked, reopened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from common.auth import Principal, in_scope, subtree
from common.errors import NotFound
from common.events.reports import (
    ReportAccepted,
    ReportEvent,
    ReportLocked,
    ReportReopened,
    ReportReturned,
    ReportSigned,
)
from common.http import check_if_match
from common.outbox import publish, publishing
from reports import rules
from reports.commands.forming import form_anew
from reports.errors import AboveFiled, BelowNotAccepted
from reports.forms import FormBook
from reports.models import Declaration, Organisation
from reports.records import FILED, Report, ReportRevision, ReportStep
from reports.rules import NEEDED, Step

EVENTS: Mapping[Step, type[ReportEvent]] = {
    "signed": ReportSigned,
    "returned": ReportReturned,
    "accepted": ReportAccepted,
    "locked": ReportLocked,
    "reopened": ReportReopened,
}
Decision = Literal["accept", "lock"]
_BULK: Mapping[Decision, Step] = {"accept": "accepted", "lock": "locked"}


@dataclass(frozen=True)
class Caller:
    """Who acts, when, and on which version of the report."""

    principal: Principal
    if_match: str | None
    now: datetime


async def declare_figures(
    session: AsyncSession, book: FormBook, report_id: UUID, values: Mapping[str, int | None], caller: Caller
) -> Report:
    """Keep what the base cannot know, and form the draft anew with it. None takes a figure back."""
    report = await _locked_report(session, report_id, caller)
    check_if_match(caller.if_match, report.version)
    rules.check_step("signed", report.status)
    revision = await _revision(session, report)
    rules.check_asked(values, revision.asked, report.level)
    for indicator, figure in values.items():
        newest = await session.scalar(
            sa.select(sa.func.max(col(Declaration.version))).where(
                col(Declaration.organisation_id) == report.organisation_id,
                col(Declaration.as_of) == report.as_of,
                col(Declaration.indicator) == indicator,
            )
        )
        session.add(
            Declaration(
                organisation_id=report.organisation_id,
                as_of=report.as_of,
                indicator=indicator,
                version=(newest or 0) + 1,
                figure=figure,
                declared_by=caller.principal.subject,
                recorded_at=caller.now,
            )
        )
    form = book.newest.get(report.form)
    if form is not None:
        organisation_id = report.organisation_id
        await form_anew(session, book, form, report.as_of, caller.now, lambda column: column == organisation_id)
    await session.refresh(report)
    return report


async def sign_report(session: AsyncSession, book: FormBook, report_id: UUID, caller: Caller) -> Report:
    """The organisation's chair stands by the figures. What is directly below must have been accepted."""
    report = await _locked_report(session, report_id, caller)
    rules.check_signs(caller.principal, report.organisation_id, report.level)
    check_if_match(caller.if_match, report.version)
    rules.check_step("signed", report.status)
    revision = await _revision(session, report)
    form = book.get(report.form, revision.form_version)
    rules.check_figures(form.checks if form else [], revision.failed)
    if revision.parts:
        await _check_below(session, report, [UUID(part) for part in revision.parts])
    report.signed_by, report.signed_at = caller.principal.subject, caller.now
    report.first_signed_on = report.first_signed_on or caller.now.date()
    _take(session, report, "signed", caller)
    return report


async def decide_report(
    session: AsyncSession,
    report_id: UUID,
    step: Literal["returned", "accepted", "locked"],
    reason: str | None,
    caller: Caller,
) -> Report:
    """Accept, lock or return a report, from above."""
    report = await _locked_report(session, report_id, caller)
    rules.check_decides(caller.principal, report.organisation_id, report.signed_by)
    check_if_match(caller.if_match, report.version)
    rules.check_step(step, report.status)
    if step == "accepted":
        report.accepted_at = caller.now
    elif step == "returned":
        report.signed_by = report.signed_at = None
        report.reason = reason
    _take(session, report, step, caller, reason)
    return report


async def reopen_report(session: AsyncSession, report_id: UUID, reason: str, caller: Caller) -> Report:
    """Make an accepted or locked report a draft of its next edition; the report above must not rest on it."""
    above = await _report_above(session, report_id)
    report = await _locked_report(session, report_id, caller)
    rules.check_decides(caller.principal, report.organisation_id, None)
    check_if_match(caller.if_match, report.version)
    rules.check_step("reopened", report.status)
    if above is not None and above.status in FILED:
        raise AboveFiled(above.report_id)
    report.signed_by = report.signed_at = report.accepted_at = None
    report.reason, report.edition = reason, report.edition + 1
    _take(session, report, "reopened", caller, reason)
    return report


async def decide_many(
    session: AsyncSession,
    decision: Decision,
    organisation_id: UUID,
    as_of: date,
    form: str | None,
    principal: Principal,
    now: datetime,
) -> int:
    """Accept or lock, below an organisation of the caller's scope, every report that can be; returns how many."""
    step = _BULK[decision]
    visible = await session.scalar(
        sa.select(col(Organisation.organisation_id)).where(
            col(Organisation.organisation_id) == organisation_id,
            in_scope(principal, Organisation.organisation_id, Organisation),
        )
    )
    if visible is None:
        raise NotFound("organisation", organisation_id)
    report: sa.Table = Report.__table__  # type: ignore[attr-defined]
    chosen = (
        sa.select(report.c.report_id)
        .where(
            report.c.as_of == as_of,
            report.c.status.in_(NEEDED[step]),
            report.c.organisation_id.in_(subtree(organisation_id, Organisation)),
            # Nobody judges the own organisation's report, nor one that they have signed.
            report.c.organisation_id != (principal.organisation_id or UUID(int=0)),
            report.c.signed_by.is_distinct_from(principal.subject),
        )
        .order_by(report.c.report_id)
        .with_for_update()
    )
    if form is not None:
        chosen = chosen.where(report.c.form == form)
    moment = sa.cast(now, sa.DateTime(timezone=True))
    changes: dict[str, Any] = {"status": step, "version": report.c.version + 1}
    if step == "accepted":
        changes["accepted_at"] = moment
    ids = chosen.cte("chosen")
    decided = (
        sa.update(report)
        .where(report.c.report_id.in_(sa.select(ids.c.report_id)), report.c.status.in_(NEEDED[step]))
        .values(changes)
        .returning(report)
        .cte("decided")
    )
    steps = sa.insert(ReportStep.__table__).from_select(  # type: ignore[attr-defined]
        ["report_id", "version", "step", "revision", "taken_by", "taken_at", "reason"],
        sa.select(
            decided.c.report_id,
            decided.c.version,
            sa.cast(step, sa.Text),
            decided.c.revision,
            sa.cast(principal.subject, sa.Text),
            moment,
            sa.cast(sa.null(), sa.Text),
        ),
    )
    shards: int = session.sync_session.info["outbox_shards"]
    events = publishing(EVENTS[step], decided, shards, effective_on=sa.cast(now.date(), sa.Date))
    count = await session.scalar(
        sa.select(sa.func.count()).select_from(decided).add_cte(steps.cte("steps"), events.cte("told_of"))
    )
    return int(count or 0)


async def _locked_report(session: AsyncSession, report_id: UUID, caller: Caller) -> Report:
    found = await session.execute(
        sa.select(Report)
        .where(col(Report.report_id) == report_id)
        .where(in_scope(caller.principal, Report.organisation_id, Organisation))
        .with_for_update()
    )
    report = found.scalar_one_or_none()
    if report is None:
        raise NotFound("report", report_id)
    return report


async def _report_above(session: AsyncSession, report_id: UUID) -> Report | None:
    """The report that sums this one up, locked first: who signs it locks from above to below as well."""
    own = aliased(Report)
    found = await session.execute(
        sa.select(Report)
        .join(Organisation, col(Organisation.parent_id) == col(Report.organisation_id))
        .join(own, col(own.organisation_id) == col(Organisation.organisation_id))
        .where(col(own.report_id) == report_id, col(Report.as_of) == col(own.as_of))
        .order_by(col(Report.status).in_(FILED).desc())
        .with_for_update(of=Report)
    )
    return found.scalars().first()


async def _check_below(session: AsyncSession, report: Report, parts: list[UUID]) -> None:
    below = (
        await session.execute(
            sa.select(Report)
            .where(col(Report.organisation_id).in_(parts), col(Report.as_of) == report.as_of)
            .order_by(col(Report.report_id))
            .with_for_update(read=True)
        )
    ).scalars()
    waiting = sum(1 for each in below if each.status not in ("accepted", "locked"))
    if waiting:
        raise BelowNotAccepted(waiting, report.organisation_id)


async def _revision(session: AsyncSession, report: Report) -> ReportRevision:
    found = await session.get(ReportRevision, (report.report_id, report.revision))
    assert found is not None
    return found


def _take(session: AsyncSession, report: Report, step: Step, caller: Caller, reason: str | None = None) -> None:
    report.status, report.version = step, report.version + 1
    session.add(
        ReportStep(
            report_id=report.report_id,
            version=report.version,
            step=step,
            revision=report.revision,
            taken_by=caller.principal.subject,
            taken_at=caller.now,
            reason=reason,
        )
    )
    publish(
        session,
        EVENTS[step](
            version=report.version,
            effective_on=caller.now.date(),
            report_id=report.report_id,
            organisation_id=report.organisation_id,
            form=report.form,
            form_version=report.form_version,
            as_of=report.as_of,
            status=step,
            revision=report.revision,
            edition=report.edition,
        ),
    )
