"""The pytest plugin: real database, real application, real processors.

The test suite gives two fixtures: `postgres_url` (session: an administrator's asyncpg address without a
database name) and `kafka_bootstrap` (the broker of the test). A service's tests override
`service` with its description.
"""

import asyncio
import importlib.util
import itertools
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from jwt.algorithms import ECAlgorithm
from uuid_utils.compat import uuid7

from common import migrate
from common.app import Service, build_api
from common.db import Database
from common.events import EVENTS
from common.events.base import Event
from common.jobs import Workshop
from common.parking import Record
from common.processing import Processor
from common.rounds import run_errand, run_round
from common.settings import Settings

if importlib.util.find_spec("sniffio") is None:
    # httpx asks for it at each request to an application; this spares the search through the whole path.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

_TYPES = {event.event_type: event for event in EVENTS}


class TestIssuer:
    """Signs tokens that the tested applications trust."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        path = folder / "jwks.json"
        path.write_text(json.dumps({"keys": [{**public, "kid": "test", "alg": "ES256", "use": "sig"}]}))
        self.jwks_url = path.as_uri()

    def token(self, *roles: str, sub: str = "tester", ttl: float = 3600, **claims: Any) -> str:
        """A token; claims may be organisation_id, member_id, partner."""
        now = time.time()
        body = {
            "iss": "https://issuer.local.invalid",
            "aud": "union-platform",
            "sub": sub,
            "iat": int(now),
            "exp": int(now + ttl),
            "roles": roles,
            **{name: str(value) for name, value in claims.items() if value is not None},
        }
        return jwt.encode(body, self._key, algorithm="ES256", headers={"kid": "test"})

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*roles, **claims)}"}


class Administrator:
    """One connection to the server, in a thread of its own: fixtures may be set up inside a test's event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[Any] | None = None
        self._thread = ThreadPoolExecutor(1, "administrator")
        self._loop = asyncio.Runner()

    def __call__(self, statement: str) -> None:
        self._thread.submit(lambda: self._loop.run(self._execute(statement))).result()

    def close(self) -> None:
        if self._connection:
            self._thread.submit(self._connection.terminate).result()
        self._thread.submit(self._loop.close).result()
        self._thread.shutdown()

    async def _execute(self, statement: str) -> None:
        try:
            await (await self._connected()).execute(statement)
        except (
            OSError,
            asyncpg.InterfaceError,
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
        ):
            # A test may have restarted the server.
            self._connection = None
            await (await self._connected()).execute(statement)

    async def _connected(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url)
        return self._connection


class Templates:
    """A migrated template database per service; each test gets a copy of its own."""

    def __init__(self, postgres_url: str) -> None:
        self._url = postgres_url
        self._made: dict[str, str] = {}
        self._free: dict[str, list[str]] = {}
        self._count = itertools.count(1)
        self.administer = Administrator(self.url("postgres").replace("+asyncpg", ""))

    def url(self, database: str) -> str:
        return f"{self._url}/{database}"

    def copy(self, service: Service) -> str:
        """A new database with the service's schema; returns its name."""
        template = self._made.get(service.name)
        if template is None:
            template = f"template_{service.name}_{uuid.uuid4().hex[:8]}"
            self.administer(f"create database {template}")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(migrate.upgrade, service, self.url(template)).result()
            self._made[service.name] = template
        free = self._free.setdefault(service.name, [])
        # A name is used again, so that an engine is: see `connected`.
        name = free.pop() if free else f"test_{service.name}_{next(self._count)}_{uuid.uuid4().hex[:8]}"
        # Copied as files: half the work of copying through the log.
        self.administer(f"create database {name} template {template} strategy file_copy")
        return name

    def drop(self, service: Service, name: str) -> None:
        self.administer(f"drop database {name} with (force)")
        self._free[service.name].append(name)


