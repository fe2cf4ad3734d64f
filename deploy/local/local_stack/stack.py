"""The whole platform on one machine: PostgreSQL, a broker, and the services' processes.

The stack knows nothing of the services' business: what to run is handed to it as a table of programs.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from local_stack import kafka, postgres
from local_stack.errors import LocalStackError
from local_stack.interruption import ended_in_order
from local_stack.issuer import Issuer
from local_stack.keychain import Keychain
from local_stack.ports import HOST, Ports, check_port_free, is_listening
from local_stack.processes import Command, Running, Supervisor, answers_ok

READY = "/health/ready"
# A folder with none of these may be anybody's, with a `postgres` in it that is not ours to remove.
_MARKS = ("secrets.json", "stack.json", "issuer/jwks.json")
_OWN = ("bin", "issuer", "logs", "postgres", "run", "secrets.json", "stack.json", "broker-filled", "stack.lock")


@dataclass(frozen=True)
class Addresses:
    """Where everything is; known before anything runs. Database addresses hold passwords: never log them."""

    data_dir: Path
    ports: Ports
    database_urls: Mapping[str, str] = field(repr=False)
    admin_database_url: str = field(repr=False)
    kafka_bootstrap: str
    jwks_url: str
    keychain: Keychain = field(repr=False)


@dataclass(frozen=True)
class Program:
    """A process that answers /health/ready on `port` of 127.0.0.1; `env` is added to the parent's.

    `uses_broker`: it is started afresh with an empty broker, because a consumer that lived on would keep its
    old position and skip what is published again below it.
    """

    name: str
    argv: Sequence[str]
    port: int
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    uses_broker: bool = False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Started:
    """What `Stack.start` did. `broker_is_new`: topics are empty; publish the owners' history again, then call
    `Stack.confirm_republished`."""

    broker_is_new: bool
    started: tuple[str, ...]
    reused: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class ProcessStatus:
    name: str
    pid: int | None
    ready: bool
    address: str
    log: Path


def data_dir_from_env(environ: Mapping[str, str] = os.environ) -> Path:
    """UNION_DATA, or `.local` in the present folder."""
    return Path(environ.get("UNION_DATA") or ".local").absolute()


class Stack:
    """One stack per data folder. Every method blocks (from async code: `asyncio.to_thread`).

    `programs` makes the table of programs, `migrate` and `provision_topics` prepare databases and topics; all
    three are given the addresses, and the latter two run on every start, so they must be repeatable.
    `also_own` names what they write into the data folder beside that: `drop` removes it too.
    `durable=False` trades safety against a crash of the machine for speed: for tests only.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        ports: Ports | None = None,
        *,
        programs: Callable[[Addresses], Sequence[Program]] = lambda _: (),
        migrate: Callable[[Addresses], None] = lambda _: None,
        provision_topics: Callable[[Addresses], None] = lambda _: None,
        databases: Sequence[str] = postgres.DATABASES,
        also_own: Sequence[str] = (),
        durable: bool = True,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = (data_dir or data_dir_from_env()).absolute()
        self.ports = ports or Ports.from_env()
        self.postgres = postgres.Postgres(
            self.data_dir, self.ports.postgres, durable=durable, settings=postgres_settings
        )
        self.broker = kafka.Broker(self.data_dir, self.ports.kafka)
        self.supervisor = Supervisor(self.data_dir)
        self._programs = programs
        self._migrate = migrate
        self._provision_topics = provision_topics
        self._databases = tuple(databases)
        self._also_own = tuple(also_own)

    @property
    def exists(self) -> bool:
        """Whether a stack was ever started on the data folder, and not dropped since."""
        return any((self.data_dir / name).exists() for name in _MARKS)

    def addresses(self) -> Addresses:
        """Makes the passwords and the issuer's key when there are none yet; starts nothing."""
        return Addresses(
            data_dir=self.data_dir,
            ports=self.ports,
            database_urls={name: self.postgres.url(name) for name in self._databases},
            admin_database_url=self.postgres.admin_url(),
            kafka_bootstrap=self.broker.bootstrap,
            jwks_url=self.issuer().jwks_url,
            keychain=Keychain(self.data_dir),
        )

    def issuer(self) -> Issuer:
        return Issuer(self.data_dir)

    def start(self, timeout: float = 60.0) -> Started:
        """Starts what is not running; returns when everything is ready, each process within `timeout`.

        Healthy processes are kept if their command and environment are still the same; new code does not
        change either, so stop first to run it. Raises LocalStackError and leaves what runs as it is: the logs
        can be read, and the next start goes on from there.
        """
        begun = time.monotonic()
        with self._locked():
            addresses = self.addresses()
            programs = self._programs(addresses)
            self._check_ports(programs)
            self._write_state(programs)
            if not self.broker.is_running():
                # A worker that outlived its broker would join the next one's groups, only to leave or to hold
                # them up; in order it cannot end, and it loses nothing by ending at once.
                for program in programs:
                    if program.uses_broker:
                        self.supervisor.kill(program.name)
            servers = {
                postgres.NAME: self.postgres.start(timeout),
                kafka.NAME: self.broker.start(timeout),
            }
            self.postgres.ensure_databases(self._databases)
            self._migrate(addresses)
            self._provision_topics(addresses)
            running = self._start_programs(programs, timeout, broker_started=servers[kafka.NAME])
            self._write_state(programs)
            for program, process, _ in running:
                self.supervisor.wait_ready(process, program.url + READY, timeout)
            started = servers | {program.name: is_new for program, _, is_new in running}
            return Started(
                broker_is_new=not self._broker_is_filled(),
                started=tuple(name for name, is_new in started.items() if is_new),
                reused=tuple(name for name, is_new in started.items() if not is_new),
                seconds=time.monotonic() - begun,
            )

    def confirm_republished(self) -> None:
        """The topics of the running broker are complete: later starts no longer report it as new.

        Without this, for instance after a crash in the middle of republishing, every start reports it again.
        """
        (self.data_dir / "broker-filled").write_text(self.broker.incarnation() or "")

    def stop(self) -> None:
        """Stops every process started on this data folder, by whomever. Idempotent; keeps the data."""
        if self.exists:
            with self._locked():
                self._stop()

    def drop(self) -> None:
        """Stops, then removes the stack's data, keys and logs; what others put into the folder stays."""
        if not self.data_dir.exists():
            return
        if not self.exists:
            raise LocalStackError(f"{self.data_dir} is no data folder of the stack; nothing was removed.")
        with self._locked():
            self._stop()
            for path in (self.data_dir / name for name in (*_OWN, *self._also_own)):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else's files are in it
            self.data_dir.rmdir()

    @contextlib.contextmanager
    def attached(self) -> Iterator["Stack"]:
        """Everything stops when the block is left, also by Ctrl-C or SIGTERM. For the main thread only."""
        with ended_in_order(self.stop):
            yield self

    def status(self) -> list[ProcessStatus]:
        """Every process of the last start, as it is now; empty when nothing was started here."""
        try:
            processes = json.loads(self._state_path.read_text())["processes"]
        except FileNotFoundError:
            return []
        return [self._status_of(name, entry["address"]) for name, entry in processes.items()]

    def _status_of(self, name: str, address: str) -> ProcessStatus:
        running = self.supervisor.find(name)
        if running is None:
            ready = False
        elif address.startswith("http://"):
            ready = answers_ok(address + READY)
        else:
            ready = is_listening(int(address.rpartition(":")[2]))
        return ProcessStatus(
            name, running.pid if running else None, ready, address, self.supervisor.log_path(name)
        )

    def _check_ports(self, programs: Sequence[Program]) -> None:
        """Before anything is started: a port that is busy would otherwise show in a log, minutes later."""
        wanted = {postgres.NAME: self.ports.postgres, kafka.NAME: self.ports.kafka}
        wanted |= {program.name: program.port for program in programs}
        for name, port in wanted.items():
            if self.supervisor.find(name) is None:
                check_port_free(port, name, self.ports.variable_of(port))

    def _start_programs(
        self, programs: Sequence[Program], timeout: float, *, broker_started: bool
    ) -> list[tuple[Program, Running, bool]]:
        commands = {program.name: Command(program.name, program.argv, program.env) for program in programs}
        stale = []
        for program in programs:
            running = self.supervisor.find(program.name)
            same = running is not None and running.fingerprint == commands[program.name].fingerprint()
            if not same or (broker_started and program.uses_broker) or not answers_ok(program.url + READY):
                stale.append(program.name)
        self.supervisor.stop(*stale)
        result = []
        # A consumer group that forms waits seconds for more members: whoever joins one starts first, and the others
        # start meanwhile.
        for uses_broker in (True, False):
            for program in (program for program in programs if program.uses_broker == uses_broker):
                running = self.supervisor.find(program.name)
                process = running or self.supervisor.start(commands[program.name])
                result.append((program, process, running is None))
            for program, process, _ in result:
                if uses_broker:
                    self.supervisor.wait_ready(process, partial(self._is_joining, program, process), timeout)
        return result

    def _is_joining(self, program: Program, process: Running) -> bool:
        return process.is_connected_to(self.ports.kafka) or answers_ok(program.url + READY)

    def _stop(self) -> None:
        """The services first, so that none of them sees a server vanish."""
        servers = (kafka.NAME, postgres.NAME)
        self.supervisor.stop(*(name for name in self.supervisor.names() if name not in servers))
        self.supervisor.stop(*servers)

    def _broker_is_filled(self) -> bool:
        marker = self.data_dir / "broker-filled"
        return marker.exists() and marker.read_text() == self.broker.incarnation()

    @property
    def _state_path(self) -> Path:
        return self.data_dir / "stack.json"

    def _write_state(self, programs: Sequence[Program]) -> None:
        addresses = {
            postgres.NAME: f"{HOST}:{self.ports.postgres}",
            kafka.NAME: self.broker.bootstrap,
            **{program.name: program.url for program in programs},
        }
        processes = {}
        for name, address in addresses.items():
            running = self.supervisor.find(name)
            processes[name] = {"address": address, "pid": running.pid if running else None}
        draft = self._state_path.with_suffix(".tmp")
        draft.write_text(json.dumps({"ports": asdict(self.ports), "processes": processes}, indent=1))
        draft.replace(self._state_path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One start or stop of a stack at a time, over all processes: the second waits for the first."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "stack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
