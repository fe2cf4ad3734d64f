"""The ledger: accounts, and entries that are posted in sets. Every movement of money goes through `post`.

Sign: a positive posting adds to what the union owes (members, a budget left), a negative one to what it is
owed or has paid (partners, the bank). All balances together are zero at every moment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cashback.errors import AlreadyPosted
from common.db import fetch

RUB = "RUB"
"""The currency of everything that this service posts; entries balance in each currency by itself."""

NO_WORTH = "XTS"
"""ISO 4217's code for testing: the money of partners in the sandbox. It cannot meet the other in an entry."""

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


@lru_cache(maxsize=10_000)
def _account_id(kind: Kind, owner: str, currency: str) -> UUID:
    suffix = "" if currency == RUB else f":{currency}"
    return uuid5(_NAMESPACE, f"{kind}:{owner}{suffix}")


@dataclass(frozen=True)
class Ref:
    """An account by its meaning. Its id follows from it, so no look-up is needed to post."""

    kind: Kind
    owner: str = ""
    currency: str = RUB

    @property
    def account_id(self) -> UUID:
        return _account_id(self.kind, self.owner, self.currency)


@dataclass(frozen=True)
class Entry:
    """A movement to be posted. `movements` are (account, kopecks); those of zero are left out."""

    kind: str
    reference: str
    occurred_at: datetime
    explained: str
    movements: Sequence[tuple[Ref, int]]
    reversal_of: UUID | None = None
    entry_id: UUID | None = None
    """Given by who needs it before the entry is posted."""


_ENSURE = """
    insert into account (account_id, kind, owner, balance, allow_negative, allow_positive, currency)
    select i, k, o, 0, n, p, c
    from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::bool[], $6::text[]) as u(i, k, o, n, p, c)
    order by i on conflict (account_id) do nothing
"""
_KNOWN = "select account_id from account where account_id = any($1::uuid[])"
_LOCK = "select account_id, balance from account where account_id = any($1::uuid[]) order by account_id for update"

# One statement for the entries, their lines and the balances: they cannot part. What is taken already posts nothing.
_POST = """
    with entered as (
        insert into journal_entry (entry_id, kind, reference, reversal_of, occurred_at, explained, lines)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[],
                             $7::smallint[])
        on conflict (reference) do nothing returning entry_id
    ), posted as (
        insert into posting (entry_id, line, account_id, amount, currency)
        select e, l, a, m, c
        from unnest($8::uuid[], $9::smallint[], $10::uuid[], $11::bigint[], $12::text[]) as u(e, l, a, m, c)
        where e in (select entry_id from entered) returning account_id, amount
    ), changed as (
        update account set balance = account.balance + change.total
        from (select account_id, cast(sum(amount) as bigint) as total from posted group by account_id) as change
        where account.account_id = change.account_id
    )
    select count(*) as entered from entered
"""


async def hold(session: AsyncSession, refs: Iterable[Ref]) -> dict[Ref, int]:
    """Lock these accounts, in sorted order, until the transaction ends; returns their balances.

    Those that do not exist are made. A command holds all that it will touch in **one** call, after its
    aggregate's row: so no two transactions can wait for each other.
    """
    by_id = {ref.account_id: ref for ref in refs}
    if not by_id:
        return {}
    ids = sorted(by_id)
    known = {row["account_id"] for row in await fetch(session, _KNOWN, ids)}
    if len(known) < len(ids):
        # Before any lock is held: who makes an account waits for nobody who waits for them.
        new = [by_id[account_id] for account_id in ids if account_id not in known]
        await fetch(
            session,
            _ENSURE,
            [ref.account_id for ref in new],
            [ref.kind.value for ref in new],
            [ref.owner for ref in new],
            [ref.kind in _ALLOWS_NEGATIVE for ref in new],
            [ref.kind not in _FORBIDS_POSITIVE for ref in new],
            [ref.currency for ref in new],
        )
    return {by_id[row["account_id"]]: row["balance"] for row in await fetch(session, _LOCK, ids)}


async def post(session: AsyncSession, *entries: Entry, held: bool = False) -> list[UUID | None]:
    """Post entries as a set, and bring the balances along; returns their ids in order.

    None stands for an entry that moves nothing. Raises AlreadyPosted when a reference is taken; the
    database refuses an entry that does not sum to zero, a second reversal, and a balance that its account forbids.
    `held`: the caller has locked the accounts by `hold` in this transaction.
    """
    ids: list[UUID | None] = []
    entered: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    refs: set[Ref] = set()
    for entry in entries:
        entry_id, number = entry.entry_id or uuid7(), 0
        for ref, amount in entry.movements:
            if amount:
                number += 1
                lines.append((entry_id, number, ref.account_id, amount, ref.currency))
                refs.add(ref)
        if not number:
            ids.append(None)
            continue
        ids.append(entry_id)
        said = (entry.kind, entry.reference, entry.reversal_of, entry.occurred_at, entry.explained)
        entered.append((entry_id, *said, number))
    if not refs:
        return ids
    await session.flush()
    if not held:
        await hold(session, refs)
    columns = map(list, (*zip(*entered, strict=True), *zip(*lines, strict=True)))
    if (await fetch(session, _POST, *columns))[0]["entered"] < len(entered):
        raise AlreadyPosted
    return ids
