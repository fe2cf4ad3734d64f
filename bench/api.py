"""The kernel's endpoint under uvicorn and the bare one, driven by the same client."""

import contextlib
import uuid
from collections.abc import Iterator

import orjson

from bench.client import created_rate, post, serving
from bench.world import Servers
from local_stack.ports import free_port

CONNECTIONS = 12


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
    """Answered changes a second over 12 connections."""
    return await created_rate(port, [_changes(token) for _ in range(CONNECTIONS)], seconds)


def _changes(token: str) -> Iterator[bytes]:
    while True:
        counter = str(uuid.uuid4())
        body = orjson.dumps({"counter_id": counter, "name": "A counter of the benchmark", "value": 41})
        yield post("/v1/counters", token, counter, body)
