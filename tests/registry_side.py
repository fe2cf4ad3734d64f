"""A real registry beside the service under test: where names come from, and whose events the service has heard."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import sqlalchemy as sa

from common.app import build_api
from common.db import Database
from common.events import EVENTS
from common.persons import Persons
from common.testing import Client, Templates, TestIssuer, connected
from registry.main import service as registry_service
from tests.integration.registry.conftest import World

_TYPES = {event.event_type: event for event in EVENTS}


@dataclass
class RegistrySide:
    """The registry's API on a database of its own, and its small world."""

    world: World
    persons: Persons
    database: Database
    members: list[str] = field(default_factory=list)

    async def tell(self, deliver: Callable[..., Awaitable[None]], *topics: str) -> None:
        """Deliver what the registry has to say on these topics; each event once, in order."""
        async with self.database.sessions.begin() as session:
            rows = (await session.execute(sa.text("delete from outbox returning id, payload, headers"))).all()
        for row in sorted(rows, key=lambda row: row.id):
            event = _TYPES[row.headers["ce_type"]].model_validate_json(row.payload)
            if event.topic.name in topics:
                await deliver(event)

    async def purposes_read_for(self, subject: str) -> set[str]:
        """Why this subject has read names, as the registry's log of readers has it."""
        async with self.database.sessions() as session:
            statement = sa.text("select purpose from access_log where subject = :subject and purpose is not null")
            return set(await session.scalars(statement, {"subject": subject}))


@asynccontextmanager
async def registry_side(templates: Templates, issuer: TestIssuer) -> AsyncIterator[RegistrySide]:
    name = templates.copy(registry_service)
    settings = registry_service.settings(
        database_url=templates.url(name), jwks_url=issuer.jwks_url, database_pool=4, topic_partitions=3
    )
    async with connected(settings) as database:
        transport = httpx.ASGITransport(build_api(registry_service, settings, database))
        persons = Persons(httpx.AsyncClient(transport=transport, base_url="http://registry"))
        async with Client(transport=transport, base_url="http://registry") as client:
            yield RegistrySide(await World(client, issuer).build(), persons, database)
    templates.drop(registry_service, name)


def away() -> Persons:
    """A registry that does not answer."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    return Persons(httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://registry"))


async def text_of_all_tables(database: Database) -> dict[str, Any]:
    """Every table's rows as text: where a name must not be found."""
    async with database.sessions() as session:
        tables = list(
            await session.scalars(sa.text("select tablename from pg_tables where schemaname = 'public'"))
        )
        return {
            table: "\n".join(await session.scalars(sa.text(f'select t::text from "{table}" t')))
            for table in tables
        }
