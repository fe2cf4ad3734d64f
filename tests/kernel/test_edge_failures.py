"""When a part that a request needs is away, and when a request tries what the edge counts by."""

from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from prometheus_client import generate_latest

from common.app import build_api
from common.auth import TokenVerifier
from common.db import Database
from common.settings import Settings
from common.testing import Client, Templates, TestIssuer
from local_stack.ports import free_port
from tests.kernel import toy


@pytest.fixture
def staff(issuer: TestIssuer) -> dict[str, str]:
    return issuer.bearer("federal_staff")


async def test_a_database_that_takes_nobody_in_is_a_503(
    client: Client, staff: dict[str, str], settings: Settings, templates: Templates
) -> None:
    """While it starts, ends, or has no connection left, PostgreSQL answers with an error, not with silence."""
    name = settings.database_url.get_secret_value().rsplit("/", 1)[1]
    templates.administer(f"alter database {name} with allow_connections false")
    answer = await client.get("/v1/counters", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"]


async def test_a_pool_without_a_free_connection_is_a_503(staff: dict[str, str], settings: Settings) -> None:
    database = Database.connect(settings.model_copy(update={"database_pool": 1}))
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    app = build_api(toy.service, settings, database)
    async with (
        Client(transport=httpx.ASGITransport(app), base_url="http://service") as client,
        database.engine.connect(),
        database.engine.connect(),
    ):
        answer = await client.get("/v1/counters", headers=staff)
    await database.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


async def test_an_issuer_that_is_away_at_the_start_is_a_503(
    app: FastAPI, client: Client, staff: dict[str, str]
) -> None:
    app.state.tokens = TokenVerifier(f"http://127.0.0.1:{free_port()}/jwks.json", "issuer", "audience")
    answer = await client.get("/v1/counters", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")


async def test_an_issuer_that_publishes_rubbish_is_a_503(
    app: FastAPI, client: Client, staff: dict[str, str], tmp_path: Path
) -> None:
    for rubbish in ("<html>", "[]", '{"keys": []}', '{"keys": 1}'):
        (tmp_path / "jwks.json").write_text(rubbish)
        app.state.tokens = TokenVerifier((tmp_path / "jwks.json").as_uri(), "issuer", "audience")
        answer = await client.get("/v1/counters", headers=staff)
        assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable"), rubbish


async def test_a_method_of_the_callers_own_is_no_label(client: Client) -> None:
    method = f"X{uuid4().hex}".upper()
    assert (await client.request(method, "/v1/counters")).status_code == 405
    assert method not in generate_latest().decode()


async def test_a_role_that_is_gone_gets_no_stored_answer(client: Client, issuer: TestIssuer) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = {"counter_id": str(uuid4()), "name": "a counter", "value": 1}
    first = await client.post("/v1/counters", json=body, headers=issuer.bearer("federal_staff", sub="a") | key)
    assert first.status_code == 201
    again = await client.post("/v1/counters", json=body, headers=issuer.bearer("member", sub="a") | key)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_schema_behind_the_release_is_not_ready(client: Client, database: Database) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    for version, status in (("0000", 503), ("9999", 200)):
        async with database.engine.begin() as connection:
            await connection.execute(sa.text("update alembic_version set version_num = :v"), {"v": version})
        assert (await client.get("/health/ready")).status_code == status
