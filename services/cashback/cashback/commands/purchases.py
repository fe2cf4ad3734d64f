"""One message of a partner at a time: what the API does. Each is a batch of one."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback.commands.intake import take_reports
from cashback.commands.reports import Report, What
from cashback.models import Purchase
from common.errors import NotFound


async def report_purchase(
    session: AsyncSession, partner: str, report: Report, click_days: int, now: datetime
) -> tuple[Purchase, bool]:
    """Take one message. Returns the purchase as it stood after it, and False when it was taken before."""
    [told] = await take_reports(session, partner, [report], "api", click_days, now)
    if told.purchase is None:
        assert told.refusal is not None
        raise told.refusal
    return told.purchase, not told.repeated


async def resolve_purchase(
    session: AsyncSession,
    partner: str,
    purchase_id: UUID,
    what: What,
    effective_on: date,
    now: datetime,
    amount: int | None = None,
    version: str = "1",
) -> Purchase:
    """Confirm (in part by `amount`), decline or refund a purchase that is known by its id."""
    line = (
        await session.execute(
            sa.select(col(Purchase.order_number), col(Purchase.line)).where(
                col(Purchase.purchase_id) == purchase_id, col(Purchase.partner) == partner
            )
        )
    ).first()
    if line is None:
        raise NotFound("purchase", purchase_id)
    report = Report(line[0], line[1], what, version, amount=amount, effective_on=effective_on)
    purchase, _ = await report_purchase(session, partner, report, 0, now)
    return purchase
