"""Commands on plastic batches: order, produced, dispatched, handed over."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cards import rules
from cards.commands.making import CardTerms, Order, make_cards, take_step
from cards.errors import BatchTooLarge, CardsNotInBatch, MembersNotEligible, NothingToOrder
from cards.models import LIVE, Card, Member, Organisation, PlasticBatch, batch_counter
from cards.numbers import batch_reference
from common.auth import subtree
from common.errors import NotFound
from common.events import cards as events
from common.outbox import publish

_EVENT_OF: dict[str, type[events.BatchEvent]] = {
    "produced": events.PlasticBatchProduced,
    "dispatched": events.PlasticBatchDispatched,
    "handed_over": events.PlasticBatchHandedOver,
}


async def order_batch(
    session: AsyncSession,
    organisation_id: UUID,
    member_ids: Sequence[UUID] | None,
    terms: CardTerms,
    actor: str,
    now: datetime,
) -> PlasticBatch:
    """Order plastic cards for these members, or for all of the organisation's subtree who may have one.

    Named members must all be eligible; without names those who are not are passed over.
    """
    members = await _eligible(session, organisation_id, member_ids)
    if len(members) > rules.LARGEST_BATCH:
        raise BatchTooLarge(rules.LARGEST_BATCH)
    if missing := sorted(set(member_ids or ()) - {member.member_id for member in members}):
        raise MembersNotEligible(missing)
    if not members:
        raise NothingToOrder
    batch = PlasticBatch(
        batch_id=UUID(int=uuid7().int),
        organisation_id=organisation_id,
        reference=batch_reference(now.year, await session.scalar(sa.select(batch_counter.next_value())) or 0),
        status="ordered",
        cards=len(members),
        ordered_by=actor,
        created_at=now,
        changed_at=now,
    )
    session.add(batch)
    await session.flush()
    orders = [Order(member.member_id, actor, batch_id=batch.batch_id) for member in members]
    made = await make_cards(session, "plastic", orders, terms, now)
    if len(made) < len(orders):
        # Somebody ordered for them at this very moment.
        raise MembersNotEligible(sorted({o.member_id for o in orders} - {card.member_id for card in made}))
    publish(session, events.PlasticBatchOrdered(**batch.public_state(now.date())))
    return batch


async def mark_produced(
    session: AsyncSession, batch_id: UUID, spoiled: Collection[UUID], actor: str, now: datetime
) -> PlasticBatch:
    """The factory has made the cards but the spoiled ones, which end: their numbers are never used again."""
    batch = await _step(session, batch_id, "produced", now)
    cards = await _cards_of(session, batch_id)
    if strange := sorted(set(spoiled) - {card.card_id for card in cards}):
        raise CardsNotInBatch(strange)
    batch.spoiled = len(set(spoiled))
    for card in cards:
        if card.status != "requested":
            continue  # ended meanwhile, with the membership or the consent
        if card.card_id in spoiled:
            take_step(session, card, "blocked", actor, now, "spoiled")
        else:
            take_step(session, card, "issued", actor, now)
    return batch


async def mark_dispatched(session: AsyncSession, batch_id: UUID, now: datetime) -> PlasticBatch:
    return await _step(session, batch_id, "dispatched", now)


async def mark_handed_over(session: AsyncSession, batch_id: UUID, actor: str, now: datetime) -> PlasticBatch:
    """The organisation has given the cards to the members: those that have not ended meanwhile come alive."""
    batch = await _step(session, batch_id, "handed_over", now)
    for card in await _cards_of(session, batch_id):
        if card.status == "issued":
            take_step(session, card, "active", actor, now)
    return batch


async def _eligible(
    session: AsyncSession, organisation_id: UUID, member_ids: Sequence[UUID] | None
) -> Sequence[Member]:
    """Entitled members of the subtree without a live plastic card, held against a leaving under way."""
    has_plastic = sa.exists().where(
        col(Card.member_id) == col(Member.member_id),
        col(Card.form) == "plastic",
        col(Card.status).in_(LIVE),
    )
    statement = sa.select(Member).where(
        col(Member.organisation_id).in_(subtree(organisation_id, Organisation)),
        col(Member.status) == "member",
        col(Member.consents).contains(["cards"]),
        ~has_plastic,
    )
    if member_ids is not None:
        statement = statement.where(col(Member.member_id).in_(member_ids))
    statement = statement.order_by(col(Member.member_id)).limit(rules.LARGEST_BATCH + 1).with_for_update(read=True)
    return (await session.scalars(statement)).all()


async def _step(session: AsyncSession, batch_id: UUID, status: str, now: datetime) -> PlasticBatch:
    batch = await session.get(PlasticBatch, batch_id, with_for_update=True)
    if batch is None:
        raise NotFound("plastic batch", batch_id)
    rules.check_batch_can_become(batch, status)
    batch.status, batch.changed_at, batch.version = status, now, batch.version + 1
    publish(session, _EVENT_OF[status](**batch.public_state(now.date())))
    return batch


async def _cards_of(session: AsyncSession, batch_id: UUID) -> Sequence[Card]:
    statement = sa.select(Card).where(col(Card.batch_id) == batch_id).order_by(col(Card.card_id)).with_for_update()
    return (await session.scalars(statement)).all()
