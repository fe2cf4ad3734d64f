"""Limits against fraud, and what people decide about purchases that hit them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import rules
from cashback.commands.purchases import Resolution, resolve_purchase
from cashback.commands.telling import as_told, tell_partners
from cashback.errors import LimitInvalid, NotInReview
from cashback.models import FraudLimit, Partner, PartnerRelation, Purchase, ReviewDecision
from cashback.policy import Policy
from common.errors import NotFound


async def add_limit(session: AsyncSession, measures: dict[str, Any], actor: str, now: datetime) -> FraudLimit:
    """The first version of a limit: it is asked of every purchase reported from now on."""
    limit = FraudLimit(limit_id=uuid7(), version=1, active=True, made_by=actor, made_at=now, **measures)
    await _check(session, limit)
    session.add(limit)
    return limit


async def newest_limit(session: AsyncSession, limit_id: UUID) -> FraudLimit:
    statement = (
        sa.select(FraudLimit)
        .where(col(FraudLimit.limit_id) == limit_id)
        .order_by(col(FraudLimit.version).desc())
        .limit(1)
    )
    limit = (await session.scalars(statement)).first()
    if limit is None:
        raise NotFound("limit", limit_id)
    return limit


async def change_limit(
    session: AsyncSession, limit: FraudLimit, changes: dict[str, Any], actor: str, now: datetime
) -> FraudLimit:
    """The next version; two that are made at once meet at the key, and the second is refused."""
    following = FraudLimit(
        **{**limit.model_dump(), **changes, "version": limit.version + 1, "made_by": actor, "made_at": now}
    )
    await _check(session, following)
    session.add(following)
    return following


async def _check(session: AsyncSession, limit: FraudLimit) -> None:
    if limit.kind == "click_to_purchase":
        if limit.least_seconds is None or (limit.window_seconds, limit.most_purchases, limit.most_cashback) != (
            None,
            None,
            None,
        ):
            raise LimitInvalid("click_to_purchase takes least_seconds, and nothing else.")
    elif limit.least_seconds is not None or limit.window_seconds is None:
        raise LimitInvalid("A limit that counts takes window_seconds and no least_seconds.")
    elif limit.most_purchases is None and limit.most_cashback is None:
        raise LimitInvalid("A limit that counts takes most_purchases, most_cashback or both.")
    if limit.partner is not None and await session.get(Partner, limit.partner) is None:
        raise NotFound("partner", limit.partner)


async def relate(session: AsyncSession, partner: str, member_id: UUID, actor: str, now: datetime) -> None:
    """The member is one of the partner's own people; listed twice it is listed once."""
    if await session.get(Partner, partner) is None:
        raise NotFound("partner", partner)
    row = PartnerRelation(partner=partner, member_id=member_id, listed_by=actor, listed_at=now)
    await session.execute(insert(PartnerRelation).values(row.model_dump()).on_conflict_do_nothing())


async def unrelate(session: AsyncSession, partner: str, member_id: UUID) -> None:
    row = await session.get(PartnerRelation, (partner, member_id))
    if row is None:
        raise NotFound("related member", member_id)
    await session.delete(row)


async def release(
    session: AsyncSession, purchase_id: UUID, reason: str, actor: str, policy: Policy, now: datetime
) -> Purchase:
    """Nothing is wrong with it: the partner may confirm it."""
    purchase = await _waiting(session, purchase_id)
    purchase.review = rules.RELEASED
    purchase.version += 1
    _decide(session, purchase_id, rules.RELEASED, reason, actor, now)
    await session.flush()
    told = as_told(purchase, policy.pairwise_key, now.date())
    await tell_partners(session, [(purchase.partner, told)], now)
    return purchase


async def reject(
    session: AsyncSession, purchase_id: UUID, reason: str, actor: str, policy: Policy, now: datetime
) -> Purchase:
    """It is declined by the union: nothing is earned, and its entry is reversed as by a decline of the partner."""
    purchase = await _waiting(session, purchase_id)
    purchase.review = rules.REJECTED
    _decide(session, purchase_id, rules.REJECTED, reason, actor, now)
    await session.flush()
    day = max(now.date(), purchase.purchased_on)
    resolution = Resolution(purchase.partner, purchase_id, "declined", day, version="review")
    declined = await resolve_purchase(session, resolution, policy, now, "review")
    await session.refresh(purchase)
    return declined


async def _waiting(session: AsyncSession, purchase_id: UUID) -> Purchase:
    purchase = await session.get(Purchase, purchase_id, with_for_update={"key_share": True})
    if purchase is None:
        raise NotFound("purchase", purchase_id)
    if (purchase.review, purchase.status) != (rules.WAITING, rules.PENDING):
        raise NotInReview
    return purchase


def _decide(
    session: AsyncSession, purchase_id: UUID, outcome: str, reason: str, actor: str, now: datetime
) -> None:
    session.add(
        ReviewDecision(purchase_id=purchase_id, outcome=outcome, reason=reason, decided_by=actor, decided_at=now)
    )
