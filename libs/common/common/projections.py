"""What a service keeps of other services' aggregates: their last state, or every state they ever had."""

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from common.events.base import Envelope, Event

_STAMPS = ("event_type", "recorded_at")
"""Columns of facts that come from the envelope."""


class Projection:
    """Keeps `table` at the newest version seen of each aggregate.

    The table's columns carry the names of the event's fields; fields without a column are left out.
    Reordered, repeated and republished events change nothing, so no inbox is needed.
    """

    def __init__(self, table: type[SQLModel], key: str) -> None:
        self.table = _target(table, key, "version")
        self.key = key
        columns = _projected(self.table)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
        self._upsert = _insert(
            self.table,
            columns,
            order=key,
            conflict=f"({key}) do update set {updates} where t.version < excluded.version",
        )

    async def apply(self, session: AsyncSession, events: Sequence[Event]) -> None:
        newest: dict[Any, Event] = {}
        for event in events:
            key = getattr(event, self.key)
            seen = newest.get(key)
            if seen is None or seen.version < event.version:
                newest[key] = event
        # Whole events: the database takes the fields that it has columns for.
        await _write(session, self._upsert, [event.model_dump_json() for event in newest.values()])


class Facts:
    """Keeps in `table` every state of each aggregate: one row for each version, added once, never changed.

    Beside the event's fields the table has `recorded_at`, when the owner wrote the event down, and
    `event_type`; the state holds from the event's `effective_on`. Reordered, repeated and republished
    events change nothing, so no inbox is needed. A compacted topic forgets past versions: facts are
    rebuilt by a republish of the owner's history.
    """

    def __init__(self, table: type[SQLModel], key: str) -> None:
        self.table = _target(table, key, "version", "effective_on", *_STAMPS)
        if {column.name for column in self.table.primary_key} != {key, "version"}:
            raise TypeError(f"{self.table.name} needs the primary key ({key}, version) to hold facts")
        columns = _projected(self.table)
        self._fields = set(columns) - set(_STAMPS)
        self._insert = _insert(
            self.table, columns, order=f"{key}, version", conflict=f"({key}, version) do nothing"
        )

    async def apply(self, session: AsyncSession, stamped: Sequence[tuple[Envelope, Event]]) -> None:
        await _write(
            session,
            self._insert,
            [
                orjson.dumps(
                    event.model_dump(mode="json", include=self._fields)
                    | {"event_type": envelope.type, "recorded_at": envelope.time}
                ).decode()
                for envelope, event in stamped
            ],
        )


def _target(table: type[SQLModel], *needed: str) -> sa.Table:
    target: sa.Table = table.__table__  # type: ignore[attr-defined]
    if missing := [name for name in needed if name not in target.c]:
        raise TypeError(f"{target.name} needs the columns {', '.join(missing)} to be fed by events")
    return target


def _projected(target: sa.Table) -> list[str]:
    return [column.name for column in target.columns if column.info.get("projected", True)]


def _insert(target: sa.Table, columns: Sequence[str], order: str, conflict: str) -> sa.TextClause:
    """One statement a batch; the order of keys keeps two workers from locking rows crosswise."""
    dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
    shape = ", ".join(f"{name} {target.c[name].type.compile(dialect)}" for name in columns)
    names = ", ".join(columns)
    return sa.text(
        f"insert into {target.name} as t ({names})"  # noqa: S608 (names of our own columns)
        f" select {names} from jsonb_to_recordset(cast(:rows as jsonb)) as r({shape}) order by {order}"
        f" on conflict {conflict}"
    )


async def _write(session: AsyncSession, statement: sa.TextClause, rows: Sequence[str]) -> None:
    """`rows` are JSON objects."""
    if rows:
        await session.execute(statement, {"rows": f"[{','.join(rows)}]"})
