"""Commands on cards: issue, block, replace, end, expire."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cards import rules
from cards.commands.making import CardTerms, Cause, MadeCard, Order, make_cards, take_step
from cards.errors import CardExists
from cards.models import LIVE, Card, CardDevice, Member
from common.errors import NotFound


async def issue_virtual_cards(
    session: AsyncSession, causes: Mapping[UUID, Cause], terms: CardTerms, now: datetime
) -> list[MadeCard]:
    """A virtual card for each member, by id, who is entitled now and has no live one."""
    orders = [
        Order(member_id, cause.actor, event_id=cause.event_id, traceparent=cause.traceparent)
        for member_id, cause in causes.items()
    ]
    return await make_cards(session, "virtual", orders, terms, now) if orders else []


async def end_cards(
    session: AsyncSession, member_id: UUID, before_version: int, reason: str, cause: Cause, now: datetime
) -> None:
    """Block every live card that was made on an earlier version of the member than `before_version`."""
    live = await session.scalars(
        sa.select(Card)
        .where(
            col(Card.member_id) == member_id, col(Card.status).in_(LIVE), col(Card.member_version) < before_version
        )
        .order_by(col(Card.card_id))
        .with_for_update()
    )
    for card in live:
        take_step(session, card, "blocked", cause, now, reason)


async def forget_devices(session: AsyncSession, member_id: UUID) -> None:
    """Of a person to be forgotten no device's key is kept either."""
    cards = sa.select(col(Card.card_id)).where(col(Card.member_id) == member_id)
    await session.execute(sa.delete(CardDevice).where(col(CardDevice.card_id).in_(cards)))


async def block_card(session: AsyncSession, card_id: UUID, reason: str, actor: str, now: datetime) -> Card:
    card = await _locked(session, card_id)
    take_step(session, card, "blocked", actor, now, reason)
    return card


async def suspend_card(session: AsyncSession, card_id: UUID, reason: str, actor: str, now: datetime) -> Card:
    """Not valid for now: mislaid, or under inquiry."""
    card = await _locked(session, card_id)
    take_step(session, card, "suspended", actor, now, reason)
    return card


async def resume_card(session: AsyncSession, card_id: UUID, by_staff: bool, actor: str, now: datetime) -> Card:
    """A suspended card is valid again."""
    card = await _locked(session, card_id)
    rules.check_can_resume(card, by_staff)
    take_step(session, card, "active", actor, now)
    return card


async def reprint_card(session: AsyncSession, card_id: UUID, reason: str, actor: str, now: datetime) -> Card:
    """End a plastic card that is to be printed again: the organisation's next order makes its successor."""
    card = await _locked(session, card_id)
    rules.check_can_reprint(card)
    take_step(session, card, "blocked", actor, now, reason)
    return card


async def replace_card(session: AsyncSession, card: Card, terms: CardTerms, actor: str, now: datetime) -> Card:
    """A new virtual card in the place of `card`, which has ended after this if it had not before."""
    # The member's row first: a leaving that is under way waits for us or we for it, never crosswise.
    member = await session.get(Member, card.member_id, with_for_update={"read": True})
    rules.check_entitled(member)
    await session.refresh(card, with_for_update=True)
    rules.check_can_replace(card)
    take_step(session, card, "replaced", actor, now)
    await session.flush()
    order = Order(card.member_id, actor, replaces_id=card.card_id)
    made = await make_cards(session, "virtual", [order], terms, now)
    if not made:
        raise CardExists
    return (await session.scalars(sa.select(Card).where(col(Card.card_id) == made[0].card_id))).one()


async def expire_cards(
    session: AsyncSession, today: date, limit: int, terms: CardTerms, actor: str, now: datetime
) -> tuple[int, int]:
    """End up to `limit` live cards whose day has come and renew the virtual ones of entitled members.

    Returns (expired, renewed). May run beside itself: each takes other cards.
    """
    due = (
        await session.scalars(
            sa.select(Card)
            .join(Member, col(Member.member_id) == col(Card.member_id))
            .where(col(Card.status).in_(LIVE), col(Card.expires_on) <= today)
            .order_by(col(Card.card_id))
            .limit(limit)
            .with_for_update(of=[Card, Member], skip_locked=True)
        )
    ).all()
    for card in due:
        take_step(session, card, "expired", actor, now)
    await session.flush()
    renewed = await issue_virtual_cards(
        session, {card.member_id: Cause(actor) for card in due if card.form == "virtual"}, terms, now
    )
    return len(due), len(renewed)


async def _locked(session: AsyncSession, card_id: UUID) -> Card:
    card = await session.get(Card, card_id, with_for_update=True)
    if card is None:
        raise NotFound("card", card_id)
    return card
