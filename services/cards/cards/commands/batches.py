"""Commands on plastic batches: from the order over the factory to the members' hands."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cards import rules
from cards.commands.making import CardTerms, Order, make_cards, take_step
from cards.errors import (
    BatchTooLarge,
    CardsNotInBatch,
    FactoryFileInvalid,
    MembersNotEligible,
    NothingToOrder,
    ResponseOutOfTurn,
)
from cards.factory import Response
from cards.models import (
    LIVE,
    Card,
    FactoryResponse,
    Member,
    Organisation,
    PersonalisationFile,
    PlasticBatch,
    PlasticCard,
    batch_counter,
)
from cards.numbers import batch_reference
from common.auth import Principal, second_person, subtree
from common.errors import NotFound
from common.events import cards as events
from common.outbox import publish

_EVENT_OF: dict[str, type[events.BatchEvent]] = {
    "approved": events.PlasticBatchApproved,
    "cancelled": events.PlasticBatchCancelled,
    "sent": events.PlasticBatchSent,
    "produced": events.PlasticBatchProduced,
    "dispatched": events.PlasticBatchDispatched,
    "delivered": events.PlasticBatchDelivered,
    "handed_over": events.PlasticBatchHandedOver,
}

Piece = tuple[PlasticCard, Card]


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
    orders = [Order(member.member_id, member.version, actor, batch_id=batch.batch_id) for member in members]
    made = await make_cards(session, "plastic", orders, terms, now)
    if len(made) < len(orders):
        # Somebody ordered for them at this very moment.
        raise MembersNotEligible(sorted({o.member_id for o in orders} - {card.member_id for card in made}))
    session.add_all(
        PlasticCard(
            card_id=card.card_id, batch_id=batch.batch_id, serial=f"{batch.reference}-{place:05d}", changed_at=now
        )
        for place, card in enumerate(made, start=1)
    )
    publish(session, events.PlasticBatchOrdered(**batch.public_state(now.date())))
    return batch


async def approve_batch(
    session: AsyncSession, batch_id: UUID, principal: Principal, now: datetime
) -> PlasticBatch:
    """Dual control: another person than who ordered it."""
    batch = await _locked(session, batch_id)
    second_person(principal, batch.ordered_by)
    batch.approved_by = principal.subject
    _step(session, batch, "approved", now)
    return batch


async def cancel_batch(session: AsyncSession, batch_id: UUID, actor: str, now: datetime) -> PlasticBatch:
    """Before anything was sent to the factory: the cards end, and may be ordered anew."""
    batch = await _locked(session, batch_id)
    _step(session, batch, "cancelled", now)
    for plastic, card in await _pieces(session, batch_id):
        plastic.stage, plastic.changed_at = "withdrawn", now
        if card.status == "requested":
            take_step(session, card, "blocked", actor, now, "order_cancelled")
    return batch


async def send_batch(session: AsyncSession, batch_id: UUID, now: datetime) -> PlasticBatch:
    """From now on the personalisation file can be had. Cards that ended since the order are not in it."""
    batch = await _locked(session, batch_id)
    _step(session, batch, "sent", now)
    for plastic, card in await _pieces(session, batch_id):
        if card.status != "requested":
            plastic.stage, plastic.changed_at = "withdrawn", now
    return batch


async def cards_to_personalise(session: AsyncSession, batch_id: UUID) -> tuple[PlasticBatch, list[Piece]]:
    """The batch, locked, and what its file has to print: pieces not answered for whose card has not ended."""
    batch = await _locked(session, batch_id)
    rules.check_batch_is_sent(batch)
    pieces = await _pieces(session, batch_id)
    return batch, [piece for piece in pieces if piece[0].stage == "ordered" and piece[1].status == "requested"]


async def next_file_number(session: AsyncSession, batch_id: UUID) -> int:
    """The batch's row is locked: two files never have one number."""
    statement = sa.select(sa.func.max(col(PersonalisationFile.file_number)))
    return (await session.scalar(statement.where(col(PersonalisationFile.batch_id) == batch_id)) or 0) + 1


