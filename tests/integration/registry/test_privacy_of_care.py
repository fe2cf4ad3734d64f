"""Doubles, merges, erasures and the log itself are looked after without a word about a person leaking anywhere."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from common import telemetry
from common.db import Database
from registry import keys
from registry.commands.erasure_journal import erasures, journal_line
from registry.commands.exposure import watch_reading
from registry.keys import ErasureKey
from registry.rounds import PERSONAL_DATA_ROUNDS
from tests.integration.registry.care import approve, ask_merge, examine, second

PERSON = {
    "last_name": "Преображенская",
    "first_name": "Евпраксия",
    "patronymic": "Дормидонтовна",
    "birth_date": "1977-11-23",
    "phone": "+79137654321",
    "email": "evpraxia@example.org",
}
TYPO = {**PERSON, "last_name": "Преображеннская", "phone": "+79131112233"}
SECRETS = [
    *PERSON.values(),
    *("преображен", "евпракси", "дормидонт", "9137654321", "9131112233", "evpraxia", "23.11.1977"),
]


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"], "reading_limit": 1}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


@pytest.fixture
def answers(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Every answer from now on."""
    heard: list[httpx.Response] = []

    async def hear(response: httpx.Response) -> None:
        await response.aread()
        heard.append(response)

    client.event_hooks["response"].append(hear)
    return heard


async def until_merged(world: Any, done: Any, database: Database, settings: Any) -> str:
    """A double is refused at the door, comes in all the same, is handed over, merged, parted and merged again."""
    client, federal = world.client, world.federal
    member = await world.member(world.school, **PERSON)
    await examine(database, settings)
    receipt = await world.apply(world.other, **TYPO)
    admit = f"/v1/applications/{receipt['application_id']}/admit"
    body = {"protocol_number": "7", "effective_on": "2021-02-01"}
    assert (await client.post(admit, json=body, headers=federal)).status_code == 409
    await examine(database, settings)
    chair = {**world.staff("primary_staff", world.school), "X-Purpose": "duplicates"}
    (pair,) = done(await client.get("/v1/duplicates", headers=chair))["items"]
    done(await client.get(f"/v1/duplicates/{pair['duplicate_id']}", headers=chair))
    assert (await client.post(f"/v1/duplicates/{pair['duplicate_id']}/not-same", headers=chair)).status_code == 403
    done(await client.post(f"/v1/duplicates/{pair['duplicate_id']}/hand-over", headers=chair))
    double = done(await client.post(admit, json={**body, "namesake_confirmed": True}, headers=federal))[
        "member_id"
    ]
    fields = ["last_name", "first_name", "patronymic", "birth_date", "phone", "email", "old_card_number", "sex"]
    for undone in (True, False):
        asked = done(await ask_merge(world, member, double, take=fields), 201)
        assert (await approve(world, asked["approval_id"], federal)).status_code == 403
        merge_id = done(await approve(world, asked["approval_id"]))["result"]["merge_id"]
        if undone:
            done(await client.post(f"/v1/merges/{merge_id}/undo", headers=federal))
    assert (await client.post(f"/v1/merges/{merge_id}/undo")).status_code == 401
    done(await client.get(f"/v1/members/{member}/extract", headers=world.self(member)))
    wrong = {"member_id": PERSON["phone"], "request_number": PERSON["email"], "reason": "\x00"}
    assert (await client.post("/v1/erasures", json=wrong, headers=federal)).status_code == 422
    return str(member)


async def until_erased(world: Any, done: Any, database: Database, settings: Any, member: str) -> None:
    """The alarm on all that reading, the erasure, and everything that overseers read afterwards."""
    client, federal = world.client, world.federal
    async with database.sessions.begin() as session:
        await watch_reading(session, datetime.now(UTC), settings)
    body = {"member_id": member, "request_number": "17", "reason": "Заявление"}
    asked = done(await client.post("/v1/erasures", json=body, headers=federal), 201)
    erasure_id = done(await approve(world, asked["approval_id"], second(world)))["result"]["erasure_id"]
    for path in ("/act", "/act.txt", "/told"):
        assert (await client.get(f"/v1/erasures/{erasure_id}{path}", headers=federal)).status_code == 200
    for path in ("access-log", "exposures", "reading-alarms", "erasures", "merges", "approvals?status=approved"):
        assert done(await client.get(f"/v1/{path}", headers=federal))["items"]
    done(await client.get("/v1/public/statistics"))


async def tables_of(database: Database) -> dict[str, str]:
    async with database.sessions() as session:
        names = await session.scalars(
            sa.text("select table_name from information_schema.tables where table_schema = 'public'")
        )
        found = {}
        for table in set(names):
            rows = (await session.execute(sa.text(f'select * from "{table}"'))).all()
            found[table] = "\n".join(
                value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                for row in rows
                for value in row
            )
        return found


async def test_what_is_told_published_logged_traced_and_counted_names_nobody(
    world: Any,
    done: Any,
    database: Database,
    settings: Any,
    answers: list[httpx.Response],
    spans: InMemorySpanExporter,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        member = await until_merged(world, done, database, settings)
        while_known = await tables_of(database)
        assert PERSON["first_name"] in while_known.pop("person")
        await until_erased(world, done, database, settings, member)
        async with database.sessions.begin() as session:
            for each in PERSONAL_DATA_ROUNDS:
                await each.run(session, datetime.now(UTC), settings)
    printed = capsys.readouterr()
    found = {
        "logs": printed.out + printed.err + caplog.text,
        "traces": "\n".join(span.to_json() for span in spans.get_finished_spans()),
        "metrics": generate_latest().decode(),
        "addresses": "\n".join(str(answer.request.url) for answer in answers),
        "refusals": "\n".join(answer.text for answer in answers if answer.status_code >= 400),
        "answers to POST": "\n".join(answer.text for answer in answers if answer.request.method == "POST"),
        "other answers": "\n".join(
            answer.text
            for answer in answers
            if answer.request.method == "GET"
            and not answer.url.path.startswith("/v1/members")
            and not re.fullmatch("/v1/duplicates/[0-9a-f-]{36}", answer.url.path)
        ),
    }
    async with database.sessions() as session:
        found["journal"] = "\n".join(
            journal_line(row, ErasureKey.load(settings)) for row in await erasures(session)
        )
    found |= await tables_of(database)
    found |= {f"{table} while the person was known": text for table, text in while_known.items()}
    assert "personal_data_reading_alarm" in found["logs"]
    assert "/v1/merges/{merge_id}/undo" in found["traces"]
    assert 'personal_data_reading_alarms_total{kind="limit"}' in found["metrics"]
    assert '"code":"already_member"' in found["refusals"]
    assert "registry.member_erased.v1" in found["outbox"]
    assert "об уничтожении" in found["other answers"]
    assert "one_typo_in_last_name" in found["other answers"]
    for place, text in found.items():
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), f"{secret} is in {place}"
