"""Real parts for every test: one PostgreSQL and one broker a session, on free ports, in a temporary folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.kafka import Broker
from local_stack.ports import free_port
from local_stack.postgres import Postgres

pytest_plugins = ["common.testing"]


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    # Not pytest's own folder: each starting pytest closes it to other users, and PostgreSQL is one under root.
    with tempfile.TemporaryDirectory(prefix="union-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[Postgres]:
    server = Postgres(server_folder, free_port(), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    return postgres.admin_url("").rstrip("/")


@pytest.fixture(scope="session")
def broker(server_folder: Path) -> Iterator[Broker]:
    broker = Broker(server_folder, free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(broker: Broker) -> str:
    return broker.bootstrap