_databases: dict[tuple[str, int, int], Database] = {}


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings. No connection is left behind, but the engine is: it keeps the statements that it
    has compiled for the next test, whose database has the same name and the same schema.
    """
    key = (settings.database_url.get_secret_value(), settings.database_pool, settings.outbox_shards)
    database = _databases.pop(key, None) or Database.connect(settings)
    yield database
    await database.close()
    _databases[key] = database


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> TestIssuer:
    return TestIssuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def templates(postgres_url: str) -> Iterator[Templates]:
    templates = Templates(postgres_url)
    yield templates
    templates.administer.close()


@pytest.fixture
def service() -> Service:
    raise LookupError("this test needs a fixture named service that returns the service under test")


@pytest.fixture
def extra_settings() -> dict[str, Any]:
    """Settings of the service under test beyond the kernel's; a service's tests override this."""
    return {}


@pytest.fixture
def settings(
    service: Service, templates: Templates, issuer: TestIssuer, extra_settings: dict[str, Any]
) -> Iterator[Settings]:
    name = templates.copy(service)
    yield service.settings(
        database_url=templates.url(name),
        jwks_url=issuer.jwks_url,
        **{"database_pool": 8, "topic_partitions": 3, **extra_settings},
    )
    templates.drop(service, name)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with connected(settings) as database:
        yield database


@pytest.fixture
def app(service: Service, settings: Settings, database: Database) -> FastAPI:
    return build_api(service, settings, database)


class Client(httpx.AsyncClient):
    """An HTTP client of the application that gives each POST a fresh Idempotency-Key."""

    async def post(self, *args: Any, **kwargs: Any) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4()), **(kwargs.pop("headers", None) or {})}
        return await super().post(*args, headers=headers, **kwargs)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[Client]:
    async with Client(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


@dataclass(frozen=True)
class Published:
    """An event that waits in the outbox."""

    event: Event
    headers: dict[str, str]


@pytest.fixture
def published(database: Database) -> Callable[..., Awaitable[list[Any]]]:
    """`await published()`: the events in the outbox, oldest first; with types, only those."""

    async def read(*types: type[Event]) -> list[Any]:
        async with database.sessions() as session:
            rows = (await session.execute(sa.text("select payload, headers from outbox order by id"))).all()
        events = [_TYPES[row.headers["ce_type"]].model_validate_json(row.payload) for row in rows]
        return [event for event in events if not types or isinstance(event, types)]

    return read


def record_of(event: Event, offset: int = 0, event_id: uuid.UUID | None = None, **headers: str) -> Record:
    """The Kafka record that an event becomes."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id or uuid7()),
        "ce_type": event.event_type,
        "ce_source": event.source,
        "ce_subject": event.key,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_sequence": str(event.version),
        "ce_dataschema": event.schema_id(),
        "content-type": "application/json",
        **headers,
    }
    return Record(
        event.topic.name,
        0,
        offset,
        event.key.encode(),
        event.model_dump_json().encode(),
        tuple((name, value.encode()) for name, value in attributes.items()),
    )


@pytest.fixture
def deliver(service: Service, settings: Settings, database: Database) -> Callable[..., Awaitable[None]]:
    """`await deliver(event, …)`: what the worker does when these events arrive, in their order."""
    processors = {s.topic.name: Processor(s, database) for s in service.subscriptions(settings)}

    async def run(*events: Event | Record) -> None:
        for event in events:
            record = event if isinstance(event, Record) else record_of(event)
            await processors[record.topic].process([record])

    return run


@pytest.fixture
def work(service: Service, settings: Settings, database: Database) -> Callable[[], Awaitable[None]]:
    """`await work()`: what the worker does with the jobs that wait, until none does."""
    workshop = Workshop(service.jobs, database, settings)

    async def run() -> None:
        while await workshop.do_next():
            pass

    return run


@pytest.fixture
def pass_time(service: Service, settings: Settings, database: Database) -> Callable[[datetime], Awaitable[None]]:
    """`await pass_time(now)`: the rounds of the service that are due at `now`, in their order, then its errands."""

    async def run(now: datetime) -> None:
        for a_round in service.rounds:
            await run_round(database, settings, a_round, now)
        for errand in service.errands:
            await run_errand(database, settings, errand, now)

    return run


async def eventually(
    condition: Callable[[], Awaitable[Any]], timeout: float = 30.0, interval: float = 0.02
) -> Any:
    """Wait until `condition` gives a true value, and return it; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {timeout} s: {getattr(condition, '__name__', condition)}")
        await asyncio.sleep(interval)
