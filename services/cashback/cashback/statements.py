"""What the ledger shows to those whom it concerns: a member's statement, a partner's invoice. In kopecks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cashback.ledger import Kind, Ref
from cashback.models import Partner
from common.errors import NotFound

MOST_LINES = 5_000

_BEFORE = sa.text(
    """
    select account_id, cast(sum(amount) as bigint) as total from posting join journal_entry using (entry_id)
    where account_id = any(:accounts) and occurred_at < :since group by account_id
    """
).bindparams(sa.bindparam("accounts", type_=sa.ARRAY(sa.Uuid)))

# The days of a statement are the business days of the entries, in UTC, as the journal keeps them.
_LINES = sa.text(
    """
    select e.entry_id, e.occurred_at, e.kind, e.explained,
           coalesce(cast(sum(p.amount) filter (where p.account_id = :pending) as bigint), 0) as pending,
           coalesce(cast(sum(p.amount) filter (where p.account_id = :available) as bigint), 0) as available,
           coalesce(cast(sum(p.amount) filter (where p.account_id = :in_payout) as bigint), 0) as in_payout,
           coalesce(cast(sum(p.amount) filter (where p.account_id = :owed) as bigint), 0) as owed
    from posting p join journal_entry e using (entry_id)
    where p.account_id in (:pending, :available, :in_payout, :owed)
      and e.occurred_at >= :since and e.occurred_at < :until
    group by e.entry_id, e.occurred_at, e.kind, e.explained, e.recorded_at
    order by e.occurred_at, e.recorded_at, e.entry_id
    limit :most
    """
)

# What became the members' and what was taken from them again: a partner pays for nothing that is only pending.
_BILLED = sa.text(
    """
    select e.kind, e.occurred_at, purchase.order_number, purchase.line, purchase.campaign_id,
           cast(sum(p.amount) as bigint) as amount
    from journal_entry e
    join posting p using (entry_id)
    join account a using (account_id)
    join purchase on purchase.purchase_id = cast(split_part(e.reference, ':', 2) as uuid)
    where e.kind in ('confirmation', 'refund') and purchase.partner = :partner
      and a.kind in ('member_available', 'member_clawback') and a.currency = 'RUB'
      and e.occurred_at >= :since and e.occurred_at < :until
    group by e.entry_id, e.kind, e.occurred_at, purchase.order_number, purchase.line, purchase.campaign_id
    having sum(p.amount) <> 0
    order by e.occurred_at, purchase.order_number, purchase.line, e.kind
    """
)


@dataclass(frozen=True)
class Standing:
    """A member's balances."""

    pending: int
    available: int
    in_payout: int
    owed: int


@dataclass(frozen=True)
class StatementLine:
    """One movement and the balances after it."""

    entry_id: UUID
    occurred_at: datetime
    kind: str
    explained: str
    pending: int
    """This and the next three: the change."""
    available: int
    in_payout: int
    owed: int
    available_after: int


@dataclass(frozen=True)
class Statement:
    since: date
    until: date
    """The last day."""
    opening: Standing
    closing: Standing
    lines: Sequence[StatementLine]
    complete: bool
    """False when there are more lines than a statement holds: ask for a shorter span."""


@dataclass(frozen=True)
class InvoiceLine:
    kind: str
    """confirmation (owed) or refund (given back)."""
    occurred_on: date
    order: str
    line: int
    campaign_id: UUID
    amount: int


@dataclass(frozen=True)
class Invoice:
    """What a partner owes for a month: confirmed cashback less refunds of what was confirmed before."""

    partner: str
    name: str
    month: str
    confirmed: int
    refunded: int
    due: int
    lines: Sequence[InvoiceLine]


async def statement(session: AsyncSession, member_id: UUID, since: date, until: date) -> Statement:
    """The member's movements from `since` to `until`, both included."""
    refs = {
        "pending": Ref(Kind.MEMBER_PENDING, str(member_id)),
        "available": Ref(Kind.MEMBER_AVAILABLE, str(member_id)),
        "in_payout": Ref(Kind.PAYOUT_CLEARING, str(member_id)),
        "owed": Ref(Kind.MEMBER_CLAWBACK, str(member_id)),
    }
    ids = {name: ref.account_id for name, ref in refs.items()}
    window = {"since": _start(since), "until": _start(until + timedelta(days=1))}
    before = {
        row.account_id: row.total
        for row in await session.execute(_BEFORE, {"accounts": list(ids.values()), "since": window["since"]})
    }
    opening = _standing({name: before.get(account, 0) for name, account in ids.items()})
    rows = (await session.execute(_LINES, {**ids, **window, "most": MOST_LINES + 1})).all()
    lines, available = [], opening.available
    totals = {name: before.get(account, 0) for name, account in ids.items()}
    for row in rows[:MOST_LINES]:
        available += row.available
        for name in totals:
            totals[name] += getattr(row, name)
        lines.append(StatementLine(**{**row._asdict(), "owed": -row.owed}, available_after=available))
    return Statement(since, until, opening, _standing(totals), lines, len(rows) <= MOST_LINES)


async def invoice(session: AsyncSession, partner: str, month: date) -> Invoice:
    """`month` is its first day. Raises NotFound for a partner that is none."""
    shop = await session.get(Partner, partner)
    if shop is None:
        raise NotFound("partner", partner)
    following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    rows = await session.execute(_BILLED, {"partner": partner, "since": _start(month), "until": _start(following)})
    lines = [
        InvoiceLine(row.kind, row.occurred_at.date(), row.order_number, row.line, row.campaign_id, row.amount)
        for row in rows
    ]
    confirmed = sum(line.amount for line in lines if line.kind == "confirmation")
    refunded = -sum(line.amount for line in lines if line.kind == "refund")
    return Invoice(partner, shop.name, f"{month:%Y-%m}", confirmed, refunded, confirmed - refunded, lines)


def _standing(balances: dict[str, Any]) -> Standing:
    return Standing(balances["pending"], balances["available"], balances["in_payout"], -balances["owed"])


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
