"""The database: one engine a process, one session a request or a batch, one commit at the edge."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.asyncio import async_sessionmaker as sessionmaker

from common.outbox import OutboxSession
from common.settings import Settings

# SQLSTATE classes that say «later», not «never»: connection, rollback (deadlock, serialisation),
# resources, lock not available, operator intervention, system error.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})


@dataclass(frozen=True)
class Database:
    engine: AsyncEngine
    sessions: sessionmaker[AsyncSession]

    @classmethod
    def connect(cls, settings: Settings) -> "Database":
        """Make the pool; nothing is opened before the first query."""
        engine = create_async_engine(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool,
            max_overflow=settings.database_pool,
            pool_pre_ping=True,
            # Parameters are personal data in the registry: never in an exception's text.
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={"server_settings": {"timezone": "UTC"}, "timeout": 10},
        )
        sessions = sessionmaker(
            engine,
            expire_on_commit=False,
            sync_session_class=OutboxSession,
            info={"outbox_shards": settings.outbox_shards},
        )
        return cls(engine, sessions)

    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session in one transaction: commits when the caller's block ends well, else rolls back."""
        async with self.sessions.begin() as session:
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


async def raw(connection: AsyncConnection) -> "asyncpg.Connection[Any]":
    """The driver's own connection, for COPY."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver


def sqlstate(error: BaseException) -> str | None:
    origin = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(origin, "sqlstate", None) or getattr(origin.__cause__, "sqlstate", None) if origin else None
    return str(state) if state else None


def is_transient(error: BaseException) -> bool:
    """True when the same work may succeed later: the database or the network is at fault, not the input."""
    state = sqlstate(error)
    if state is not None:
        return state[:2] in _TRANSIENT_CLASSES
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError)
