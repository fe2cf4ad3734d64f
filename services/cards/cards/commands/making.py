"""Making cards, one or many, in one statement; and the one way in which a card takes a step."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils import uuid7

from cards import metrics, rules
from cards.models import LIVE_SQL, Card, CardStep, Table
from cards.numbers import NumberScheme
from common.events import cards as events
from common.events.cards import CardIssued, CardRequested
from common.outbox import publish, publishing

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
_REFERENCE = 16
"""Random bytes by which a code calls its card."""

_COUNT = sa.text("select array_agg(nextval('card_counter')) from generate_series(1, :wanted)")
# Columns come as text, as an array is written in SQL: the driver's arrays cost more than the rows themselves.
_wanted = (
    sa.text(
        """
        select * from unnest(
          cast(cast(:card_ids as text) as uuid[]), cast(cast(:member_ids as text) as uuid[]),
          cast(cast(:numbers as text) as text[]), cast(cast(:references as text) as text[]),
          cast(cast(:indices as text) as bigint[]), cast(cast(:batch_ids as text) as uuid[]),
          cast(cast(:replaces_ids as text) as uuid[]), cast(:actors as text[]),
          cast(cast(:event_ids as text) as uuid[]), cast(:traces as text[])
        ) as w(card_id, member_id, number, reference, status_index, batch_id, replaces_id, actor, event_id, trace)
        """
    )
    .columns(
        card_id=sa.Uuid,
        member_id=sa.Uuid,
        number=sa.Text,
        reference=sa.Text,
        status_index=sa.BigInteger,
        batch_id=sa.Uuid,
        replaces_id=sa.Uuid,
        actor=sa.Text,
        event_id=sa.Uuid,
        trace=sa.Text,
    )
    .cte("wanted")
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
    if not orders:
        return []
    counters = (await session.execute(_COUNT, {"wanted": len(orders)})).scalar_one()
    secret = secrets.token_bytes(_REFERENCE * len(orders)).hex()
    columns = {
        "card_ids": _array(uuid7().hex for _ in orders),
        "member_ids": _array(order.member_id.hex for order in orders),
        "numbers": _array(terms.scheme.numbers(counters)),
        "references": _array(secret[n : n + 2 * _REFERENCE] for n in range(0, len(secret), 2 * _REFERENCE)),
        "indices": _array(map(str, terms.scheme.status_indices(counters))),
        "batch_ids": _array(_or_null(order.batch_id) for order in orders),
        "replaces_ids": _array(_or_null(order.replaces_id) for order in orders),
        "actors": [order.actor for order in orders],
        "event_ids": _array(_or_null(order.event_id) for order in orders),
        "traces": [order.traceparent for order in orders],
    }
    await session.flush()
    shards = session.sync_session.info["outbox_shards"]
    inserted = await session.execute(_making(form, shards, terms, now), columns)
    made = [MadeCard(*row) for row in inserted]
    if form == "virtual":
        metrics.CARDS_ISSUED.labels(form).inc(len(made))
    return made


def _making(form: str, shards: int, terms: CardTerms, now: datetime) -> sa.Select[Any]:
    """Who is entitled, the cards, their first steps and their events in one statement."""
    card, step, member = (Table.metadata.tables[name] for name in ("card", "card_step", "member"))
    status, moment = sa.literal(_FIRST_STATUS[form]), sa.cast(now, sa.DateTime(timezone=True))
    new: dict[str, Any] = {
        **{name: _wanted.c[name] for name in ("card_id", "member_id", "number", "status_index", "batch_id")},
        "member_version": member.c.version,
        "form": sa.literal(form),
        "status": status,
        "reference": sa.func.decode(_wanted.c.reference, "hex"),
        "expires_on": sa.cast(rules.expiry(now.date(), terms.years), sa.Date),
        "replaces_id": _wanted.c.replaces_id,
        "created_at": moment,
        "version": sa.literal(1),
    }
    entitled = (
        sa.select(*new.values())
        .join_from(_wanted, member, member.c.member_id == _wanted.c.member_id)
        .where(member.c.status == "member", sa.literal("cards") == sa.any_(member.c.consents))
    )
    made = (
        insert(card)
        .from_select(list(new), entitled, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["member_id", "form"], index_where=LIVE_SQL)
        .returning(*(card.c[name] for name in ("card_id", "member_id", "form", "status", "expires_on", "version")))
        .cte("made")
    )
    caused = sa.join(made, _wanted, made.c.card_id == _wanted.c.card_id)
    first: dict[str, Any] = {
        "card_id": made.c.card_id,
        "version": made.c.version,
        "status": made.c.status,
        "actor": _wanted.c.actor,
        "event_id": _wanted.c.event_id,
        "at": moment,
    }
    steps = sa.select(*first.values()).select_from(caused)
    dated = insert(step).from_select(list(first), steps, include_defaults=False)
    told = sa.select(made, _wanted.c.trace).select_from(caused).cte("told")
    events = publishing(
        CardIssued if form == "virtual" else CardRequested,
        told,
        shards,
        traceparent=told.c.trace,
        effective_on=sa.cast(now.date(), sa.Date),
        reason=sa.null(),
    )
    return sa.select(made.c.card_id, made.c.member_id).add_cte(dated.cte("dated"), events.cte("told_of"))


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
