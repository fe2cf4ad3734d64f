"""An operator at a shell: the commands, and a look behind them at processes, databases and topics."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaProducer
from rich.console import Console

import union.main
from local_stack import Ports, Stack
from local_stack.waiting import run_blocking
from union import output, platform
from union import stack as union_stack

REPOSITORY = Path(__file__).parents[3]
OMSK = REPOSITORY / "examples" / "omsk"
EVERYTHING = 11
WIDE = 240


@dataclass(frozen=True)
class Ended:
    """How a command ended. A traceback is never an answer."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        assert "Traceback" not in self.out + self.err, self.err

    @property
    def told(self) -> str:
        """Everything it said, on one line, without the frames of tables and boxes."""
        return re.sub(r"[\s─-╿]+", " ", self.out + self.err)


@dataclass
class Operator:
    """Somebody with a shell in a folder of their own; `folder` need not exist, and is the stack's UNION_DATA."""

    folder: Path
    ports: Ports = field(default_factory=Ports.free)
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UNION_")}
        ports = {f"UNION_PORT_{name.upper()}": str(port) for name, port in asdict(self.ports).items()}
        return {**inherited, **ports, "UNION_DATA": str(self.folder), "COLUMNS": str(WIDE), **self.extra}

    def command(self, *arguments: str, timeout: float = 120) -> Ended:
        """The real command, in a process of its own."""
        ended = subprocess.run(
            [sys.executable, "-m", "union", *arguments],
            env=self.environment,
            cwd=self.folder.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def union(self, *arguments: str, **extra: str) -> Ended:
        """The same entry point within this process, which saves the two seconds of imports."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {**self.environment, **extra}, clear=True),
            mock.patch.object(sys, "argv", ["union", *arguments]),
            mock.patch.object(sys, "stdin", io.StringIO()),
            mock.patch.object(output, "console", Console(width=WIDE, highlight=False)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                union.main.main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        return Ended(code, out.getvalue(), err.getvalue())

    def stack(self) -> Stack:
        """The same stack as the commands see; not to start by."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            return platform.local_stack()

    def pids(self) -> dict[str, int]:
        state = json.loads((self.folder / "stack.json").read_text())
        return {name: process["pid"] for name, process in state["processes"].items()}

    def relatives(self) -> set[int]:
        """Every live process that was started for this folder, recorded or not."""
        mine = {process.pid for process in psutil.process_iter(["environ"]) if self._is_ours(process.info)}
        return mine - {os.getpid()}

    def _is_ours(self, info: dict[str, Any]) -> bool:
        return (info["environ"] or {}).get("UNION_DATA") == str(self.folder)

    def query(self, service: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.stack().postgres.url(service, driver="postgresql"))
            try:
                return list(await connection.fetch(statement, *arguments))
            finally:
                await connection.close()

        return run_blocking(ask())

    def count(self, service: str, table: str) -> int:
        return int(self.query(service, f"select count(*) from {table}")[0][0])

    def send(self, topic: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        """A record put on a topic by somebody else than its owner."""

        async def produce() -> None:
            bootstrap = self.stack().broker.bootstrap
            async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=False) as producer:
                sent = [(name, value.encode()) for name, value in headers.items()]
                await producer.send_and_wait(topic, body, key=key.encode(), headers=sent)

        run_blocking(produce())

    def token(self, *claims: str) -> dict[str, str]:
        minted = self.union("token", *claims)
        assert minted.code == 0, minted.told
        return {"Authorization": f"Bearer {minted.out.strip()}"}

    def call(self, service: str, method: str, path: str, auth: dict[str, str], body: Any = None) -> httpx.Response:
        address = f"http://127.0.0.1:{self.ports.of(service)}{path}"
        headers = {**auth, "Idempotency-Key": str(uuid4())} if method == "POST" else auth
        return httpx.request(method, address, headers=headers, json=body, timeout=30, trust_env=False)

    def metric(self, process: str, name: str) -> float:
        address = f"http://127.0.0.1:{self.ports.of(process)}"
        return sum(value for _, value in union_stack.scrape(address)[name])

    def quiet(self) -> None:
        """Return when nothing is on its way: outboxes empty, every consumer at the end of its topics."""

        def done() -> bool:
            workers = [f"{service.name}_worker" for service in platform.services()]
            names = ("outbox_unpublished_messages", "consumer_lag_messages")
            empty = not any(self.count(service.name, "outbox") for service in platform.services())
            return empty and not any(self.metric(worker, name) for worker in workers for name in names)

        eventually(done)


@dataclass
class Site(Operator):
    """An operator whose stack was started; `first` is what `union up` said."""

    first: Ended = field(default_factory=lambda: Ended(0, "", ""))


def eventually(condition: Callable[[], Any], timeout: float = 30.0, interval: float = 0.05) -> Any:
    """The condition's first true value; fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still not so after {timeout} s: {condition}"
        time.sleep(interval)
    return value
