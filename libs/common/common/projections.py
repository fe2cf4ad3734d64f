"""A projection: the last state of another service's aggregates, guarded by their version."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from common.events.base import Event


class Projection:
    """Keeps `table` at the newest version seen of each aggregate.

    The table's columns carry the names of the event's fields; fields without a column are left out.
    Reordered, repeated and republished events change nothing, so no inbox is needed.
    """

    def __init__(self, table: type[SQLModel], key: str) -> None:
        target: sa.Table = table.__table__  # type: ignore[attr-defined]
        if "version" not in target.c or key not in target.c:
            raise TypeError(f"{target.name} needs the columns version and {key} to be a projection")
        self.table = target
        self.key = key
        columns = [column.name for column in target.columns if column.info.get("projected", True)]
        dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
        shape = ", ".join(f"{name} {target.c[name].type.compile(dialect)}" for name in columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
        names = ", ".join(columns)
        # One statement a batch; the key order keeps two workers from locking rows crosswise.
        self._upsert = sa.text(
            f"insert into {target.name} as t ({names})"  # noqa: S608 (names of our own columns)
            f" select {names} from jsonb_to_recordset(cast(:rows as jsonb)) as r({shape}) order by {key}"
            f" on conflict ({key}) do update set {updates} where t.version < excluded.version"
        )

    async def apply(self, session: AsyncSession, events: Sequence[Event]) -> None:
        newest: dict[Any, Event] = {}
        for event in events:
            key = getattr(event, self.key)
            seen = newest.get(key)
            if seen is None or seen.version < event.version:
                newest[key] = event
        if newest:
            # Whole events: the database takes the fields that it has columns for.
            rows = ",".join(event.model_dump_json() for event in newest.values())
            await session.execute(self._upsert, {"rows": f"[{rows}]"})
