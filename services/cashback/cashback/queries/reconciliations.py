"""What comparisons with partners' books have found; a partner's own, or all of them to the union's own people."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback.models import Reconciliation, ReconciliationItem
from common.auth import Principal, Role
from common.http import PageParams, paginate


@dataclass(frozen=True)
class Result:
    row: Reconciliation
    outcomes: list[dict[str, Any]]
    ageing: dict[str, int]
    waiting: int


def visible(principal: Principal) -> sa.ColumnElement[bool]:
    if Role.PARTNER in principal.roles:
        return col(Reconciliation.partner) == principal.partner
    return sa.true() if principal.sees_everything or Role.FEDERAL_STAFF in principal.roles else sa.false()


async def reconciliations(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[Reconciliation], str | None]:
    statement = sa.select(Reconciliation).where(visible(principal))
    return await paginate(session, statement, col(Reconciliation.reconciliation_id), page)


async def reconciliation(
    session: AsyncSession, principal: Principal, reconciliation_id: UUID
) -> Reconciliation | None:
    statement = sa.select(Reconciliation).where(
        visible(principal), col(Reconciliation.reconciliation_id) == reconciliation_id
    )
    return (await session.scalars(statement)).one_or_none()


_SUMS = sa.text(
    """
    select outcome, count(*) as lines,
        cast(coalesce(sum(our_amount), 0) as bigint) as our_amount,
        cast(coalesce(sum(our_cashback), 0) as bigint) as our_cashback,
        cast(coalesce(sum(their_amount), 0) as bigint) as their_amount,
        cast(coalesce(sum(their_cashback), 0) as bigint) as their_cashback
    from reconciliation_item where reconciliation_id = :id group by outcome order by outcome
    """
)
_AGEING = sa.text(
    """
    select count(*) filter (where age < interval '1 day') as today,
        count(*) filter (where age >= interval '1 day' and age < interval '8 days') as to_7_days,
        count(*) filter (where age >= interval '8 days' and age < interval '31 days') as to_30_days,
        count(*) filter (where age >= interval '31 days') as older,
        count(*) filter (where state = 'proposed') as waiting
    from (
        select cast(:now as timestamptz) - differs_since as age, state
        from reconciliation_item where reconciliation_id = :id and differs_since is not null and state <> 'accepted'
    ) differing
    """
)


async def result(session: AsyncSession, row: Reconciliation, now: datetime) -> Result:
    ids = {"id": row.reconciliation_id}
    sums = (await session.execute(_SUMS, ids)).mappings().all()
    ageing = dict((await session.execute(_AGEING, {**ids, "now": now})).mappings().one())
    waiting = ageing.pop("waiting")
    return Result(row, [dict(line) for line in sums], ageing, waiting)


def _items(reconciliation_id: UUID, outcome: str | None, state: str | None) -> sa.Select[Any]:
    statement = sa.select(ReconciliationItem).where(col(ReconciliationItem.reconciliation_id) == reconciliation_id)
    if outcome is not None:
        statement = statement.where(col(ReconciliationItem.outcome) == outcome)
    if state is not None:
        statement = statement.where(col(ReconciliationItem.state) == state)
    return statement


async def items(
    session: AsyncSession, reconciliation_id: UUID, outcome: str | None, state: str | None, page: PageParams
) -> tuple[list[ReconciliationItem], str | None]:
    return await paginate(
        session, _items(reconciliation_id, outcome, state), col(ReconciliationItem.item_id), page
    )


async def all_items(
    session: AsyncSession, reconciliation_id: UUID, outcome: str | None
) -> list[ReconciliationItem]:
    """A file has at most some 20,000 lines, by the limit of a body."""
    statement = _items(reconciliation_id, outcome, None).order_by(col(ReconciliationItem.item_id))
    return list((await session.scalars(statement)).all())


def age_days(item: ReconciliationItem, now: datetime) -> int | None:
    return None if item.differs_since is None else max(0, (now - item.differs_since) // timedelta(days=1))
