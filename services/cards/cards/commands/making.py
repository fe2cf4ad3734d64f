"""Making cards, one or many, in one statement; and the one way in which a card takes a step."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils import uuid7

from cards import metrics, rules
from cards.models import Card, CardStep
from cards.numbers import NumberScheme
from common.events import cards as events
from common.outbox import publish

_EVENT_OF: dict[str, type[events.CardEvent]] = {
    "requested": events.CardRequested,
    "issued": events.CardIssued,
    "active": events.CardActivated,
    "suspended": events.CardSuspended,
    "blocked": events.CardBlocked,
    "replaced": events.CardReplaced,
    "expired": events.CardExpired,
}
_FIRST_STATUS = {"virtual": "active", "plastic": "requested"}

_COUNT = sa.text("select nextval('card_counter') from generate_series(1, :wanted)")
# Who is entitled, the cards and their first steps in one statement: one round trip, nothing carried to and fro.
# Columns come as text, as an array is written in SQL: the driver's arrays cost more than the rows themselves.
_INSERT = sa.text(
    """
    with wanted as (
      select * from unnest(
        cast(cast(:card_ids as text) as uuid[]), cast(cast(:member_ids as text) as uuid[]),
        cast(cast(:numbers as text) as text[]), cast(cast(:references as text) as text[]),
        cast(cast(:indices as text) as bigint[]), cast(cast(:batch_ids as text) as uuid[]),
        cast(cast(:replaces_ids as text) as uuid[]), cast(:actors as text[]),
        cast(cast(:event_ids as text) as uuid[])
      ) as w(card_id, member_id, number, reference, status_index, batch_id, replaces_id, actor, event_id)
    ), made as (
      insert into card (card_id, member_id, member_version, form, status, number, reference, status_index,
                        expires_on, batch_id, replaces_id, created_at, version)
      select w.card_id, w.member_id, m.version, :form, :status, w.number, decode(w.reference, 'hex'),
             w.status_index, :expires_on, w.batch_id, w.replaces_id, :now, 1
      from wanted w join member m on m.member_id = w.member_id
      where m.status = 'member' and 'cards' = any(m.consents)
      on conflict (member_id, form) where status in ('requested', 'issued', 'active', 'suspended') do nothing
      returning card_id
    ), dated as (
      insert into card_step (card_id, version, status, actor, event_id, at)
      select made.card_id, 1, :status, w.actor, w.event_id, :now from made join wanted w on w.card_id = made.card_id
    )
    select card_id from made
    """
)


@dataclass(frozen=True)
class CardTerms:
    """What every new card is made by."""

    scheme: NumberScheme
    years: int


@dataclass(frozen=True, slots=True)
class Cause:
    """What made a card be issued or end: for the step's actor and for the trace."""

    actor: str
    event_id: UUID | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One card to be made."""

    member_id: UUID
    actor: str
    batch_id: UUID | None = None
    replaces_id: UUID | None = None
    event_id: UUID | None = None
    traceparent: str | None = None


class MadeCard(NamedTuple):
    card_id: UUID
    member_id: UUID


async def make_cards(
    session: AsyncSession, form: str, orders: Sequence[Order], terms: CardTerms, now: datetime
) -> list[MadeCard]:
    """Make the cards and tell of them; a member who is not entitled or has a live card of this form gets none.

    A virtual card is active at once; a plastic one is requested. Of two orders for one member the second makes
    nothing. The caller holds the members' rows: a leaving that is under way waits for us or we for it.
    """
    if form == "plastic":
        orders = await _in_place_of_spoilt(session, orders, now)
    counters = (await session.execute(_COUNT, {"wanted": len(orders)})).scalars().all()
    status, expires_on = _FIRST_STATUS[form], rules.expiry(now.date(), terms.years)
    made = [MadeCard(UUID(int=uuid7().int), order.member_id) for order in orders]
    columns = {
        "card_ids": _array([card.card_id.hex for card in made]),
        "member_ids": _array([order.member_id.hex for order in orders]),
        "numbers": _array(terms.scheme.numbers(counters)),
        "references": _array([secrets.token_hex(16) for _ in orders]),
        "indices": _array(map(str, terms.scheme.status_indices(counters))),
        "batch_ids": _array([_or_null(order.batch_id) for order in orders]),
        "replaces_ids": _array([_or_null(order.replaces_id) for order in orders]),
        "actors": [order.actor for order in orders],
        "event_ids": _array([_or_null(order.event_id) for order in orders]),
    }
    same = {"form": form, "status": status, "expires_on": expires_on, "now": now}
    inserted = set((await session.execute(_INSERT, columns | same)).scalars())
    event, effective_on = events.CardIssued if form == "virtual" else events.CardRequested, now.date()
    new = []
    for card, order in zip(made, orders, strict=True):
        if card.card_id in inserted:
            new.append(card)
            told = event(
                version=1,
                effective_on=effective_on,
                card_id=card.card_id,
                member_id=card.member_id,
                form=form,
                status=status,
                reason=None,
                expires_on=expires_on,
            )
            publish(session, told, order.traceparent)
    if form == "virtual":
        metrics.CARDS_ISSUED.labels(form).inc(len(new))
    return new


def _array(elements: Iterable[str]) -> str:
    """The text of an SQL array; the elements hold digits and letters alone."""
    return f"{{{','.join(elements)}}}"


def _or_null(value: UUID | None) -> str:
    return "NULL" if value is None else value.hex


async def _in_place_of_spoilt(session: AsyncSession, orders: Sequence[Order], now: datetime) -> list[Order]:
    """A plastic card that was lost, stolen or damaged is followed by the next one that its holder gets."""
    ended = await session.scalars(
        sa.select(Card)
        .where(
            col(Card.member_id).in_([order.member_id for order in orders]),
            col(Card.form) == "plastic",
            col(Card.status) == "blocked",
            col(Card.reason).in_(rules.REPRINT_REASONS),
        )
        .order_by(col(Card.card_id))
        .with_for_update()
    )
    last = {card.member_id: card for card in ended}
    after = []
    for order in orders:
        if card := last.get(order.member_id):
            take_step(session, card, "replaced", order.actor, now)
            order = replace(order, replaces_id=card.card_id)
        after.append(order)
    await session.flush()
    return after


def take_step(
    session: AsyncSession,
    card: Card,
    status: str,
    cause: Cause | str,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Move a card, whose row the caller has locked, to `status`; date the step and tell of it.

    `cause` may be the subject of a caller's token alone.
    """
    rules.check_can_become(card, status)
    cause = Cause(cause) if isinstance(cause, str) else cause
    # Why it was suspended is past once it is active again; why it was blocked stays with what follows.
    kept = None if status == "active" else card.reason
    card.status, card.reason, card.version = status, reason or kept, card.version + 1
    session.add(
        CardStep(
            card_id=card.card_id,
            version=card.version,
            status=status,
            reason=reason,
            actor=cause.actor,
            event_id=cause.event_id,
            at=now,
        )
    )
    publish(session, _EVENT_OF[status](**card.public_state(now.date())), cause.traceparent)
    if status == "issued":
        metrics.CARDS_ISSUED.labels(card.form).inc()
