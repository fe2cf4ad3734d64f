"""What the limits against fraud count, read for a whole batch: one statement for each limit in force."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from cashback.commands.decisions import Subject
from cashback.models import FraudLimit
from cashback.rules import fraud

First = tuple[datetime, Subject]
"""The moment of a purchase that is reported for the first time, and whose it is."""

_LIMITS = sa.text(
    """
    select * from (
        select distinct on (limit_id) * from fraud_limit where partner is null or partner = :partner
        order by limit_id, version desc
    ) newest where active
    """
)
_DEVICE_LOCK = sa.text(
    "select pg_advisory_xact_lock(hashtextextended(encode(d, 'hex'), 0)) from unnest(:devices) as d order by d"
).bindparams(sa.bindparam("devices", type_=sa.ARRAY(sa.LargeBinary)))

_COUNT = """
    select {key} as key, cast(floor(extract(epoch from p.purchased_at) / :step) as bigint) as slot,
           count(*) as purchases, cast(sum(p.accrued) as bigint) as kopecks
    from {tables}
    where {column} = any(:keys) and p.purchased_at between :earliest and :latest
      and (cast(:partner as text) is null or p.partner = :partner)
    group by 1, 2
"""
_CLICKED = "purchase p join click c using (click_id)"


def _count(key: str, column: str, type_: Any, tables: str = "purchase p") -> sa.TextClause:
    statement = _COUNT.format(key=key, column=column, tables=tables)
    return sa.text(statement).bindparams(sa.bindparam("keys", type_=sa.ARRAY(type_)))


_COUNTS = {
    "member": _count("replace(p.member_id::text, '-', '')", "p.member_id", sa.Uuid()),
    "partner": _count("p.partner", "p.partner", sa.Text()),
    "card": _count("replace(c.card_id::text, '-', '')", "c.card_id", sa.Uuid(), _CLICKED),
    "device": _count("encode(c.device, 'hex')", "c.device", sa.LargeBinary(), _CLICKED),
}


async def limits_of(connection: AsyncConnection, partner: str) -> list[FraudLimit]:
    rows = await connection.execute(_LIMITS, {"partner": partner})
    return [FraudLimit(**row) for row in rows.mappings()]


async def hold_devices(connection: AsyncConnection, limits: Sequence[FraudLimit], first: Sequence[First]) -> None:
    """One transaction at a time counts a device. Members, their cards and the partner are held by their accounts."""
    devices = {
        one.clicked.device for _, one in first if one.clicked is not None and one.clicked.device is not None
    }
    if devices and any(limit.kind == "device" for limit in limits):
        await connection.execute(_DEVICE_LOCK, {"devices": sorted(devices)})


async def counted(
    connection: AsyncConnection, partner: str, limits: Sequence[FraudLimit], first: Sequence[First]
) -> fraud.Watch:
    """The limits, and what was bought near these moments; the caller holds the accounts, so nobody adds to it."""
    watch = fraud.Watch(list(limits))
    if not first:
        return watch
    moments = [moment for moment, _ in first]
    for limit in limits:
        if limit.kind not in _COUNTS:
            continue
        keys = sorted({key for _, one in first if (key := _key(limit.kind, partner, one)) is not None})
        if not keys:
            continue
        window = timedelta(seconds=(limit.window_seconds or 0) + 2 * fraud.slot_seconds(limit))
        rows = await connection.execute(
            _COUNTS[limit.kind],
            {
                "keys": keys,
                "step": fraud.slot_seconds(limit),
                "earliest": min(moments) - window,
                "latest": max(moments) + window,
                "partner": limit.partner,
            },
        )
        slots = watch.counted[limit.limit_id]
        for row in rows:
            slots.setdefault(row.key, {})[row.slot] = (row.purchases, row.kopecks)
    return watch


def _key(kind: str, partner: str, one: Subject) -> Any:
    assert one.clicked is not None
    return {
        "member": one.member_id,
        "partner": partner,
        "card": one.clicked.card_id,
        "device": one.clicked.device,
    }[kind]
