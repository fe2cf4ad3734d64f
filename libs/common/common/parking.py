"""Records that cannot be processed are set aside with their reason; later ones of the key wait behind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

WAITING = "waits_behind_key"
"""The code of a record that is itself sound but comes after a parked one of its key."""


@dataclass(frozen=True)
class Record:
    """A Kafka record as it came: raw bytes, nothing interpreted."""

    topic: str
    partition: int
    offset: int
    raw_key: bytes | None
    payload: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @classmethod
    def of(cls, message: "ConsumerRecord") -> "Record":
        return cls(
            message.topic, message.partition, message.offset, message.key, message.value, tuple(message.headers)
        )

    @cached_property
    def key(self) -> str:
        """What order is kept by. A record without a key is ordered with its partition's others of that kind."""
        if self.raw_key is None:
            return f"partition-{self.partition}"
        return _storable(self.raw_key.decode(errors="backslashreplace"))


@dataclass(frozen=True)
class Parked:
    id: int
    consumer: str
    record: Record
    code: str
    reason: str
    attempts: int
    parked_at: datetime


async def held_keys(session: AsyncSession, consumer: str, topic: str, keys: Iterable[str]) -> set[str]:
    """Which of `keys` have parked records. Waits for a retry of such a key that is under way."""
    rows = await session.execute(
        sa.text(
            "select key from parked_record where consumer = :consumer and topic = :topic and key = any(:keys)"
            " order by id for update"
        ).bindparams(sa.bindparam("keys", type_=sa.ARRAY(sa.Text))),
        {"consumer": consumer, "topic": topic, "keys": sorted(set(keys))},
    )
    return {row.key for row in rows}


async def park(session: AsyncSession, consumer: str, records: Sequence[tuple[Record, str, str]]) -> None:
    """Set records aside as (record, code, reason), in the order given, which is the order of retry.

    A record that is on the shelf already, because Kafka gave it again, is not put there twice.
    """
    statement = sa.text(
        "insert into parked_record (consumer, topic, partition, record_offset, key, raw_key, payload, headers,"
        " code, reason) select :consumer, :topic, :partition, :record_offset, :key, :raw_key, :payload, :headers,"
        " :code, :reason where not exists (select from parked_record where consumer = :consumer and topic = :topic"
        " and key = :key and partition = :partition and record_offset = :record_offset and headers = :headers"
        " and payload is not distinct from :payload)"
    ).bindparams(
        *(sa.bindparam(name, type_=sa.Text) for name in ("consumer", "topic", "key", "code", "reason")),
        *(sa.bindparam(name, type_=sa.LargeBinary) for name in ("raw_key", "payload")),
        sa.bindparam("partition", type_=sa.Integer),
        sa.bindparam("record_offset", type_=sa.BigInteger),
        sa.bindparam("headers", type_=JSONB),
    )
    for record, code, reason in records:
        await session.execute(
            statement,
            {
                "consumer": consumer,
                "topic": record.topic,
                "partition": record.partition,
                "record_offset": record.offset,
                "key": record.key,
                "raw_key": record.raw_key,
                "payload": record.payload,
                "headers": [
                    [_storable(name), None if value is None else value.hex()] for name, value in record.headers
                ],
                "code": code,
                "reason": _storable(reason[:1000]),
            },
        )


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return text.replace("\x00", "\\x00")


async def parked_records(
    session: AsyncSession, consumer: str | None = None, key: str | None = None, limit: int = 1000
) -> list[Parked]:
    """Parked records in the order of retry."""
    rows = await session.execute(
        sa.text(
            "select * from parked_record where (cast(:consumer as text) is null or consumer = :consumer)"
            " and (cast(:key as text) is null or key = :key) order by id limit :limit"
        ),
        {"consumer": consumer, "key": key, "limit": limit},
    )
    return [
        Parked(
            id=row.id,
            consumer=row.consumer,
            record=Record(
                row.topic,
                row.partition,
                row.record_offset,
                row.raw_key,
                row.payload,
                tuple((name, None if value is None else bytes.fromhex(value)) for name, value in row.headers),
            ),
            code=row.code,
            reason=row.reason,
            attempts=row.attempts,
            parked_at=row.parked_at,
        )
        for row in rows
    ]


async def lock_key(session: AsyncSession, consumer: str, topic: str, key: str) -> list[Parked]:
    """Lock a key's parked records against the consumer and return them in order."""
    await held_keys(session, consumer, topic, [key])
    # A second look: what the consumer parked while we waited for its lock must be seen too.
    return [parked for parked in await parked_records(session, consumer, key) if parked.record.topic == topic]


async def mark_failed(session: AsyncSession, parked_id: int, code: str, reason: str) -> None:
    await session.execute(
        sa.text("update parked_record set code = :code, reason = :reason, attempts = attempts + 1 where id = :id"),
        {"id": parked_id, "code": code, "reason": _storable(reason[:1000])},
    )


async def release(session: AsyncSession, parked_id: int) -> bool:
    """Take a record off the shelf; true if it was there."""
    result = await session.execute(
        sa.text("delete from parked_record where id = :id returning id"), {"id": parked_id}
    )
    return result.first() is not None


async def parked_count(session: AsyncSession) -> dict[str, int]:
    rows = await session.execute(sa.text("select consumer, count(*) as n from parked_record group by consumer"))
    return {row.consumer: row.n for row in rows}
