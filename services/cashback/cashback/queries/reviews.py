"""Limits against fraud, and purchases that hit them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback.models import FraudHit, FraudLimit, PartnerRelation, Purchase, ReviewDecision
from cashback.rules import PENDING, WAITING
from common.http import PageParams, paginate


@dataclass(frozen=True)
class Review:
    purchase: Purchase
    hits: Sequence[FraudHit]
    decision: ReviewDecision | None


async def limits(session: AsyncSession, page: PageParams) -> tuple[list[FraudLimit], str | None]:
    """The newest version of each."""
    later = sa.orm.aliased(FraudLimit)
    newer = sa.exists().where(
        col(later.limit_id) == col(FraudLimit.limit_id), col(later.version) > col(FraudLimit.version)
    )
    return await paginate(session, sa.select(FraudLimit).where(~newer), col(FraudLimit.limit_id), page)


async def relations(
    session: AsyncSession, partner: str, page: PageParams
) -> tuple[list[PartnerRelation], str | None]:
    statement = sa.select(PartnerRelation).where(col(PartnerRelation.partner) == partner)
    return await paginate(session, statement, col(PartnerRelation.member_id), page)


async def reviews(session: AsyncSession, review: str | None, page: PageParams) -> tuple[list[Review], str | None]:
    """What hit a limit; with `waiting`, what somebody has still to decide on."""
    statement = sa.select(Purchase)
    if review is None:
        statement = statement.where(col(Purchase.review) != "none")
    elif review == WAITING:
        statement = statement.where(col(Purchase.review) == WAITING, col(Purchase.status) == PENDING)
    else:
        statement = statement.where(col(Purchase.review) == review)
    rows, cursor = await paginate(session, statement, col(Purchase.purchase_id), page)
    return await _with_hits(session, rows), cursor


async def review(session: AsyncSession, purchase_id: UUID) -> Review | None:
    purchase = await session.get(Purchase, purchase_id)
    if purchase is None or purchase.review == "none":
        return None
    return (await _with_hits(session, [purchase]))[0]


async def _with_hits(session: AsyncSession, purchases: Sequence[Purchase]) -> list[Review]:
    ids = [purchase.purchase_id for purchase in purchases]
    hits: dict[UUID, list[FraudHit]] = defaultdict(list)
    found = sa.select(FraudHit).where(col(FraudHit.purchase_id).in_(ids)).order_by(col(FraudHit.hit_id))
    for hit in await session.scalars(found):
        hits[hit.purchase_id].append(hit)
    decided = await session.scalars(sa.select(ReviewDecision).where(col(ReviewDecision.purchase_id).in_(ids)))
    decisions = {decision.purchase_id: decision for decision in decided}
    return [Review(one, hits[one.purchase_id], decisions.get(one.purchase_id)) for one in purchases]
