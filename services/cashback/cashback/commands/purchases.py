"""Partners' messages as the API takes them: one at a time, or all that wait together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cashback.commands import rows
from cashback.commands.intake import take_or_undo, take_reports
from cashback.commands.reports import Report, Source, Told, What
from cashback.models import Purchase
from cashback.policy import Policy
from common.errors import BusinessError, NotFound


@dataclass(frozen=True)
class Resolution:
    """A message about a purchase that is known by its id: confirmed (in part by `amount`), declined or refunded."""

    partner: str
    purchase_id: UUID
    what: What
    effective_on: date
    amount: int | None = None
    version: str = "1"
    traceparent: str | None = None


async def report_purchase(
    session: AsyncSession, report: Report, policy: Policy, now: datetime, source: Source = "api"
) -> tuple[Purchase, bool]:
    """Take one message. Returns the purchase as it stood after it, and False when it was taken before."""
    [told] = await take_reports(session, [report], source, policy, now)
    if told.purchase is None:
        assert told.refusal is not None
        raise told.refusal
    return told.purchase, not told.repeated


async def resolve_purchase(
    session: AsyncSession, resolution: Resolution, policy: Policy, now: datetime, source: Source
) -> Purchase:
    [report] = await _reports(session, [resolution])
    if isinstance(report, NotFound):
        raise report
    purchase, _ = await report_purchase(session, report, policy, now, source)
    return purchase


async def take_together(
    session: AsyncSession, wanted: Sequence[Report | Resolution], policy: Policy, now: datetime
) -> list[Told | BusinessError]:
    """Take what many requests tell, in their order; a refused one changes nothing and stops no other.

    Raises Overtaken when another transaction takes one of the messages now: the caller rolls back and asks again.
    """
    reports = await _reports(session, wanted)
    found = [report for report in reports if isinstance(report, Report)]
    told = iter(await take_or_undo(session, found, "api", policy, now) if found else ())
    answers: list[Told | BusinessError] = []
    for report in reports:
        answer = report if isinstance(report, NotFound) else next(told)
        answers.append(answer.refusal if isinstance(answer, Told) and answer.refusal else answer)
    return answers


async def _reports(session: AsyncSession, wanted: Sequence[Report | Resolution]) -> list[Report | NotFound]:
    """Each as a message about a line of an order."""
    by_id = [(one.partner, one.purchase_id) for one in wanted if isinstance(one, Resolution)]
    lines = await rows.lines_of(session, by_id) if by_id else {}
    reports: list[Report | NotFound] = []
    for one in wanted:
        if isinstance(one, Report):
            reports.append(one)
        elif (one.partner, one.purchase_id) not in lines:
            reports.append(NotFound("purchase", one.purchase_id))
        else:
            order, line = lines[one.partner, one.purchase_id]
            reports.append(
                Report(
                    one.partner,
                    order,
                    line,
                    one.what,
                    one.version,
                    amount=one.amount,
                    effective_on=one.effective_on,
                    traceparent=one.traceparent,
                )
            )
    return reports
