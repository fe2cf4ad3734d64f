"""The ledger: accounts, and entries that are posted in sets. Every movement of money goes through `post`.

Sign: a positive posting adds to what the union owes (members, a budget left), a negative one to what it is
owed or has paid (partners, the bank). All balances together are zero at every moment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cashback.errors import AlreadyPosted

_NAMESPACE = UUID("6f9d1f5e-6c0b-5d0e-9d55-0d6c2f1f8a11")


class Kind(StrEnum):
    PARTNER_RECEIVABLE = "partner_receivable"
    """Owner: partner. What it owes for cashback (negative)."""
    MEMBER_PENDING = "member_pending"
    MEMBER_AVAILABLE = "member_available"
    MEMBER_CLAWBACK = "member_clawback"
    """What a member owes after a refund of what was paid out (negative); netted from what comes next."""
    PAYOUT_CLEARING = "payout_clearing"
    """Requested payouts that are neither settled nor failed."""
    BANK = "bank"
    """Money paid out (positive: the bank's claim on what partners pay in)."""
    EXPIRED = "expired"
    """Balances that nobody may claim any more."""
    CAMPAIGN_BUDGET = "campaign_budget"
    """Owner: campaign. The budget that is left."""
    CAMPAIGN_ALLOCATION = "campaign_allocation"
    """The other side of the budget (negative)."""


_ALLOWS_NEGATIVE = {Kind.PARTNER_RECEIVABLE, Kind.MEMBER_CLAWBACK, Kind.BANK, Kind.CAMPAIGN_ALLOCATION}
_FORBIDS_POSITIVE = {Kind.MEMBER_CLAWBACK, Kind.CAMPAIGN_ALLOCATION}


@dataclass(frozen=True)
class Ref:
    """An account by its meaning. Its id follows from it, so no look-up is needed to post."""

    kind: Kind
    owner: str = ""

    @property
    def account_id(self) -> UUID:
        return uuid5(_NAMESPACE, f"{self.kind}:{self.owner}")


@dataclass(frozen=True)
class Entry:
    """A movement to be posted. `movements` are (account, kopecks); those of zero are left out."""

    kind: str
    reference: str
    occurred_at: datetime
    explained: str
    movements: Sequence[tuple[Ref, int]]
    reversal_of: UUID | None = None


_ENSURE = sa.text(
    """
    insert into account (account_id, kind, owner, balance, allow_negative, allow_positive)
    select i, k, o, 0, n, p from unnest(:ids, :kinds, :owners, :negative, :positive) as u(i, k, o, n, p)
    order by i on conflict (account_id) do nothing
    """
).bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("kinds", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("owners", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("negative", type_=sa.ARRAY(sa.Boolean)),
    sa.bindparam("positive", type_=sa.ARRAY(sa.Boolean)),
)

_LOCK = sa.text(
    "select account_id, balance from account where account_id = any(:ids) order by account_id for update"
).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))

