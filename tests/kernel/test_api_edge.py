"""The HTTP edge: commit before the answer, replay, preconditions, problems, paging, tokens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from common import idempotency
from common.db import Database
from common.testing import Client, TestIssuer
from tests.kernel.toy import Counter, Created

Published = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def staff(issuer: TestIssuer) -> dict[str, str]:
    return issuer.bearer("federal_staff")


def body(value: int = 1) -> dict[str, Any]:
    return {"counter_id": str(uuid4()), "name": "a counter", "value": value}


async def outbox(database: Database) -> int:
    async with database.sessions() as session:
        return int((await session.execute(sa.text("select count(*) from outbox"))).scalar_one())


async def test_a_change_and_its_event_commit_together(
    client: Client, staff: dict[str, str], database: Database
) -> None:
    answer = await client.post("/v1/counters", json=body(), headers=staff)
    assert answer.status_code == 201
    async with database.sessions() as session:
        row = (await session.execute(sa.text("select key, payload, headers from outbox"))).one()
    assert row.key == answer.json()["counter_id"]
    assert Created.model_validate_json(row.payload).value == 1
    assert row.headers["ce_type"] == "toy.created.v1"
    assert row.headers["ce_sequence"] == "1"


async def test_rollback_publishes_nothing(client: Client, staff: dict[str, str], database: Database) -> None:
    counter = (await client.post("/v1/counters", json=body(), headers=staff)).json()["counter_id"]
    before = await outbox(database)
    answer = await client.post(f"/v1/counters/{counter}/refuse", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (409, "value_refused")
    assert await outbox(database) == before
    async with database.sessions() as session:
        assert (await session.get_one(Counter, UUID(counter))).version == 1


async def test_a_replayed_post_gets_the_first_answer_and_changes_nothing(
    client: Client, staff: dict[str, str], database: Database
) -> None:
    request, headers = body(), staff | {"Idempotency-Key": str(uuid4())}
    first = await client.post("/v1/counters", json=request, headers=headers)
    again = await client.post("/v1/counters", json=request, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert await outbox(database) == 1


async def test_simultaneous_twins_make_one_change(
    client: Client, staff: dict[str, str], database: Database
) -> None:
    request, headers = body(), staff | {"Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(*(client.post("/v1/counters", json=request, headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await outbox(database) == 1


async def test_a_key_used_with_another_body_is_a_conflict(client: Client, staff: dict[str, str]) -> None:
    headers = staff | {"Idempotency-Key": str(uuid4())}
    await client.post("/v1/counters", json=body(), headers=headers)
    answer = await client.post("/v1/counters", json=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_key_belongs_to_its_sender(client: Client, issuer: TestIssuer) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    one = await client.post("/v1/counters", json=body(), headers=issuer.bearer("federal_staff", sub="a") | key)
    two = await client.post("/v1/counters", json=body(), headers=issuer.bearer("federal_staff", sub="b") | key)
    assert (one.status_code, two.status_code) == (201, 201)


async def test_a_refused_post_leaves_its_key_free(client: Client, staff: dict[str, str]) -> None:
    headers = staff | {"Idempotency-Key": str(uuid4())}
    assert (await client.post("/v1/counters", json={"value": -1}, headers=headers)).status_code == 422
    assert (await client.post("/v1/counters", json=body(), headers=headers)).status_code == 201


async def test_a_post_without_a_key_is_told_so(app: FastAPI, staff: dict[str, str]) -> None:
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as bare:
        answer = await bare.post("/v1/counters", json=body(), headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


async def test_the_commit_comes_before_the_answer(
    client: Client, staff: dict[str, str], database: Database
) -> None:
    """A deferred constraint fails at commit: the caller must hear of it, not of success."""
    async with database.engine.begin() as connection:
        await connection.execute(
            sa.text(
                "create function refuse() returns trigger language plpgsql as"
                " $$ begin raise exception 'no' using errcode = '23514'; end $$"
            )
        )
        await connection.execute(
            sa.text(
                "create constraint trigger late after insert on counter deferrable initially deferred"
                " for each row execute function refuse()"
            )
        )
    answer = await client.post("/v1/counters", json=body(), headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflicts_with_existing")
    assert await outbox(database) == 0


async def test_a_change_needs_the_version_that_was_read(client: Client, staff: dict[str, str]) -> None:
    counter = (await client.post("/v1/counters", json=body(), headers=staff)).json()["counter_id"]
    url, change = f"/v1/counters/{counter}", {"value": 2}
    blind = await client.patch(url, json=change, headers=staff)
    assert (blind.status_code, blind.json()["code"]) == (428, "if_match_required")
    good = await client.patch(url, json=change, headers=staff | {"If-Match": '"1"'})
    assert (good.status_code, good.headers["etag"]) == (200, '"2"')
    stale = await client.patch(url, json=change, headers=staff | {"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"], stale.json()["current_version"]) == (
        412,
        "version_conflict",
        2,
    )


async def test_lists_are_walked_by_cursor(client: Client, staff: dict[str, str]) -> None:
    made = {(await client.post("/v1/counters", json=body(), headers=staff)).json()["counter_id"] for _ in range(7)}
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await client.get(
                "/v1/counters", params={"limit": 3} | ({"cursor": cursor} if cursor else {}), headers=staff
            )
        ).json()
        seen += [item["counter_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 7
    assert set(seen) == made
    bad = await client.get("/v1/counters", params={"cursor": "no-such"}, headers=staff)
    assert (bad.status_code, bad.json()["code"]) == (422, "cursor_invalid")


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "token_required"),
        ("not.a.token", 401, "token_required"),
        ("expired", 401, "token_required"),
        ("member", 403, "forbidden"),
    ],
)
async def test_who_may_not_is_told_why(
    client: Client, issuer: TestIssuer, token: str | None, status: int, code: str
) -> None:
    real = {"expired": issuer.token("federal_staff", ttl=-120), "member": issuer.token("member")}
    headers = {"Authorization": f"Bearer {real.get(token, token)}"} if token else {}
    answer = await client.get("/v1/counters", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "request_invalid"),
        (b'{"counter_id": "x", "name": "n", "value": 1}', "request_invalid"),
        (
            b'{"counter_id": "0190c5d0-0000-7000-8000-000000000000", "name": "\\u0000", "value": 1}',
            "request_invalid",
        ),
        (
            b'{"counter_id": "0190c5d0-0000-7000-8000-000000000000", "name": "\\ud800", "value": 1}',
            "request_invalid",
        ),
        (b'\xff{"name": 1}', "bad_request"),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', "body_too_large"),
    ],
)
async def test_bad_bodies_get_a_problem_that_repeats_nothing(
    client: Client, staff: dict[str, str], content: bytes, code: str
) -> None:
    headers = staff | {"content-type": "application/json"}
    answer = await client.post("/v1/counters", content=content, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == code
    assert "input" not in answer.text


async def test_a_mistake_of_ours_is_a_plain_500_without_texts(
    client: Client, staff: dict[str, str], database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("drop table counter"))
    answer = await client.get("/v1/counters", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "counter_id" not in answer.text


async def test_the_viewer_needs_no_foreign_host(client: Client) -> None:
    page = (await client.get("/docs")).text
    assert "cdn" not in page
    assert "https://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert (await client.get(f"/docs/static/{asset}")).status_code == 200


async def test_the_contract_says_which_requests_need_a_key(client: Client) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    post = [p for p in paths["/v1/counters"]["post"]["parameters"] if p["name"] == "Idempotency-Key"]
    assert post[0]["required"] is True
    assert not any(
        p["name"] == "Idempotency-Key" for p in paths["/v1/counters/{counter_id}"]["patch"]["parameters"]
    )


async def test_a_token_that_was_good_is_refused_once_it_has_expired(client: Client, issuer: TestIssuer) -> None:
    # The verifier allows clocks to differ by 30 s: this token has about two left.
    headers = issuer.bearer("federal_staff", ttl=-28)
    assert (await client.get("/v1/counters", headers=headers)).status_code == 200
    assert (await client.get("/v1/counters", headers=headers)).status_code == 200
    await asyncio.sleep(2.5)
    assert (await client.get("/v1/counters", headers=headers)).status_code == 401


async def test_connections_that_the_server_closed_are_replaced_without_a_refusal(
    client: Client, staff: dict[str, str], database: Database
) -> None:
    await asyncio.gather(*(client.get("/v1/counters", headers=staff) for _ in range(4)))
    async with database.sessions() as session:
        ended = await session.execute(
            sa.text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
        assert len(ended.all()) >= 1
    await asyncio.sleep(0.2)
    answers = await asyncio.gather(*(client.post("/v1/counters", json=body(), headers=staff) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4


async def test_answers_are_not_kept_for_ever(client: Client, staff: dict[str, str], database: Database) -> None:
    for _ in range(2):
        await client.post("/v1/counters", json=body(), headers=staff)
    async with database.sessions.begin() as session:
        aged = "update idempotency_key set created_at = now() - interval '8 days'"
        await session.execute(sa.text(f"{aged} where key = (select min(key) from idempotency_key)"))
    async with database.sessions.begin() as session:
        await idempotency.forget(session, 7)
    async with database.sessions() as session:
        assert await session.scalar(sa.text("select count(*) from idempotency_key")) == 1
