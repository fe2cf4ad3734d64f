import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from local_stack import Broker, Ports, Postgres, Program, Stack, free_port
from local_stack.processes import Command, Supervisor
from tests.memory import memory

STAND_IN = (sys.executable, "-S", str(Path(__file__).parent / "stand_in.py"))


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder for servers' data.

    Not below tmp_path: each run of pytest as root closes that folder to other users, and the servers of a run
    beside it, which work as `nobody`, would lose their files.
    """
    with tempfile.TemporaryDirectory(prefix="union-stack-", dir=memory()) as folder:
        yield Path(folder)


@pytest.fixture
def data_dir(scratch: Path) -> Iterator[Path]:
    """A folder that does not exist yet; whatever was started on it is stopped afterwards."""
    with tempfile.TemporaryDirectory(dir=scratch) as parent:
        folder = Path(parent) / "data"
        yield folder
        supervisor = Supervisor(folder)
        supervisor.stop(*supervisor.names())


@pytest.fixture
def supervisor(data_dir: Path) -> Supervisor:
    return Supervisor(data_dir)


@pytest.fixture
def postgres(data_dir: Path) -> Postgres:
    return Postgres(data_dir, free_port(), durable=False)


@pytest.fixture
def broker(data_dir: Path) -> Broker:
    return Broker(data_dir, free_port())


@pytest.fixture
def make_stack(data_dir: Path) -> Callable[..., Stack]:
    """A stack of two stand-ins, `cards-api` and `cards-worker`; `words` and `secret` go to the worker."""
    ports = Ports.free()

    def make(words: Sequence[str] = (), secret: str = "none", ports: Ports = ports) -> Stack:
        programs = [
            Program("cards-api", STAND_IN, ports.cards, {"UNION_HTTP_PORT": str(ports.cards)}),
            Program(
                "cards-worker",
                (*STAND_IN, *words),
                ports.cards_worker,
                {"UNION_HTTP_PORT": str(ports.cards_worker), "UNION_SECRET": secret},
                uses_broker=True,
            ),
        ]
        return Stack(data_dir, ports, programs=lambda _: programs, databases=["cards"], durable=False)

    return make


@pytest.fixture
def stand_in() -> Callable[..., tuple[Command, str]]:
    """A command and the address at which it is ready."""

    def make(*words: str, name: str = "stand-in", grace: float = 15.0) -> tuple[Command, str]:
        port = free_port()
        command = Command(name, (*STAND_IN, *words), {"UNION_HTTP_PORT": str(port)}, grace=grace)
        return command, f"http://127.0.0.1:{port}/health/ready"

    return make
