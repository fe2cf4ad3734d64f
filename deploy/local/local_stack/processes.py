"""Child processes of the stack: started, watched and stopped by id.

A process is known by its pid *and* its start time, written to `<data>/run/NAME.json`: a pid that the system
has given to somebody else since is seen to be stale and is never signalled. What a process prints goes to
`<data>/logs/NAME.log`. Every process leads a session of its own: it survives its parent, and a Ctrl-C in the
terminal reaches the parent alone, which then stops its children in order.
"""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psutil

from local_stack.errors import LocalStackError, ProcessFailed
from local_stack.interruption import uninterrupted

POLL_SECONDS = 0.03
LOG_LIMIT = 20 * 1024 * 1024
# psutil derives the start time from the boot time; the last digits may differ from one reader to another.
SAME_START_SECONDS = 1.0

Ready = str | Callable[[], bool]

# Popen objects of this process's own children: polling one reaps it, so that it does not stay a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Command:
    """What to run. `env` is added to the parent's environment; `user` is (uid, gid) and needs root."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    user: tuple[int, int] | None = None
    stop_signal: int = signal.SIGTERM
    grace: float = 15.0

    def fingerprint(self) -> str:
        """Equal for equal commands and environments; says nothing about the secrets among them."""
        what = [list(self.argv), sorted(self.env.items()), str(self.cwd), self.user]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()


@dataclass(frozen=True)
class Running:
    """A process that was alive when it was looked up."""

    name: str
    pid: int
    created: float
    fingerprint: str
    stop_signal: int
    grace: float

    def is_alive(self) -> bool:
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """The live process, or None when it has ended or the pid belongs to somebody else by now."""
        if self.pid in _children and _children[self.pid].poll() is not None:
            del _children[self.pid]
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < SAME_START_SECONDS
            return process if same and not has_ended(process) else None
        except psutil.NoSuchProcess:
            return None

    def is_connected_to(self, port: int) -> bool:
        """Whether it has a connection open to this port of the machine."""
        process = self.process()
        try:
            open_ones = process.net_connections("tcp") if process is not None else []
        except psutil.NoSuchProcess:
            return False
        return any(each.raddr and each.raddr.port == port for each in open_ones)


class Supervisor:
    """The processes of one data folder. Holds no state of its own: any number may look at one folder."""

    def __init__(self, data_dir: Path) -> None:
        self._run = data_dir / "run"
        self._logs = data_dir / "logs"

    def log_path(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def names(self) -> list[str]:
        """Every process that was started and not stopped since, alive or not."""
        return sorted(path.stem for path in self._run.glob("*.json"))

    def find(self, name: str) -> Running | None:
        """The live process of this name, if there is one."""
        try:
            running = Running(name=name, **json.loads(self._pid_file(name).read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # cut short by a full disk or a crash: it names no process
            return None
        return running if running.is_alive() else None

    def start(self, command: Command) -> Running:
        """Starts the command detached; returns at once. A live process of the same name is an error."""
        if self.find(command.name) is not None:
            raise LocalStackError(f"{command.name} is running already; stop it first.")
        self._run.mkdir(parents=True, exist_ok=True)
        # Between its birth and its pid file a child would be nobody's.
        with self._open_log(command.name) as log, uninterrupted():
            return self._spawn(command, log)

    def _spawn(self, command: Command, log: IO[bytes]) -> Running:
        child = subprocess.Popen(
            list(command.argv),
            env={**os.environ, **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=command.user[0] if command.user else None,
            group=command.user[1] if command.user else None,
            extra_groups=[] if command.user else None,
        )
        _children[child.pid] = child
        # Our own child keeps its pid until it is polled, so this finds it even if it has died meanwhile.
        running = Running(
            name=command.name,
            pid=child.pid,
            created=psutil.Process(child.pid).create_time(),
            fingerprint=command.fingerprint(),
            stop_signal=int(command.stop_signal),
            grace=command.grace,
        )
        self._write_pid_file(running)
        return running

    def wait_ready(self, running: Running, ready: Ready, timeout: float) -> None:
        """Returns once `ready` holds: a URL that answers 200, or a callable that returns True.

        Raises ProcessFailed, with the end of the log, as soon as the process dies or when the time is up.
        """
        check: Callable[[], bool] = partial(answers_ok, ready) if isinstance(ready, str) else ready
        deadline = time.monotonic() + timeout
        while not check():
            if not running.is_alive():
                raise ProcessFailed(f"{running.name} died while starting.{self._tail(running.name)}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{running.name} is not ready after {timeout:g} s.{self._tail(running.name)}")
            time.sleep(POLL_SECONDS)

    def stop(self, *names: str) -> None:
        """Asks all of them to end, waits for each one's grace, then kills what is left. Idempotent."""
        found = {name: self.find(name) for name in names}
        families = {name: _family(running) for name, running in found.items() if running is not None}
        for name, running in found.items():
            if running is not None:
                send_to(families[name][:1], running.stop_signal)
                send_to(families[name], signal.SIGCONT)  # a frozen process would not hear of it
        for name, running in found.items():
            if running is not None and not wait_gone(families[name], running.grace):
                send_to(families[name], signal.SIGKILL)
                wait_gone(families[name], running.grace)
            self._pid_file(name).unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        """SIGKILL to the process and its children, as a power cut would do; returns when they are gone."""
        running = self.find(name)
        if running is None:
            return
        family = _family(running)
        send_to(family, signal.SIGKILL)
        wait_gone(family, running.grace)
        self._pid_file(name).unlink(missing_ok=True)

    def send(self, name: str, number: int) -> None:
        """Sends a signal to the live process of this name; an error when there is none."""
        running = self.find(name)
        if running is None:
            raise LocalStackError(f"{name} is not running.")
        send_to(_family(running)[:1], number)

    def last_lines(self, name: str, count: int = 20) -> list[str]:
        try:
            with self.log_path(name).open("rb") as log:
                log.seek(max(0, self.log_path(name).stat().st_size - 64 * 1024))
                return log.read().decode(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def _tail(self, name: str) -> str:
        lines = self.last_lines(name)
        shown = "".join(f"\n  | {line}" for line in lines) if lines else " It printed nothing."
        return f" The end of {self.log_path(name)}:{shown}" if lines else shown

    def _pid_file(self, name: str) -> Path:
        return self._run / f"{name}.json"

    def _write_pid_file(self, running: Running) -> None:
        values = asdict(running)
        del values["name"]
        draft = self._pid_file(running.name).with_suffix(".tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(values, file)
        draft.replace(self._pid_file(running.name))

    def _open_log(self, name: str) -> IO[bytes]:
        self._logs.mkdir(parents=True, exist_ok=True)
        path = self.log_path(name)
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def answers_ok(url: str, timeout: float = 5.0) -> bool:
    """Whether a GET of this http:// address answers 200; asks the host directly, whatever proxies are set."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or a zombie that nobody has reaped.

    The first thread of a killed process shows as a zombie while others still close its files and ports: such
    a process has not ended yet.
    """
    try:
        if not process.is_running():
            return True
        return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)
    except psutil.NoSuchProcess:
        return True


def _family(running: Running) -> list[psutil.Process]:
    """The process, first, and its descendants."""
    process = running.process()
    if process is None:
        return []
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send_to(processes: Iterable[psutil.Process], number: int) -> None:
    """Signals those that still live; psutil never signals a pid that was given to somebody else since."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def wait_gone(processes: Iterable[psutil.Process], timeout: float) -> bool:
    """Whether all of them ended within the time; a zombie that nobody reaps has ended."""
    deadline = time.monotonic() + timeout
    while True:
        if not any(_lives(process) for process in processes):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)


def _lives(process: psutil.Process) -> bool:
    if process.pid in _children and _children[process.pid].poll() is not None:
        del _children[process.pid]
    return not has_ended(process)
