"""Publishing is a write: the event's row commits, or rolls back, with the change that it tells of."""

import functools
import re
import zlib
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from opentelemetry import propagate
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction
from uuid_utils import uuid7

from common.events.base import Event, Topic

_PENDING = "outbox_pending"
_ALONG = "written_at_commit"

SHARD_LOCK_CLASS = 0x6F757462
"""First half of the advisory lock's key under which a shard is sent; the second is the shard."""

_INSERT = """
insert into outbox (shard, topic, key, payload, headers)
select s, t, k, p, h::jsonb
from unnest($1::smallint[], $2::text[], $3::text[], $4::bytea[], $5::text[]) as u(s, t, k, p, h)
"""
# Cast in SQL and left to the driver: SQLAlchemy's own arrays look at every element of every row.

_OUTBOX = sa.table("outbox", *(sa.column(name) for name in ("shard", "topic", "key", "payload", "headers")))

_STOP_SENDING = sa.text(
    "select pg_advisory_xact_lock(:lock_class, shard) from generate_series(0, :shards - 1) as shard"
).bindparams(sa.bindparam("shards", type_=sa.Integer))

_SEND_AGAIN = sa.text(
    """
    insert into outbox (id, shard, topic, key, payload, headers, replayed) overriding system value
    select past.id, again.shard, past.topic, past.key, past.payload, past.headers, true
    from event_history past join unnest(:ids, :shards) as again(id, shard) on again.id = past.id
    on conflict (id) do nothing
    """
).bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger)), sa.bindparam("shards", type_=sa.ARRAY(sa.SmallInteger))
)


class OutboxSession(Session):
    """The session class that knows the outbox: published events are written just before each commit.

    A row that is read with a lock is always read anew: what the session had seen of it before it had the
    lock may be another transaction's past.
    """


@sqlalchemy_event.listens_for(OutboxSession, "do_orm_execute")
def _read_locked_rows_anew(execution: ORMExecuteState) -> None:
    if execution.is_select and getattr(execution.statement, "_for_update_arg", None) is not None:
        # What is changed and not yet written would be lost by the reading.
        execution.session.flush()
        execution.update_execution_options(populate_existing=True)


def shard_of(key: str, shards: int) -> int:
    """All events of one key go through one shard, hence one relay loop at a time."""
    return zlib.crc32(key.encode()) % shards


def publish(
    session: AsyncSession, event: Event, traceparent: str | None = None, topic: Topic | None = None
) -> None:
    """Put `event` into the outbox of the session's transaction.

    The caller has locked (or just inserted) the aggregate's row, so that events of one aggregate
    commit in the order of their versions. Nothing is sent if the transaction rolls back.
    The event continues the current trace, or that of `traceparent`: a bulk effect gives its delivery's.
    `topic` is that of one partner, for an event whose own topic is a template; a trace is not told to partners.
    """
    topic = topic or event.topic
    if topic.is_template or (topic.name != event.topic.name and topic.template != event.topic.name):
        raise ValueError(f"{event.event_type} cannot travel on {topic.name}")
    sync = session.sync_session
    pending: list[tuple[SessionTransaction | None, Event, dict[str, str], str]] = sync.info.setdefault(
        _PENDING, []
    )
    headers = _headers(event, traceparent, foreign=topic.template is not None)
    pending.append((sync.get_nested_transaction(), event, headers, topic.name))


async def publish_rows(session: AsyncSession, event: type[Event], rows: sa.Select[*tuple[Any, ...]]) -> None:
    """Publish one event of this type for every row of a query, in one statement: for thousands at once.

    The query's columns are the event's fields, by name, all of them; and `event_id` (a UUIDv7), where the caller has
    made them cheaper than the database does. The rows written by the session before are seen.
    """
    columns = rows.selected_columns
    if set(columns.keys()) - {"event_id"} != set(event.model_fields):
        raise TypeError(f"{event.event_type}: the query gives {sorted(columns.keys())}")
    await session.flush()
    shards = session.sync_session.info["outbox_shards"]
    await session.execute(publishing(event, rows.subquery("body"), shards))


def publishing(
    event: type[Event],
    rows: sa.FromClause,
    shards: int,
    *,
    traceparent: sa.ColumnElement[str | None] | None = None,
    **given: sa.ColumnElement[Any],
) -> sa.Insert:
    """The statement of `publish_rows`, to be put into the very statement that makes the change.

    `rows` has a column for each field that is not `given`; the statement locks or inserts the aggregates' rows.
    An event continues the trace in its row's `traceparent`, or the current one.
    """
    values = {name: given[name] if name in given else rows.c[name] for name in event.model_fields}
    key = sa.cast(rows.c[event.key_field], sa.Text)
    body = sa.func.json_build_object(*(item for pair in values.items() for item in pair))
    common = {**_type_headers(event), "ce_time": datetime.now(UTC).isoformat()}
    propagate.inject(common)
    headers = sa.cast(sa.literal(common, JSONB), JSONB).concat(
        sa.func.jsonb_build_object(
            *("ce_id", rows.c["event_id"] if "event_id" in rows.c else sa.func.uuidv7()),
            *("ce_subject", key),
            *("ce_sequence", sa.cast(values["version"], sa.Text)),
        )
    )
    if traceparent is not None:
        headers = headers.concat(sa.func.jsonb_strip_nulls(sa.func.jsonb_build_object("traceparent", traceparent)))
    return sa.insert(_OUTBOX).from_select(
        ["shard", "topic", "key", "payload", "headers"],
        sa.select(
            # PostgreSQL's crc32 is zlib's: see shard_of.
            sa.cast(sa.func.mod(sa.func.crc32(sa.func.convert_to(key, "UTF8")), shards), sa.SmallInteger),
            sa.literal(event.topic.name),
            key,
            sa.func.convert_to(sa.cast(body, sa.Text), "UTF8"),
            headers,
        ).select_from(rows),
    )


