"""A dry run: what terms would have given on purchases of the past. Writes nothing."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import rules
from cashback.errors import BasketTooSmall, CampaignClosed
from cashback.models import CampaignTerms, Purchase
from cashback.rules import rewards

MOST_PURCHASES = 200_000


@dataclass
class Trial:
    purchases: int = 0
    bought: int = 0
    """Kopecks that stayed bought."""
    earned: int = 0
    """Kopecks of cashback that they earned in fact."""
    would_earn: int = 0
    below_minimum: int = 0
    outside_window: int = 0
    capped: int = 0
    """Purchases that a cap would have made earn less."""
    beyond_budget: int = 0
    """Purchases that the budget would not have covered."""
    complete: bool = True
    """False when there are more than are tried."""


async def try_terms(
    session: AsyncSession, partner: str, terms: CampaignTerms, budget: int | None, start: date, end: date
) -> Trial:
    """Try terms on the partner's purchases from `start` to `end`, in the order of their time, as they stand now."""
    rewards.check_terms(terms)
    statement = (
        sa.select(
            col(Purchase.member_id),
            col(Purchase.order_number),
            col(Purchase.purchased_on),
            col(Purchase.basket),
            col(Purchase.amount),
            col(Purchase.cashback),
        )
        .where(
            col(Purchase.partner) == partner,
            col(Purchase.purchased_on).between(start, end),
            col(Purchase.status).notin_((rules.DECLINED, rules.REFUNDED)),
        )
        .order_by(col(Purchase.purchased_at), col(Purchase.purchase_id))
        .limit(MOST_PURCHASES + 1)
    )
    trial, used = Trial(), defaultdict[str, int](int)
    async for row in await session.stream(statement):
        if trial.purchases == MOST_PURCHASES:
            trial.complete = False
            break
        trial.purchases += 1
        trial.bought += row.amount
        trial.earned += row.cashback
        caps = rewards.caps_of(terms, partner, row.member_id, row.order_number, row.purchased_on)
        try:
            rewards.check_window(terms, row.purchased_on)
            accrual = rewards.accrue(terms, row.amount, row.basket, caps, used)
        except CampaignClosed:
            trial.outside_window += 1
            continue
        except BasketTooSmall:
            trial.below_minimum += 1
            continue
        if budget is not None and trial.would_earn + accrual.earned > budget:
            trial.beyond_budget += 1
            continue
        trial.capped += accrual.capped_by is not None
        trial.would_earn += accrual.earned
        for cap in caps:
            used[cap.key] += accrual.earned
    return trial