_ENTRIES = sa.text(
    """
    insert into journal_entry (entry_id, kind, reference, reversal_of, occurred_at, explained, lines)
    select * from unnest(:ids, :kinds, :references, :reversals, :moments, :explained, :lines)
    on conflict (reference) do nothing returning reference
    """
).bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("kinds", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("references", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("reversals", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("moments", type_=sa.ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("explained", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("lines", type_=sa.ARRAY(sa.SmallInteger)),
)

# One statement for the lines and the balances: they cannot part.
_POSTINGS = sa.text(
    """
    with posted as (
        insert into posting (entry_id, line, account_id, amount)
        select * from unnest(:entries, :lines, :accounts, :amounts) returning account_id, amount
    ), changed as (
        select account_id, cast(sum(amount) as bigint) as change from posted group by account_id
    )
    update account set balance = account.balance + changed.change
    from changed where account.account_id = changed.account_id
    """
).bindparams(
    sa.bindparam("entries", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("lines", type_=sa.ARRAY(sa.SmallInteger)),
    sa.bindparam("accounts", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("amounts", type_=sa.ARRAY(sa.BigInteger)),
)


async def hold(session: AsyncSession, refs: Iterable[Ref]) -> dict[Ref, int]:
    """Lock these accounts, in sorted order, until the transaction ends; returns their balances.

    Those that do not exist are made. A command holds all that it will touch in **one** call, after its
    aggregate's row: so no two transactions can wait for each other.
    """
    by_id = {ref.account_id: ref for ref in refs}
    ids = sorted(by_id)
    await session.execute(
        _ENSURE,
        {
            "ids": ids,
            "kinds": [by_id[i].kind.value for i in ids],
            "owners": [by_id[i].owner for i in ids],
            "negative": [by_id[i].kind in _ALLOWS_NEGATIVE for i in ids],
            "positive": [by_id[i].kind not in _FORBIDS_POSITIVE for i in ids],
        },
    )
    rows = await session.execute(_LOCK, {"ids": ids})
    return {by_id[row.account_id]: row.balance for row in rows}


async def post(session: AsyncSession, *entries: Entry) -> list[UUID | None]:
    """Post entries as a set, and bring the balances along; returns their ids in order.

    None stands for an entry that moves nothing. Raises AlreadyPosted when a reference is taken; the
    database refuses an entry that does not sum to zero, a second reversal, and a balance that its account forbids.
    """
    real = [[(ref, amount) for ref, amount in entry.movements if amount] for entry in entries]
    ids = [uuid7() if movements else None for movements in real]
    moving = [
        (entry_id, entry, movements)
        for entry_id, entry, movements in zip(ids, entries, real, strict=True)
        if entry_id is not None
    ]
    if not moving:
        return ids
    await session.flush()
    await hold(session, {ref for _, _, movements in moving for ref, _ in movements})
    taken = await session.execute(
        _ENTRIES,
        {
            "ids": [entry_id for entry_id, _, _ in moving],
            "kinds": [entry.kind for _, entry, _ in moving],
            "references": [entry.reference for _, entry, _ in moving],
            "reversals": [entry.reversal_of for _, entry, _ in moving],
            "moments": [entry.occurred_at for _, entry, _ in moving],
            "explained": [entry.explained for _, entry, _ in moving],
            "lines": [len(movements) for _, _, movements in moving],
        },
    )
    missing = {entry.reference for _, entry, _ in moving} - set(taken.scalars())
    if missing:
        raise AlreadyPosted
    lines = [
        (entry_id, line, ref.account_id, amount)
        for entry_id, _, movements in moving
        for line, (ref, amount) in enumerate(movements, 1)
    ]
    await session.execute(
        _POSTINGS,
        dict(zip(("entries", "lines", "accounts", "amounts"), map(list, zip(*lines, strict=True)), strict=True)),
    )
    return ids


@dataclass(frozen=True)
class Difference:
    account_id: UUID
    kind: str
    stored: int
    derived: int


@dataclass(frozen=True)
class Verification:
    """What a walk through the whole ledger found. `sound` when there is nothing to explain."""

    accounts: int
    entries: int
    postings: int
    total: int
    differences: tuple[Difference, ...]
    unbalanced: tuple[UUID, ...]
    """Entries whose postings are fewer than they should be or do not sum to zero."""

    @property
    def sound(self) -> bool:
        return not self.differences and not self.unbalanced and self.total == 0


_DIFFERENCES = sa.text(
    """
    select a.account_id, a.kind, a.balance as stored, cast(coalesce(p.derived, 0) as bigint) as derived
    from account a
    left join (select account_id, sum(amount) as derived from posting group by account_id) p using (account_id)
    where a.balance <> coalesce(p.derived, 0) order by a.account_id
    """
)
_UNBALANCED = sa.text(
    """
    select e.entry_id from journal_entry e left join posting p using (entry_id)
    group by e.entry_id, e.lines having coalesce(sum(p.amount), 0) <> 0 or count(p.line) <> e.lines
    order by e.entry_id
    """
)
_COUNTS = sa.text(
    """
    select (select count(*) from account), (select count(*) from journal_entry), (select count(*) from posting),
           (select cast(coalesce(sum(balance), 0) as bigint) from account)
    """
)


async def verify(session: AsyncSession) -> Verification:
    """Rebuild every balance from the postings and compare; changes nothing.

    Wants a transaction with one snapshot (repeatable read), or payments under way show as differences.
    """
    accounts, entries, postings, total = (await session.execute(_COUNTS)).one()
    differences = (await session.execute(_DIFFERENCES)).all()
    unbalanced = (await session.execute(_UNBALANCED)).scalars().all()
    return Verification(
        accounts,
        entries,
        postings,
        total,
        tuple(Difference(row.account_id, row.kind, row.stored, row.derived) for row in differences),
        tuple(unbalanced),
    )
