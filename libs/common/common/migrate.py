"""One alembic environment for all services; their migrations are in services/NAME/migrations."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import AutoString

if TYPE_CHECKING:
    from common.app import Service

_LOCK = 0x6D696772
"""Advisory lock: two releases that start together migrate one after the other."""


def config(service: "Service", database_url: str) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(service.migrations))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["metadata"] = service.metadata
    configuration.attributes["database_url"] = database_url
    return configuration


def upgrade(service: "Service", database_url: str) -> None:
    """Bring a database to the newest schema. Waits at most 10 s for a table that is in use."""
    command.upgrade(config(service, database_url), "head")


def check(service: "Service", database_url: str) -> None:
    """Raise when the models say something that the migrations do not."""
    command.check(config(service, database_url))


def revision(service: "Service", database_url: str, message: str) -> None:
    """Write the next migration from the difference between models and database."""
    versions = Path(service.migrations) / "versions"
    number = len(list(versions.glob("*.py"))) + 1
    command.revision(config(service, database_url), message, autogenerate=True, rev_id=f"{number:04d}")


def run_environment() -> None:
    """What each service's migrations/env.py calls."""
    asyncio.run(_run())


async def _run() -> None:
    engine = create_async_engine(context.config.attributes["database_url"], hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


def _render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    # SQLModel's name for a string column would need an import that a migration does not have.
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


def _migrate(connection: sa.Connection) -> None:
    connection.execute(sa.text("set local lock_timeout = '10s'"))
    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes["metadata"],
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=False,
        render_item=_render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
