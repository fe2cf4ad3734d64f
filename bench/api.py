"""The kernel's endpoint under uvicorn and the bare one, driven by the same keep-alive client."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping

import orjson

from bench.world import ROOT, Servers
from local_stack.ports import HOST, free_port, is_listening

CONNECTIONS = 12


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


@contextlib.contextmanager
def kernel_api(servers: Servers, jwks_url: str, pool: int) -> Iterator[int]:
    """The toy service's API, as in production but for its business."""
    port = free_port()
    environment = {
        "UNION_DATABASE_URL": servers.postgres.url("kernel"),
        "UNION_DATABASE_POOL": str(pool),
        "UNION_JWKS_URL": jwks_url,
        "UNION_HTTP_PORT": str(port),
    }
    with serving("tests.kernel.toy", "api", servers=servers, environment=environment, port=port):
        yield port


@contextlib.contextmanager
def bare_api(servers: Servers, pool: int) -> Iterator[int]:
    port = free_port()
    environment = {"BENCH_DSN": servers.dsn("bare"), "BENCH_POOL": str(pool), "BENCH_PORT": str(port)}
    with serving("bench.bare_api", servers=servers, environment=environment, port=port):
        yield port


async def changes_rate(port: int, token: str, seconds: float) -> float:
    """Answered changes a second over 12 connections, each sending its next when the last is answered."""
    deadline = time.perf_counter() + seconds
    begun = time.perf_counter()
    counts = await asyncio.gather(*(_drive(port, token, deadline) for _ in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - begun)


async def _drive(port: int, token: str, deadline: float) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    answered = 0
    try:
        while time.perf_counter() < deadline:
            counter = str(uuid.uuid4())
            body = orjson.dumps({"counter_id": counter, "name": "A counter of the benchmark", "value": 41})
            writer.write(
                b"POST /v1/counters HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
                b"authorization: Bearer %b\r\nidempotency-key: %b\r\ncontent-length: %d\r\n\r\n%b"
                % (token.encode(), counter.encode(), len(body), body)
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            answer = await reader.readexactly(length)
            if not head.startswith(b"http/1.1 201 "):
                raise RuntimeError(f"{head.splitlines()[0].decode()}: {answer.decode()[:300]}")
            answered += 1
    finally:
        writer.close()
    return answered
