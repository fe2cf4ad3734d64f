"""Registers are read by processes of their own, some files ahead of what the database has taken."""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from registry.importing.mapping import Mapping
from registry.importing.organisation_index import IndexedOrganisation
from registry.importing.refusals import too_large
from registry.importing.worker import FRAME

_FRAMES_OF_FILE = 48
"""Some 200 KB each: what a reader may be ahead of the database within the file that is being taken."""
_FRAMES_AHEAD = 96
"""Of the files after that one, all together."""


@dataclass(frozen=True)
class Source:
    """A register: its name (with the ending), and how its bytes are got."""

    name: str
    read: Callable[[], Awaitable[bytes]]


class Ahead:
    """How far readers may be beyond the file that is being taken, all files together: so neither the readers nor the
    database wait without need, and memory stays bounded whatever the files' sizes."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._room = asyncio.Condition()
        self._taken = 0

    async def hold(self, number: int) -> None:
        """Wait for room for a frame of the file; the one that is being taken waits for nobody."""
        async with self._room:
            await self._room.wait_for(lambda: number <= self._taken or sum(self._held.values()) < _FRAMES_AHEAD)
            if number > self._taken:
                self._held[number] = self._held.get(number, 0) + 1

    async def take(self, number: int) -> None:
        """This file comes next: what is held of it is no longer ahead."""
        async with self._room:
            self._taken = number
            self._held.pop(number, None)
            self._room.notify_all()


@dataclass
class ReadFile:
    """A file under way: `rows` in COPY's text, then `end`: {rows, sheets, refusal}. Taken in the order of numbers."""

    number: int
    name: str
    content: bytes
    ahead: Ahead = field(repr=False)
    sheets: list[dict[str, Any]] = field(default_factory=list)
    refusal: dict[str, str] | None = None
    data_rows: int = 0
    _frames: asyncio.Queue[tuple[bytes, bytes]] = field(
        default_factory=lambda: asyncio.Queue(_FRAMES_OF_FILE), repr=False
    )

    async def rows(self) -> AsyncIterator[bytes]:
        """Walk once to the end; then `sheets`, `refusal` and `data_rows` are known."""
        await self.ahead.take(self.number)
        while True:
            letter, content = await self._frames.get()
            if letter == b"E":
                end = json.loads(content)
                self.sheets, self.refusal, self.data_rows = end["sheets"], end["refusal"], end["rows"]
                return
            yield content

    async def put(self, letter: bytes, content: bytes) -> None:
        await self.ahead.hold(self.number)
        await self._frames.put((letter, content))


class Readers:
    """Processes that read files in turn. Use as a context; `start` each file in order, then walk over its rows."""

    def __init__(
        self, organisations: Sequence[IndexedOrganisation], as_of: date, mapping: Mapping, processes: int = 0
    ) -> None:
        known = [[o.id, o.name, o.kind, o.code, o.parent_id, list(o.aliases)] for o in organisations]
        setup = {"organisations": known, "as_of": as_of.isoformat(), "mapping": asdict(mapping)}
        self._setup = json.dumps(setup).encode()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        count = processes or min(2, cores)
        self._inboxes: list[asyncio.Queue[ReadFile]] = [asyncio.Queue(1) for _ in range(count)]
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: dict[int, Process] = {}
        self._next = 0

    async def __aenter__(self) -> "Readers":
        self._tasks = [asyncio.create_task(self._lane(n), name=f"reader {n}") for n in range(len(self._inboxes))]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return [process.pid for process in self._processes.values() if process.returncode is None]

    async def start(self, file: ReadFile) -> None:
        """Hand the file to the next process; waits while that has another to begin."""
        lane, self._next = self._next, (self._next + 1) % len(self._inboxes)
        await self._inboxes[lane].put(file)

    async def _lane(self, number: int) -> None:
        while True:
            file = await self._inboxes[number].get()
            try:
                await self._read(number, file)
            except (asyncio.IncompleteReadError, ConnectionError):
                # The file took the process down: out of memory, or a fault of the native reader.
                process = self._processes.pop(number)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                refusal = {"code": too_large().code, "message": too_large().message_ru}
                await file.put(b"E", json.dumps({"rows": 0, "sheets": [], "refusal": refusal}).encode())

    async def _read(self, number: int, file: ReadFile) -> None:
        process = self._processes.get(number)
        if process is None:
            process = self._processes[number] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "registry.importing.worker"),
                stdin=PIPE,
                stdout=PIPE,
                limit=1 << 20,
                # It reads files of strangers: nothing that is secret is within its reach.
                env={name: value for name, value in os.environ.items() if not name.startswith("UNION_")},
            )
            await _send(process, b"S", self._setup)
        assert process.stdout is not None
        header = json.dumps({"number": file.number, "name": file.name}).encode()
        await _send(process, b"F", header)
        await _send(process, b"C", file.content)
        file.content = b""
        while True:
            letter, length = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
            await file.put(letter, await process.stdout.readexactly(length))
            if letter == b"E":
                return


async def _send(process: Process, letter: bytes, content: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(FRAME.pack(letter, len(content)))
    process.stdin.write(content)
    await process.stdin.drain()