async def take_response(
    session: AsyncSession, batch_id: UUID, response: Response, actor: str, now: datetime
) -> PlasticBatch:
    """Take in a factory's answer wholly or not at all; one that was taken in before changes nothing."""
    batch = await _locked(session, batch_id)
    taken = await session.get(FactoryResponse, (batch_id, response.number))
    if taken is not None and taken.sha256 == response.sha256:
        return batch
    count = sa.select(sa.func.count()).where(col(FactoryResponse.batch_id) == batch_id)
    expected = (await session.scalar(count) or 0) + 1
    if response.number != expected:
        raise ResponseOutOfTurn(expected)
    rules.check_takes_responses(batch)
    if response.reference != batch.reference:
        raise FactoryFileInvalid(1, "it answers another batch.")
    pieces = {plastic.serial: (plastic, card) for plastic, card in await _pieces(session, batch_id)}
    for answer in response.answers:
        plastic, card = pieces.get(answer.serial, (None, None))
        if plastic is None or card is None:
            raise FactoryFileInvalid(answer.line, "this serial is not of the batch.")
        if answer.answer not in rules.STAGE_FOLLOWERS.get(plastic.stage, ()):
            raise FactoryFileInvalid(
                answer.line, f"the card is {plastic.stage} and cannot become {answer.answer}."
            )
        plastic.stage, plastic.note, plastic.changed_at = answer.answer, answer.note or plastic.note, now
        if answer.answer == "spoiled":
            batch.spoiled += 1
        # A card that ended meanwhile, with the membership or the consent, stays ended wherever its plastic is.
        if card.status == "requested" and answer.answer != "dispatched":
            spoiled = answer.answer == "spoiled"
            take_step(
                session, card, "blocked" if spoiled else "issued", actor, now, "spoiled" if spoiled else None
            )
    session.add(
        FactoryResponse(
            batch_id=batch_id,
            response_number=response.number,
            sha256=response.sha256,
            lines=len(response.answers),
            received_by=actor,
            received_at=now,
        )
    )
    unanswered = any(p.stage == "ordered" and c.status == "requested" for p, c in pieces.values())
    if batch.status == "sent" and not unanswered:
        _step(session, batch, "produced", now)
    undispatched = any(p.stage == "produced" and c.status in LIVE for p, c in pieces.values())
    if batch.status == "produced" and not undispatched:
        _step(session, batch, "dispatched", now)
    return batch


async def mark_delivered(
    session: AsyncSession, batch_id: UUID, missing: Collection[UUID], actor: str, now: datetime
) -> PlasticBatch:
    """The organisation has counted what came; a card that is missing ends, so that nobody who finds it can use it."""
    batch = await _locked(session, batch_id)
    pieces = {p.card_id: (p, c) for p, c in await _pieces(session, batch_id) if p.stage == "dispatched"}
    if strange := sorted(set(missing) - pieces.keys()):
        raise CardsNotInBatch(strange)
    batch.missing = len(set(missing))
    _step(session, batch, "delivered", now)
    for card_id, (plastic, card) in pieces.items():
        plastic.stage, plastic.changed_at = ("missing" if card_id in missing else "delivered"), now
        if card_id in missing and card.status in LIVE:
            take_step(session, card, "blocked", actor, now, "missing")
    return batch


async def hand_over(
    session: AsyncSession,
    batch_id: UUID,
    card_ids: Collection[UUID] | None,
    receipt: str,
    actor: str,
    now: datetime,
) -> PlasticBatch:
    """Members have signed for their cards, which come alive; without ids, all that are left of the batch.

    The batch is handed over when nobody waits for a card any more.
    """
    batch = await _locked(session, batch_id)
    rules.check_batch_can_become(batch, "handed_over")
    waiting = {
        p.card_id: (p, c)
        for p, c in await _pieces(session, batch_id)
        if p.stage == "delivered" and c.status == "issued"
    }
    if strange := sorted(set(card_ids or ()) - waiting.keys()):
        raise CardsNotInBatch(strange)
    for card_id in sorted(waiting if card_ids is None else set(card_ids)):
        plastic, card = waiting.pop(card_id)
        plastic.stage, plastic.changed_at = "handed_over", now
        plastic.receipt, plastic.handed_over_by = receipt, actor
        take_step(session, card, "active", actor, now)
    if not waiting:
        _step(session, batch, "handed_over", now)
    else:
        batch.changed_at, batch.version = now, batch.version + 1
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


async def _locked(session: AsyncSession, batch_id: UUID) -> PlasticBatch:
    batch = await session.get(PlasticBatch, batch_id, with_for_update=True)
    if batch is None:
        raise NotFound("plastic batch", batch_id)
    return batch


def _step(session: AsyncSession, batch: PlasticBatch, status: str, now: datetime) -> None:
    rules.check_batch_can_become(batch, status)
    batch.status, batch.changed_at, batch.version = status, now, batch.version + 1
    publish(session, _EVENT_OF[status](**batch.public_state(now.date())))


async def _pieces(session: AsyncSession, batch_id: UUID) -> list[Piece]:
    """The batch's plastic with its cards, both locked, by serial."""
    statement = (
        sa.select(PlasticCard, Card)
        .join(Card, col(Card.card_id) == col(PlasticCard.card_id))
        .where(col(PlasticCard.batch_id) == batch_id)
        .order_by(col(Card.card_id))
        .with_for_update()
    )
    rows = (await session.execute(statement)).all()
    return sorted(((row[0], row[1]) for row in rows), key=lambda piece: piece[0].serial)
