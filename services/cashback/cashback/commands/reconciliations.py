"""Partners' books compared with ours, and corrections that somebody accepts (docs/cashback/reconciliation.md).

The comparison is two statements over the whole file; nothing is walked through line by line.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import rules
from cashback.commands.purchases import report_purchase
from cashback.commands.reports import Report
from cashback.errors import NothingProposed, OutdatedProposal
from cashback.models import Partner, Purchase, Reconciliation, ReconciliationItem
from cashback.policy import Policy
from common import checked_files
from common.errors import FileInvalid, NotFound

VERSION = "1"
STATUSES = (rules.PENDING, rules.CONFIRMED, rules.PARTLY_CONFIRMED, rules.DECLINED, rules.REFUNDED)
_LONGEST_ORDER = 200
_MOST_LINE = 10_000
_LONGEST_SPAN = 366


@dataclass(frozen=True)
class Books:
    """A partner's file, read and checked against its trailer; columns as arrays."""

    partner: str
    from_on: date
    to_on: date
    columns: dict[str, list[Any]]
    amount: int
    cashback: int
    sha256: str

    @property
    def lines(self) -> int:
        return len(self.columns["orders"])


def read_books(content: bytes) -> Books:
    """Raises FileInvalid with the number of the line that is wrong."""
    file = checked_files.read(content, VERSION, header_fields=3, totals=2)
    partner, first, last = file.header
    from_on, to_on = _day(first, 1), _day(last, 1)
    if not from_on <= to_on or (to_on - from_on).days >= _LONGEST_SPAN:
        raise FileInvalid(1, f"its days are in order and at most {_LONGEST_SPAN}.")
    names = ("orders", "numbers", "days", "statuses", "amounts", "cashbacks", "clicks", "moments")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    seen: set[tuple[str, int]] = set()
    for line in file.lines:
        values = _values(line)
        if not from_on <= values[2] <= to_on:
            raise FileInvalid(line.place, "its day is not one of the header's.")
        if (values[0], values[1]) in seen:
            raise FileInvalid(line.place, "this line of an order is in the file twice.")
        seen.add((values[0], values[1]))
        for name, value in zip(names, values, strict=True):
            columns[name].append(value)
    totals = [sum(columns["amounts"]), sum(columns["cashbacks"])]
    if totals != list(file.totals):
        raise FileInvalid(len(file.lines) + 2, "its totals are not the sums of the amounts and of the cashback.")
    return Books(partner, from_on, to_on, columns, totals[0], totals[1], file.sha256)


def _values(line: checked_files.Line) -> tuple[Any, ...]:
    if len(line.fields) != 9 or line.fields[0] != "R" or line.fields[4] not in STATUSES:
        raise FileInvalid(
            line.place,
            f"a line is R;order;line;day;{' or '.join(STATUSES)};kopecks;kopecks of cashback;click;moment.",
        )
    _, order, number, day, status, amount, cashback, click, moment = line.fields
    if not 0 < len(order) <= _LONGEST_ORDER or not order.isprintable():
        raise FileInvalid(line.place, "its order cannot be read.")
    place = checked_files.whole(number, line.place)
    if not 1 <= place <= _MOST_LINE:
        raise FileInvalid(line.place, f"a line of an order has a number from 1 to {_MOST_LINE}.")
    kopecks = checked_files.whole(amount, line.place), checked_files.whole(cashback, line.place)
    if max(kopecks) > 2**53:
        raise FileInvalid(line.place, "its amount is too large.")
    try:
        clicked = UUID(click) if click else None
        bought = datetime.fromisoformat(moment) if moment else None
    except ValueError:
        raise FileInvalid(line.place, "its click or its moment cannot be read.") from None
    if bought is not None and (bought.tzinfo is None or bought.date() != _day(day, line.place)):
        raise FileInvalid(line.place, "its moment has no zone, or is not of its day.")
    return order, place, _day(day, line.place), status, *kopecks, clicked, bought and bought.isoformat()


