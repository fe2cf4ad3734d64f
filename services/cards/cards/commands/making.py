"""Making cards, one or many, in one statement; and the one way in which a card takes a step."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cards import metrics, rules
from cards.models import Card, CardStep
from cards.numbers import NumberScheme
from common.events import cards as events
from common.outbox import publish

_EVENT_OF: dict[str, type[events.CardEvent]] = {
    "requested": events.CardRequested,
    "issued": events.CardIssued,
    "active": events.CardActivated,
    "blocked": events.CardBlocked,
    "replaced": events.CardReplaced,
    "expired": events.CardExpired,
}
_FIRST_STATUS = {"virtual": "active", "plastic": "requested"}

_COUNT = sa.text("select nextval('card_counter') from generate_series(1, :wanted)")
_INSERT = sa.text(
    """
    insert into card (card_id, member_id, member_version, form, status, number, reference, status_index,
                      expires_on, batch_id, replaces_id, created_at, version)
    select c, m, v, :form, :status, n, r, i, :expires_on, b, p, :now, 1
    from unnest(:card_ids, :member_ids, :member_versions, :numbers, :references, :indices, :batch_ids, :replaces_ids)
      as new(c, m, v, n, r, i, b, p)
    on conflict (member_id, form) where status in ('requested', 'issued', 'active') do nothing
    returning card_id
    """
).bindparams(
    *(
        sa.bindparam(name, type_=sa.ARRAY(sa.Uuid))
        for name in ("card_ids", "member_ids", "batch_ids", "replaces_ids")
    ),
    *(sa.bindparam(name, type_=sa.ARRAY(sa.BigInteger)) for name in ("member_versions", "indices")),
    sa.bindparam("numbers", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("references", type_=sa.ARRAY(sa.LargeBinary)),
)
_INSERT_STEPS = sa.text(
    "insert into card_step (card_id, status, actor, at)"
    " select c, :status, a, :now from unnest(:cards, :actors) as s(c, a)"
).bindparams(
    sa.bindparam("cards", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("actors", type_=sa.ARRAY(sa.Text)),
)


@dataclass(frozen=True)
class CardTerms:
    """What every new card is made by."""

    scheme: NumberScheme
    years: int


@dataclass(frozen=True)
class Order:
    """One card to be made."""

    member_id: UUID
    member_version: int
    actor: str
    batch_id: UUID | None = None
    replaces_id: UUID | None = None
    traceparent: str | None = None


async def make_cards(
    session: AsyncSession, form: str, orders: Sequence[Order], terms: CardTerms, now: datetime
) -> list[Card]:
    """Make the cards and tell of them; a member who has a live card of this form gets none.

    A virtual card is active at once; a plastic one is requested. The caller has seen that the
    members are entitled and holds their rows. Two orders for one member are the caller's mistake:
    the second makes nothing.
    """
    counters = (await session.execute(_COUNT, {"wanted": len(orders)})).scalars().all()
    status, expires_on = _FIRST_STATUS[form], rules.expiry(now.date(), terms.years)
    made = [
        Card(
            card_id=UUID(int=uuid7().int),
            member_id=order.member_id,
            member_version=order.member_version,
            form=form,
            status=status,
            number=terms.scheme.number(counter),
            reference=secrets.token_bytes(16),
            status_index=terms.scheme.status_index(counter),
            expires_on=expires_on,
            batch_id=order.batch_id,
            replaces_id=order.replaces_id,
            created_at=now,
        )
        for order, counter in zip(orders, counters, strict=True)
    ]
    columns = {
        "card_ids": [card.card_id for card in made],
        "member_ids": [card.member_id for card in made],
        "member_versions": [card.member_version for card in made],
        "numbers": [card.number for card in made],
        "references": [card.reference for card in made],
        "indices": [card.status_index for card in made],
        "batch_ids": [card.batch_id for card in made],
        "replaces_ids": [card.replaces_id for card in made],
    }
    same = {"form": form, "status": status, "expires_on": expires_on, "now": now}
    inserted = set((await session.execute(_INSERT, columns | same)).scalars())
    new = [(card, order) for card, order in zip(made, orders, strict=True) if card.card_id in inserted]
    await session.execute(
        _INSERT_STEPS,
        {
            "cards": [card.card_id for card, _ in new],
            "actors": [order.actor for _, order in new],
            "status": status,
            "now": now,
        },
    )
    event = events.CardIssued if form == "virtual" else events.CardRequested
    for card, order in new:
        publish(session, event(**card.public_state(now.date())), order.traceparent)
    if form == "virtual":
        metrics.CARDS_ISSUED.labels(form).inc(len(new))
    return [card for card, _ in new]


def take_step(
    session: AsyncSession, card: Card, status: str, actor: str, now: datetime, reason: str | None = None
) -> None:
    """Move a card, whose row the caller has locked, to `status`; date the step and tell of it."""
    rules.check_can_become(card, status)
    card.status, card.reason, card.version = status, reason or card.reason, card.version + 1
    session.add(CardStep(card_id=card.card_id, status=status, reason=reason, actor=actor, at=now))
    publish(session, _EVENT_OF[status](**card.public_state(now.date())))
    if status == "issued":
        metrics.CARDS_ISSUED.labels(card.form).inc()
