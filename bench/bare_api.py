"""The limit of the API row: FastAPI and asyncpg write the same two rows in one transaction, and no more.

No token, no idempotency, no trace, no metric, no log. `python -m bench.bare_api` serves it.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from common.outbox import shard_of
from common.types import Line

_COUNTER = "insert into counter (counter_id, name, value, version) values ($1, $2, $3, 1)"
_OUTBOX = "insert into outbox (shard, topic, key, payload, headers) values ($1, 'toy.counter.v1', $2, $3, $4)"


class CounterRequest(BaseModel):
    counter_id: UUID
    name: Line
    value: int = Field(ge=0, le=1_000_000)


class CounterView(BaseModel):
    counter_id: UUID
    value: int


def build(dsn: str, pool_size: int) -> FastAPI:
    pools: list[asyncpg.Pool] = []

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=pool_size, max_size=2 * pool_size) as pool:
            pools.append(pool)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/health/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v1/counters", status_code=201)
    async def create(body: CounterRequest) -> CounterView:
        key = str(body.counter_id)
        payload = {
            "version": 1,
            "effective_on": "2021-01-01",
            "counter_id": key,
            "value": body.value,
        }
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid7()),
            "ce_type": "toy.created.v1",
            "ce_source": "urn:union:toy",
            "ce_subject": key,
            "ce_time": datetime.now(UTC).isoformat(),
            "ce_sequence": "1",
            "ce_dataschema": "urn:union:events:toy.created.v1",
            "content-type": "application/json",
        }
        async with pools[0].acquire() as connection, connection.transaction():
            await connection.execute(_COUNTER, body.counter_id, body.name, body.value)
            await connection.execute(
                _OUTBOX, shard_of(key, 4), key, orjson.dumps(payload), orjson.dumps(headers).decode()
            )
        return CounterView(counter_id=body.counter_id, value=body.value)

    return app


if __name__ == "__main__":
    uvicorn.run(
        build(os.environ["BENCH_DSN"], int(os.environ["BENCH_POOL"])),
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
