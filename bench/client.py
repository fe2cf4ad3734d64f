"""API processes and the keep-alive client that drives them."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from bench.world import ROOT, Servers
from local_stack.ports import HOST, is_listening


@contextlib.contextmanager
def serving(
    module: str, *arguments: str, servers: Servers, environment: Mapping[str, str], port: int
) -> Iterator[int]:
    """An API process; yields its port once it listens."""
    with (servers.folder / f"{module}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((servers.folder / f"{module}.log").read_text()[-2000:])
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(15)


def post(path: str, token: str, key: str, body: bytes) -> bytes:
    """The bytes of a request as an app sends it."""
    return (
        b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\nidempotency-key: %b\r\ncontent-length: %d\r\n\r\n%b"
        % (path.encode(), token.encode(), key.encode(), len(body), body)
    )


async def created_rate(port: int, clients: Sequence[Iterator[bytes]], seconds: float) -> float:
    """Requests a second that were answered with 201: a connection a client, its next sent when the last is answered."""
    begun = time.perf_counter()
    counts = await asyncio.gather(*(_drive(port, client, begun + seconds) for client in clients))
    return sum(counts) / (time.perf_counter() - begun)


async def _drive(port: int, requests: Iterator[bytes], deadline: float) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    answered = 0
    try:
        while time.perf_counter() < deadline:
            writer.write(next(requests))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            answer = await reader.readexactly(length)
            if not head.startswith(b"http/1.1 201 "):
                raise RuntimeError(f"{head.splitlines()[0].decode()}: {answer.decode()[:300]}")
            answered += 1
    finally:
        writer.close()
    return answered
