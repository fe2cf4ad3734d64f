"""What the limits against fraud count, read for a whole batch: one statement for each limit in force."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cashback.commands.subjects import Subject
from cashback.models import FraudLimit
from cashback.rules import fraud
from common.db import fetch

First = tuple[datetime, Subject]
"""The moment of a purchase that is reported for the first time, and whose it is."""

_COLUMNS = ", ".join(column.name for column in FraudLimit.__table__.columns)  # type: ignore[attr-defined]
_LIMITS = f"""
    select {_COLUMNS} from (
        select distinct on (limit_id) {_COLUMNS} from fraud_limit where partner is null or partner = any($1::text[])
        order by limit_id, version desc
    ) newest where active order by limit_id
"""  # noqa: S608 (our own columns)
_DEVICE_LOCK = (
    "select pg_advisory_xact_lock(hashtextextended(encode(d, 'hex'), 0)) from unnest($1::bytea[]) as d order by d"
)
_COUNT = """
    select {key} as key, cast(floor(extract(epoch from p.purchased_at) / $2::bigint) as bigint) as slot,
           count(*) as purchases, cast(sum(p.accrued) as bigint) as kopecks
    from {tables}
    where {column} = any($1::{type}[]) and p.purchased_at between $3 and $4
      and ($5::text is null or p.partner = $5)
    group by 1, 2
"""
_CLICKED = "purchase p join click c using (click_id)"


def _count(key: str, column: str, type_: str, tables: str = "purchase p") -> str:
    return _COUNT.format(key=key, column=column, type=type_, tables=tables)


_COUNTS = {
    "member": _count("replace(p.member_id::text, '-', '')", "p.member_id", "uuid"),
    "partner": _count("p.partner", "p.partner", "text"),
    "card": _count("replace(c.card_id::text, '-', '')", "c.card_id", "uuid", _CLICKED),
    "device": _count("encode(c.device, 'hex')", "c.device", "bytea", _CLICKED),
}


async def limits_of(session: AsyncSession, partners: Sequence[str]) -> list[FraudLimit]:
    return [FraudLimit(**row) for row in await fetch(session, _LIMITS, partners)]


async def hold_devices(session: AsyncSession, limits: Sequence[FraudLimit], first: Sequence[First]) -> None:
    """One transaction at a time counts a device. Members, their cards and the partner are held by their accounts."""
    devices = {
        one.clicked.device for _, one in first if one.clicked is not None and one.clicked.device is not None
    }
    if devices and any(limit.kind == "device" for limit in limits):
        await fetch(session, _DEVICE_LOCK, sorted(devices))


async def counted(session: AsyncSession, limits: Sequence[FraudLimit], first: Sequence[First]) -> fraud.Watch:
    """The limits, and what was bought near these moments; the caller holds the accounts, so nobody adds to it."""
    watch = fraud.Watch(list(limits))
    if not first:
        return watch
    moments = [moment for moment, _ in first]
    for limit in limits:
        if limit.kind not in _COUNTS:
            continue
        of = [one for _, one in first if limit.partner in (None, one.partner)]
        keys = sorted({key for one in of if (key := _key(limit.kind, one)) is not None})
        if not keys:
            continue
        step = fraud.slot_seconds(limit)
        window = timedelta(seconds=(limit.window_seconds or 0) + 2 * step)
        earliest, latest = min(moments) - window, max(moments) + window
        rows = await fetch(session, _COUNTS[limit.kind], keys, step, earliest, latest, limit.partner)
        slots = watch.counted[limit.limit_id]
        for row in rows:
            slots.setdefault(row["key"], {})[row["slot"]] = (row["purchases"], row["kopecks"])
    return watch


def _key(kind: str, one: Subject) -> Any:
    assert one.clicked is not None
    return {
        "member": one.member_id,
        "partner": one.partner,
        "card": one.clicked.card_id,
        "device": one.clicked.device,
    }[kind]
