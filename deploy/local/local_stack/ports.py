"""Where the processes of one machine listen: always on 127.0.0.1."""

import errno
import os
import random
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import psutil

from local_stack.errors import LocalStackError, PortBusy

HOST = "127.0.0.1"

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes the port between the
# moment it is chosen and the moment it is bound.
_TEST_PORTS = range(15000, 32000)
_given: set[int] = set()


def _variable(name: str) -> str:
    return f"UNION_PORT_{name.upper()}"


@dataclass(frozen=True)
class Ports:
    """One port per process; a field `cards_worker` is set by the variable UNION_PORT_CARDS_WORKER."""

    portal: int = 8000
    registry: int = 8001
    cards: int = 8002
    cashback: int = 8003
    reports: int = 8004
    registry_worker: int = 8101
    cards_worker: int = 8102
    cashback_worker: int = 8103
    reports_worker: int = 8104
    kafka: int = 9092
    postgres: int = 5433

    def __post_init__(self) -> None:
        taken: dict[int, str] = {}
        for name, port in asdict(self).items():
            if not 1 <= port <= 65535:
                raise LocalStackError(f"{_variable(name)} is {port}; a port is a number from 1 to 65535.")
            if port in taken:
                raise LocalStackError(
                    f"{_variable(taken[port])} and {_variable(name)} are both {port}; change one of them."
                )
            taken[port] = name

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Ports":
        """The defaults, with every UNION_PORT_… variable that is set applied."""
        chosen: dict[str, int] = {}
        for field in fields(cls):
            text = environ.get(_variable(field.name), "")
            if not text:
                continue
            if not text.isdecimal():
                raise LocalStackError(f"{_variable(field.name)} is {text!r}; a port is a number from 1 to 65535.")
            chosen[field.name] = int(text)
        return cls(**chosen)

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing listens on now, for tests."""
        return cls(**{field.name: free_port() for field in fields(cls)})

    def of(self, name: str) -> int:
        return int(asdict(self)[name])

    def variable_of(self, port: int) -> str | None:
        """The variable that sets this port, or None when the port is not one of these."""
        return next((_variable(name) for name, value in asdict(self).items() if value == port), None)


def free_port() -> int:
    """A port that is free now and that this process has not been given before."""
    for port in random.SystemRandom().sample(_TEST_PORTS, 200):
        if port not in _given and _bind_error(port) is None:
            _given.add(port)
            return port
    raise LocalStackError(f"No free port found on {HOST}.")


def check_port_free(port: int, name: str, variable: str | None) -> None:
    """Raises PortBusy, with the port, its holder and the variable to set, when `port` cannot be bound."""
    error = _bind_error(port)
    if error is None:
        return
    advice = f"set {variable} to another port" if variable else "give it another port"
    if error == errno.EACCES:
        raise PortBusy(f"Port {port} for {name} needs privileges that this user lacks; {advice}.")
    raise PortBusy(f"Port {port} for {name} is busy{_holder(port)}; stop the process that holds it, or {advice}.")


def is_listening(port: int, timeout: float = 1.0) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=timeout):
            return True
    except OSError:
        return False


def _bind_error(port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run in TIME_WAIT do not make the port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno
    return None


def _holder(port: int) -> str:
    """' (process 123, python3)' where the system lets us see it, or ''."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if local and local.port == port and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f" (process {connection.pid}, {psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        return ""
    return ""
