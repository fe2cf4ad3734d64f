"""The whole ledger walked through: what is stored against what its postings say."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class Difference:
    account_id: UUID
    kind: str
    stored: int
    derived: int


@dataclass(frozen=True)
class CapDifference:
    cap: str
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
    caps: tuple[CapDifference, ...]

    @property
    def sound(self) -> bool:
        return not self.differences and not self.unbalanced and not self.caps and self.total == 0


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
    select e.entry_id from journal_entry e left join (
        select entry_id, count(*) as n from posting group by entry_id
    ) p using (entry_id) where coalesce(p.n, 0) <> e.lines
    union select entry_id from posting group by entry_id, currency having sum(amount) <> 0
    order by entry_id
    """
)
# Each purchase under the caps of its terms, by the keys that `rewards.caps_of` makes.
_CAPS = sa.text(
    """
    with counted as (
        select p.cashback, p.partner, p.member_id, p.order_number, t.*,
            case t.cap_period when 'day' then to_char(p.purchased_on, 'YYYY-MM-DD')
                when 'week' then 'week of ' || to_char(date_trunc('week', p.purchased_on), 'YYYY-MM-DD')
                when 'month' then to_char(p.purchased_on, 'YYYY-MM') else 'whole' end as period
        from purchase p join campaign_terms t
            on t.campaign_id = p.campaign_id and t.version = p.campaign_version
    ), derived as (
        select 'order:' || campaign_id || ':' || order_number as cap, cashback from counted
        where cap_per_order is not null or fixed is not null or jsonb_path_exists(tiers, '$[*].fixed ? (@ != null)')
        union all
        select 'member:' || campaign_id || ':' || member_id || ':' || period, cashback from counted
        where cap_per_member is not null
        union all
        select 'partner:' || partner || ':' || period, cashback from counted where cap_per_partner is not null
    ), summed as (select cap, cast(sum(cashback) as bigint) as used from derived group by cap)
    select coalesce(c.cap, s.cap) as cap, coalesce(c.used, 0) as stored, coalesce(s.used, 0) as derived
    from cap_use c full join summed s on s.cap = c.cap
    where coalesce(c.used, 0) <> coalesce(s.used, 0) order by 1
    """
)
_COUNTS = sa.text(
    """
    select (select count(*) from account), (select count(*) from journal_entry), (select count(*) from posting),
           (select cast(coalesce(sum(balance), 0) as bigint) from account)
    """
)


async def verify(session: AsyncSession) -> Verification:
    """Rebuild every balance from the postings, and every cap's use from the purchases, and compare; changes nothing.

    Wants a transaction with one snapshot (repeatable read), or payments under way show as differences.
    """
    accounts, entries, postings, total = (await session.execute(_COUNTS)).one()
    differences = (await session.execute(_DIFFERENCES)).all()
    unbalanced = (await session.execute(_UNBALANCED)).scalars().all()
    caps = (await session.execute(_CAPS)).all()
    return Verification(
        accounts,
        entries,
        postings,
        total,
        tuple(Difference(row.account_id, row.kind, row.stored, row.derived) for row in differences),
        tuple(unbalanced),
        tuple(CapDifference(row.cap, row.stored, row.derived) for row in caps),
    )