def _day(text: str, place: int) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FileInvalid(place, "a day is written YYYY-MM-DD.") from None
    if not 2000 <= day.year < 2100:
        raise FileInvalid(place, "a day is of the years 2000 to 2099.")
    return day


_OURS = sa.text(
    """
    select count(*) as lines, cast(coalesce(sum(amount), 0) as bigint) as amount,
           cast(coalesce(sum(cashback), 0) as bigint) as cashback
    from purchase where partner = :partner and purchased_on between :from_on and :to_on
    """
)

# Theirs beside ours, by the line of the order; what differed in the newest earlier comparison has differed since then.
# A correction is proposed where a message of the partner could bring ours to theirs, by the rules of the intake.
_COMPARE = sa.text(
    """
    with theirs as (
        select * from unnest(:orders, :numbers, :days, :statuses, :amounts, :cashbacks, :clicks, :moments)
            as t(order_number, line, purchased_on, status, amount, cashback, click_id, moment)
    ), ours as (
        select p.* from purchase p
        where p.partner = :partner and (
            p.purchased_on between :from_on and :to_on
            or (p.order_number, p.line) in (select order_number, line from theirs)
        )
    ), both_sides as (
        select coalesce(o.order_number, t.order_number) as order_number, coalesce(o.line, t.line) as line,
            case when o.purchase_id is null then 'missing_ours'
                when t.order_number is null then 'missing_theirs'
                when o.status <> t.status then 'status_differs'
                when o.amount <> t.amount or o.cashback <> t.cashback then 'amount_differs'
                else 'matched' end as outcome,
            o.purchase_id, coalesce(o.purchased_on, t.purchased_on) as purchased_on,
            o.status as our_status, o.amount as our_amount, o.cashback as our_cashback,
            t.status as their_status, t.amount as their_amount, t.cashback as their_cashback,
            t.click_id, t.moment
        from ours o full join theirs t on t.order_number = o.order_number and t.line = o.line
    ), proposed as (
        select b.*, case
            when outcome = 'missing_ours' and click_id is not null and moment is not null
                and their_status = 'pending' and their_amount > 0 then 'reported'
            when our_status = 'pending' and their_status in ('confirmed', 'partly_confirmed')
                and their_amount between 1 and our_amount then 'confirmed'
            when our_status = 'pending' and coalesce(their_status, 'declined') = 'declined' then 'declined'
            when our_status in ('confirmed', 'partly_confirmed')
                and coalesce(their_status, 'declined') in ('declined', 'refunded') then 'refunded'
            when our_status in ('confirmed', 'partly_confirmed')
                and their_status in ('confirmed', 'partly_confirmed')
                and their_amount < our_amount then 'refunded'
            end as message
        from both_sides b
    )
    insert into reconciliation_item (
        item_id, reconciliation_id, partner, order_number, line, outcome, purchase_id, purchased_on,
        our_status, our_amount, our_cashback, their_status, their_amount, their_cashback, click_id, told_at,
        differs_since, proposed, proposed_amount, state
    )
    select uuidv7(), :reconciliation_id, :partner, p.order_number, p.line, p.outcome, p.purchase_id, p.purchased_on,
        p.our_status, p.our_amount, p.our_cashback, p.their_status, p.their_amount, p.their_cashback, p.click_id,
        p.moment,
        case when p.outcome <> 'matched' then coalesce(before.differs_since, :now) end,
        p.message,
        case p.message when 'reported' then p.their_amount when 'confirmed' then p.their_amount
            when 'refunded' then p.our_amount
                - case when p.their_status in ('confirmed', 'partly_confirmed') then p.their_amount else 0 end
            end,
        case when p.message is null then 'none' else 'proposed' end
    from proposed p
    left join lateral (
        select i.differs_since from reconciliation_item i
        where i.partner = :partner and i.order_number = p.order_number and i.line = p.line
        order by i.item_id desc limit 1
    ) before on true
    order by p.purchased_on, p.order_number, p.line
    """
).bindparams(
    sa.bindparam("orders", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("numbers", type_=sa.ARRAY(sa.Integer)),
    sa.bindparam("days", type_=sa.ARRAY(sa.Date)),
    sa.bindparam("statuses", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("amounts", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("cashbacks", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("clicks", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("moments", type_=sa.ARRAY(sa.Text)),
)


async def compare(session: AsyncSession, books: Books, actor: str, now: datetime) -> tuple[Reconciliation, bool]:
    """Compare a partner's books with ours, once; returns what was found, and False when the file was here before."""
    # Locked, so that two files of one partner are compared one after the other.
    if await session.get(Partner, books.partner, with_for_update={"key_share": True}) is None:
        raise NotFound("partner", books.partner)
    before = await session.scalars(
        sa.select(Reconciliation).where(
            col(Reconciliation.partner) == books.partner, col(Reconciliation.sha256) == books.sha256
        )
    )
    known = before.first()
    if known is not None:
        return known, False
    span: dict[str, Any] = {"partner": books.partner, "from_on": books.from_on, "to_on": books.to_on}
    ours = (await session.execute(_OURS, span)).one()
    row = Reconciliation(
        reconciliation_id=uuid7(),
        **span,
        sha256=books.sha256,
        lines=books.lines,
        their_amount=books.amount,
        their_cashback=books.cashback,
        our_lines=ours.lines,
        our_amount=ours.amount,
        our_cashback=ours.cashback,
        compared_by=actor,
        compared_at=now,
    )
    session.add(row)
    await session.flush()
    connection = await session.connection()
    await connection.execute(
        _COMPARE, {**span, **books.columns, "reconciliation_id": row.reconciliation_id, "now": now}
    )
    return row, True


async def accept(
    session: AsyncSession,
    reconciliation_id: UUID,
    item_id: UUID,
    effective_on: date,
    actor: str,
    policy: Policy,
    now: datetime,
) -> ReconciliationItem:
    """Take the proposed message as if the partner had told it: by the same rules, posted by the same command."""
    item = await _proposed(session, reconciliation_id, item_id)
    if item.purchase_id is not None:
        purchase = await session.get_one(Purchase, item.purchase_id, with_for_update={"key_share": True})
        if (purchase.status, purchase.amount, purchase.cashback) != (
            item.our_status,
            item.our_amount,
            item.our_cashback,
        ):
            raise OutdatedProposal
    is_new = item.proposed == "reported"
    report = Report(
        item.partner,
        item.order_number,
        item.line,
        item.proposed,  # type: ignore[arg-type]  # one of them by its constraint
        "1" if is_new else f"reconciliation:{item.item_id}",
        click_id=UUID(bytes=item.click_id.bytes) if is_new and item.click_id else None,
        amount=None if item.proposed == "declined" else item.proposed_amount,
        purchased_at=datetime.fromisoformat(item.told_at) if is_new and item.told_at else None,
        effective_on=None if is_new else effective_on,
    )
    purchase, _ = await report_purchase(session, report, policy, now, "reconciliation")
    item.state, item.decided_by, item.decided_at = "accepted", actor, now
    item.purchase_id = purchase.purchase_id
    return item


async def dismiss(
    session: AsyncSession, reconciliation_id: UUID, item_id: UUID, reason: str, actor: str, now: datetime
) -> ReconciliationItem:
    """Not so: it stays as it is, and the next comparison finds it again."""
    item = await _proposed(session, reconciliation_id, item_id)
    item.state, item.decided_by, item.decided_at, item.reason = "dismissed", actor, now, reason
    return item


async def _proposed(session: AsyncSession, reconciliation_id: UUID, item_id: UUID) -> ReconciliationItem:
    item = await session.get(ReconciliationItem, item_id, with_for_update=True)
    if item is None or item.reconciliation_id != reconciliation_id:
        raise NotFound("line of this reconciliation", item_id)
    if item.state != "proposed":
        raise NothingProposed(item.state)
    return item
