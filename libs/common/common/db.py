"""The database: one engine a process, one session a request or a batch, one commit at the edge."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.asyncio import async_sessionmaker as sessionmaker
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from common.outbox import OutboxSession
from common.settings import Settings

# SQLSTATE classes that say «later», not «never»: connection, rollback (deadlock, serialisation),
# resources, lock not available, operator intervention, system error.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})

_PING_AFTER_SECONDS = 5.0
"""A connection used so recently is not asked whether it lives: the question costs three round trips."""


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
            # Parameters are personal data in the registry: never in an exception's text.
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={"server_settings": {"timezone": "UTC"}, "timeout": 10},
        )
        _check_idle_connections(engine)
        sessions = sessionmaker(
            engine,
            expire_on_commit=False,
            sync_session_class=OutboxSession,
            info={"outbox_shards": settings.outbox_shards},
        )
        return cls(engine, sessions)

    def transaction(self) -> "Transaction":
        """A session whose changes commit when the block ends well."""
        return Transaction(self.sessions())

    async def close(self) -> None:
        await self.engine.dispose()


class Transaction:
    """What `sessions.begin()` does, for the path of every request: commit and close in one step instead of four."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def __aenter__(self) -> AsyncSession:
        return self._session

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        # In a task of its own: a caller who goes away neither stops a commit midway nor keeps the connection.
        end = asyncio.create_task(self._session.run_sync(_commit if failure is None else _close))
        gone: asyncio.CancelledError | None = None
        while not end.done():
            try:
                await asyncio.shield(end)
            except asyncio.CancelledError as error:
                gone = error
        if gone is not None:
            raise gone
        end.result()


def _commit(session: Session) -> None:
    try:
        session.commit()
    finally:
        session.close()


def _close(session: Session) -> None:
    session.close()


def _check_idle_connections(engine: AsyncEngine) -> None:
    """Replace a connection that the server has closed, or that was idle and does not answer."""

    @event.listens_for(engine.sync_engine, "checkin")
    def remember(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError
        if time.monotonic() - record.info.get("used_at", time.monotonic()) > _PING_AFTER_SECONDS:
            try:
                connection.ping()
            except Exception as error:
                raise DisconnectionError from error


async def raw(connection: AsyncConnection) -> "asyncpg.Connection[Any]":
    """The driver's own connection, for COPY."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver


async def fetch(session: AsyncSession, statement: str, *values: Any) -> "list[asyncpg.Record]":
    """Run one statement (`$1`, `$2` …) with the driver itself, inside the session's transaction.

    For statements that every request or batch runs: a third of the time of SQLAlchemy's way to the driver. The caller
    has flushed what the statement is to see, and names its columns: a prepared `select *` dies with the next migration.
    Errors are SQLAlchemy's, so that they are parked, refused or tried again like any other.
    """
    connection = await session.connection()
    sync = connection.sync_connection
    assert sync is not None
    driver: asyncpg.Connection[Any] | None = sync.connection.driver_connection
    assert driver is not None
    if not driver.is_in_transaction():
        # SQLAlchemy begins its transaction with its own first statement.
        await connection.exec_driver_sql("select 1")
    for told in sync.dispatch.before_cursor_execute:
        told(sync, None, statement, values, None, False)
    try:
        rows: list[asyncpg.Record] = await driver.fetch(statement, *values)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise IntegrityError(statement, None, error, hide_parameters=True) from error
    except asyncpg.PostgresError as error:
        raise DBAPIError(statement, None, error, hide_parameters=True) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise InterfaceError(statement, None, error, hide_parameters=True) from error
    return rows


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
    return isinstance(error, OSError | TimeoutError | NoFreeConnection | asyncpg.InterfaceError)
