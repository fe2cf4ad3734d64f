"""Real parts for every test: one PostgreSQL and one broker a session, on free ports, in a temporary folder."""

from collections.abc import Iterator

import pytest
from local_stack.kafka import Broker
from local_stack.ports import free_port
from local_stack.postgres import Postgres

pytest_plugins = ["common.testing"]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("pg"), free_port(), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    return postgres.admin_url("").rstrip("/")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("kafka"), free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(broker: Broker) -> str:
    return broker.bootstrap