def _type_headers(event: type[Event]) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_type": event.event_type,
        "ce_source": event.source,
        "ce_dataschema": event.schema_id(),
        "content-type": "application/json",
    }


def _headers(event: Event, traceparent: str | None, foreign: bool) -> dict[str, str]:
    headers = {
        **_type_headers(type(event)),
        "ce_id": str(uuid7()),  # the extension's own UUID: its text costs a fifth of the standard library's
        "ce_subject": event.key,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_sequence": str(event.version),
    }
    if foreign:
        # The trace of one member's request would be the same at two partners.
        pass
    elif traceparent is None:
        propagate.inject(headers)
    else:
        headers["traceparent"] = traceparent
    return headers


@sqlalchemy_event.listens_for(OutboxSession, "before_commit")
def _write_pending(session: Session) -> None:
    # Also fires when a savepoint is released: its events are then inside the savepoint's fate.
    pending, along = session.info.get(_PENDING), session.info.pop(_ALONG, None)
    if not pending and not along:
        return
    # The unit of work orders inserts by table; the flush puts the aggregates' rows before their events.
    session.flush()
    statement, parameters = along or ("", ())
    if pending:
        rows, session.info[_PENDING] = list(pending), []
        shards = session.info["outbox_shards"]
        keys = [headers["ce_subject"] for _, _, headers, _ in rows]
        parameters = (
            *parameters,
            [shard_of(key, shards) for key in keys],
            [topic for _, _, _, topic in rows],
            keys,
            [event.model_dump_json().encode() for _, event, _, _ in rows],
            [orjson.dumps(headers).decode() for _, _, headers, _ in rows],
        )
        insert = _insert_after(len(parameters) - 5)
        statement = f"with along as ({statement}) {insert}" if statement else insert
    session.connection().exec_driver_sql(statement, parameters)


def write_at_commit(session: AsyncSession, statement: str, parameters: tuple[Any, ...]) -> None:
    """Run a statement of the driver's kind ($1, …) just before the commit, in one round trip with the events.

    It must not depend on what they tell of; one a transaction.
    """
    session.sync_session.info[_ALONG] = (statement, parameters)


@functools.cache
def _insert_after(count: int) -> str:
    """The insert, its parameters numbered behind `count` others."""
    return re.sub(r"\$(\d)", lambda place: f"${int(place[1]) + count}", _INSERT)


@sqlalchemy_event.listens_for(OutboxSession, "after_soft_rollback")
def _forget_pending(session: Session, previous_transaction: SessionTransaction) -> None:
    pending = session.info.get(_PENDING)
    if pending:
        undone = previous_transaction if previous_transaction.nested else None
        session.info[_PENDING] = [] if undone is None else [row for row in pending if row[0] is not undone]


async def outbox_backlog(session: AsyncSession) -> tuple[int, float]:
    """How many events wait, and the age of the oldest in seconds (0 when none waits)."""
    row: Any = (
        await session.execute(
            sa.text(
                "select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0) from outbox"
            )
        )
    ).one()
    return int(row[0]), float(row[1])


async def republish(session: AsyncSession, topics: list[str], after: int, limit: int) -> tuple[int, int]:
    """Put up to `limit` past events of `topics`, with their first ids, into the outbox again.

    Returns (the last history id taken, how many). Consumers take them without a second effect:
    projections compare versions, effects have the ids in their inbox. They go out before everything of
    their key that is younger and unsent, so a key ends with its newest state under live traffic too.
    """
    shards = session.sync_session.info["outbox_shards"]
    # What was sent is in the history, what was not is in the outbox with a higher id: for as long as this stands.
    await session.execute(_STOP_SENDING, {"lock_class": SHARD_LOCK_CLASS, "shards": shards})
    rows = (
        await session.execute(
            sa.text(
                "select id, key from event_history"
                " where id > :after and topic = any(:topics) order by id limit :limit"
            ).bindparams(sa.bindparam("topics", type_=sa.ARRAY(sa.Text))),
            {"after": after, "topics": topics, "limit": limit},
        )
    ).all()
    if not rows:
        return after, 0
    await session.execute(
        _SEND_AGAIN, {"ids": [row.id for row in rows], "shards": [shard_of(row.key, shards) for row in rows]}
    )
    return rows[-1].id, len(rows)


def dump_headers(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in headers.items()]
