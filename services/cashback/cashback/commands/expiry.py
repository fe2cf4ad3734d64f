"""The expiry of balances: of those whose time to claim is over, and of amounts that nobody asked for in time."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import ledger, rules
from cashback.ledger import Entry, Kind, Ref
from cashback.models import Account, Participant
from common.events.cashback import CashbackExpired
from common.outbox import publish

Why = Literal["participation_ended", "unused"]

# What came in since the day; what went out took the oldest first, so the rest of the balance is older.
_RECENT = sa.text(
    """
    select p.account_id, cast(sum(p.amount) as bigint) as recent
    from posting p join journal_entry e using (entry_id)
    where p.account_id = any(:accounts) and p.amount > 0 and e.occurred_at >= :since
    group by p.account_id
    """
).bindparams(sa.bindparam("accounts", type_=sa.ARRAY(sa.Uuid)))


async def expire_balances(session: AsyncSession, on: date, payable_days: int, limit: int = 1000) -> int:
    """Expire up to `limit` balances of those whose time to claim was over before `on`; returns how many.

    Repeat until it returns 0. A balance that is paid out at the same moment is left to the payout.
    """
    over = col(Participant.ended_on) + payable_days < on
    members = await _locked(session, over, None, limit)
    balances = await ledger.hold(session, [Ref(Kind.EXPIRED), *map(_available, members)])
    amounts = {member: balances[_available(member)] for member in members}
    return await _expire(session, members, amounts, on, "participation_ended")


async def expire_unused(
    session: AsyncSession, on: date, unused_days: int, after: UUID | None = None, limit: int = 1000
) -> tuple[int, UUID | None]:
    """Expire what came in more than `unused_days` before `on` and was not asked for since.

    Looks at up to `limit` members after `after`; returns how many amounts expired, and where to go on from.
    """
    since = rules.moment(on - timedelta(days=unused_days))
    members = await _locked(session, col(Participant.status) == rules.ENROLLED, after, limit)
    if not members:
        return 0, None
    balances = await ledger.hold(session, [Ref(Kind.EXPIRED), *map(_available, members)])
    accounts = {_available(member).account_id: member for member in members}
    rows = await session.execute(_RECENT, {"accounts": sorted(accounts), "since": since})
    recent = {accounts[row.account_id]: row.recent for row in rows}
    amounts = {member: max(0, balances[_available(member)] - recent.get(member, 0)) for member in members}
    return await _expire(session, members, amounts, on, "unused"), max(members)


def _available(member_id: UUID) -> Ref:
    return Ref(Kind.MEMBER_AVAILABLE, str(member_id))


async def _locked(
    session: AsyncSession, which: sa.ColumnElement[bool], after: UUID | None, limit: int
) -> dict[UUID, Participant]:
    """Participants with something available, locked in the order of their ids."""
    owner = sa.cast(col(Participant.member_id), sa.Text)
    statement = (
        sa.select(Participant)
        .join(Account, sa.and_(col(Account.owner) == owner, col(Account.kind) == Kind.MEMBER_AVAILABLE))
        .where(which, col(Account.balance) > 0, col(Participant.heir_id).is_(None))
        .order_by(col(Participant.member_id))
        .limit(limit)
        .with_for_update(of=Participant)
    )
    if after is not None:
        statement = statement.where(col(Participant.member_id) > after)
    return {row.member_id: row for row in await session.scalars(statement)}


async def _expire(
    session: AsyncSession,
    members: Mapping[UUID, Participant],
    amounts: Mapping[UUID, int],
    on: date,
    why: Why,
) -> int:
    entries: Sequence[Entry] = [
        Entry(
            "expiry",
            f"member:{member}:expired:{uuid7()}",
            rules.moment(on),
            f"Срок выплаты истёк: списано {rules.roubles(amount)}.",
            [(_available(member), -amount), (Ref(Kind.EXPIRED), amount)],
        )
        for member, amount in amounts.items()
        if amount
    ]
    await ledger.post(session, *entries, held=True)
    for member, amount in amounts.items():
        if amount:
            participant = members[member]
            participant.version += 1
            publish(session, CashbackExpired(**participant.public_state(on), amount=amount, reason=why))
    return len(entries)
