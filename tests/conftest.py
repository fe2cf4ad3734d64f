"""Real parts for every test: one PostgreSQL and one broker a session, on free ports, in a temporary folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from local_stack.apache import ApacheKafka
from local_stack.kafka import Broker
from local_stack.ports import free_port
from local_stack.postgres import Postgres
from local_stack.waiting import run_blocking
from tests import extent
from tests.memory import memory

FIRST = (
    "tests/contracts/test_apis_never_500.py",
    "tests/integration/registry/test_scope.py",
    "tests/integration/cli/test_importing.py",  # the first import on the stack that all of them share
    "tests/integration/cli/",
    "tests/kernel/",
    "tests/integration/registry/",
    "tests/integration/cashback/",
    "tests/integration/",
)
"""Where the longest tests are, in this order: begun last, one of them would keep one worker busy and the other idle."""

APACHE = os.environ.get("UNION_TEST_BROKER") == "apache"

pytest_plugins = ["common.testing"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if extent.LONG:
        # The others would try what `make test` has tried.
        short = [item for item in items if not hasattr(getattr(item, "module", None), "tries")]
        config.hook.pytest_deselected(items=short)
        items[:] = [item for item in items if item not in short]

    def place(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST))

    items.sort(key=place)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """What one worker of `pytest -n` takes at a time: a file, as its tests share what they set up."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        if file.startswith("tests/integration/cli/"):
            return "tests/integration/cli"  # one stack for all of them
        if file == "tests/contracts/test_apis_never_500.py":
            return nodeid  # one test is as long as a file, and they share nothing
        return file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    config.option.loadscopereorder = False  # it would begin with whatever file has the most tests
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    # Not pytest's own folder: each starting pytest closes it to other users, and PostgreSQL is one under root.
    with tempfile.TemporaryDirectory(prefix="union-test-", dir=memory(), ignore_cleanup_errors=True) as folder:
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


class TestBroker:
    """The broker under test: the embedded one, or Apache Kafka itself with UNION_TEST_BROKER=apache."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.apache = ApacheKafka(folder, free_port()) if APACHE else None
        self.embedded = None if APACHE else Broker(folder, free_port())

    @property
    def bootstrap(self) -> str:
        return (self.apache or self.embedded).bootstrap  # type: ignore[union-attr]

    def start(self) -> None:
        if self.apache:
            run_blocking(self.apache.start())
        elif self.embedded:
            self.embedded.start()

    def stop(self) -> None:
        self.thaw()
        if self.apache:
            run_blocking(self.apache.kill())
        elif self.embedded:
            self.embedded.stop()

    def wipe(self) -> None:
        """Stop, lose every topic, record and offset, start on the same port."""
        self.stop()
        if self.apache:
            shutil.rmtree(self.apache.data_dir / "logs")
        self.start()

    def freeze(self) -> None:
        (self.apache or self.embedded).freeze()  # type: ignore[union-attr]

    def thaw(self) -> None:
        (self.apache or self.embedded).thaw()  # type: ignore[union-attr]


@pytest.fixture
def broker() -> Iterator[TestBroker]:
    """A broker of the test's own, so that no test hears of another's topics, groups or offsets."""
    with tempfile.TemporaryDirectory(prefix="union-test-", dir=memory(), ignore_cleanup_errors=True) as folder:
        broker = TestBroker(Path(folder))
        broker.start()
        yield broker
        broker.stop()


@pytest.fixture
def kafka_bootstrap(broker: TestBroker) -> str:
    return broker.bootstrap
