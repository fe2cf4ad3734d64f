"""Who saw whose data: every read is in the log, a stolen token's reach is told, unusual reading is an alarm."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from uuid_utils.compat import uuid7

from common.db import Database
from registry.commands import exposure
from registry.config import RegistrySettings
from tests.integration.registry.care import approve, ask_merge, merge, second

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
def extra_settings() -> dict[str, Any]:
    return {"reading_limit": 100, "reading_habit_least": 20, "reading_habit_times": 10}


async def read(database: Database, subject: str, at: datetime, count: int) -> None:
    """`count` members shown to `subject` in one answer."""
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text(
                "insert into access_log (access_id, at, subject, action, whose_kind, whose, count)"
                " values (:id, :at, :subject, 'list_members', 'member', :whose, :count)"
            ).bindparams(sa.bindparam("whose", type_=sa.ARRAY(sa.Uuid))),
            {"id": uuid7(), "at": at, "subject": subject, "whose": [uuid7()], "count": count},
        )


async def watch(database: Database, settings: Any, now: datetime = NOON) -> None:
    async with database.sessions.begin() as session:
        await exposure.watch_reading(session, now, settings)


async def test_what_a_stolen_token_has_seen_is_told_by_token_and_period(world: Any, done: Any) -> None:
    mine, other = await world.member(world.school), await world.member(world.other)
    begun = datetime.now(UTC)
    stolen = world.issuer.bearer("territorial_staff", sub="chair", jti="T-1", organisation_id=world.town)
    own = world.issuer.bearer("territorial_staff", sub="chair", jti="T-2", organisation_id=world.town)
    done(await world.client.get(f"/v1/members/{mine}", headers={**stolen, "X-Purpose": "admission"}))
    done(await world.client.get("/v1/members", headers={**stolen, "X-Purpose": "control"}))
    done(await world.client.get(f"/v1/members/{other}", headers={**own, "X-Purpose": "control"}))

    async def exposed(**params: Any) -> dict[str, tuple[int, list[str]]]:
        page = done(await world.client.get("/v1/exposures", params=params, headers=world.staff("auditor")))
        return {item["whose_id"]: (item["times"], item["actions"]) for item in page["items"]}

    both = {mine: (2, ["list_members", "read_member"]), other: (1, ["list_members"])}
    assert await exposed(token_id="T-1") == both
    assert await exposed(token_id="T-2") == {other: (1, ["read_member"])}
    assert await exposed(subject="chair", since=begun.isoformat()) == {mine: both[mine], other: (2, both[mine][1])}
    assert await exposed(token_id="T-1", until=begun.isoformat()) == {}
    log = done(
        await world.client.get("/v1/access-log", params={"token_id": "T-1"}, headers=world.staff("auditor"))
    )
    assert [(row["subject"], row["action"], row["purpose"], row["count"]) for row in log["items"]] == [
        ("chair", "read_member", "admission", 1),
        ("chair", "list_members", "control", 2),
    ]


async def test_the_log_shows_an_auditor_of_a_part_only_those_of_that_part(world: Any, done: Any) -> None:
    mine, other = await world.member(world.school), await world.member(world.other)
    done(await world.client.get("/v1/members", headers=world.federal))
    auditor = world.staff("auditor", world.school)
    params = {"action": "list_members"}
    (row,) = done(await world.client.get("/v1/access-log", params=params, headers=auditor))["items"]
    assert (row["whose"], row["count"]) == ([mine], 2)
    exposed = done(await world.client.get("/v1/exposures", headers=auditor))
    assert {item["whose_id"] for item in exposed["items"]} & {mine, other} == {mine}
    about_other = {"action": "list_members", "whose_id": other}
    assert done(await world.client.get("/v1/access-log", params=about_other, headers=auditor))["items"] == []


async def test_a_page_of_exposures_leads_to_the_next(world: Any, done: Any) -> None:
    members = {await world.member(world.school) for _ in range(3)}
    done(await world.client.get("/v1/members", headers=world.staff("primary_staff", world.school)))
    seen: list[str] = []
    cursor = None
    while True:
        params = {"subject": "primary_staff-1", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = done(await world.client.get("/v1/exposures", params=params, headers=world.federal))
        seen += [item["whose_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert set(seen) == members
    assert len(seen) == 3


async def test_reading_beyond_the_limit_within_an_hour_is_one_alarm(
    world: Any, done: Any, refused: Any, database: Database, settings: RegistrySettings, capsys: Any
) -> None:
    for minute in (5, 15, 25):
        await read(database, "ivanova@example.org", NOON.replace(minute=minute), 40)
    await read(database, "diligent", NOON, 100)
    before = exposure.ALARMS.labels("limit")._value.get()
    for _ in range(2):
        await watch(database, settings)
    assert exposure.ALARMS.labels("limit")._value.get() - before == 1
    (alarm,) = done(await world.client.get("/v1/reading-alarms", headers=world.staff("auditor")))["items"]
    assert (alarm["subject"], alarm["kind"], alarm["persons"], alarm["expected"]) == (
        *("ivanova@example.org", "limit", 120),
        100,
    )
    printed = capsys.readouterr().out
    assert "personal_data_reading_alarm" in printed
    assert "ivanova" not in printed
    path = f"/v1/reading-alarms/{alarm['alarm_id']}/close"
    body = {"conclusion": "Выгрузка для отчёта по поручению"}
    done(await world.client.post(path, json=body, headers=world.federal))
    refused(await world.client.post(path, json=body, headers=world.federal), 409, "alarm_closed")
    assert done(await world.client.get("/v1/reading-alarms", headers=world.federal))["items"] == []
    params = {"state": "all"}
    assert (
        len(done(await world.client.get("/v1/reading-alarms", params=params, headers=world.federal))["items"]) == 1
    )


async def test_reading_far_beyond_ones_own_habit_is_an_alarm_below_the_limit(
    world: Any, done: Any, database: Database, settings: RegistrySettings
) -> None:
    for hour in range(1, 13):
        await read(database, "quiet", NOON - timedelta(days=1, hours=hour), 3)
        await read(database, "busy", NOON - timedelta(days=1, hours=hour), 9)
    for subject in ("quiet", "busy", "new"):
        await read(database, subject, NOON, 60)
    await watch(database, settings)
    page = done(await world.client.get("/v1/reading-alarms", headers=world.federal))
    assert [(a["subject"], a["kind"], a["persons"], a["expected"]) for a in page["items"]] == [
        ("quiet", "habit", 60, 30)
    ]


async def test_the_log_is_kept_its_years_and_cannot_be_shortened_below_three(database: Database) -> None:
    now = datetime.now(UTC)
    for years in (2, 4, 6):
        await read(database, f"{years} years", now - timedelta(days=366 * years), 1)
    async with database.sessions.begin() as session:
        await exposure.forget_accesses(session, 5, now)
        left = await session.scalars(sa.text("select subject from access_log order by at"))
        assert list(left) == ["4 years", "2 years"]
    with pytest.raises(sa.exc.DBAPIError, match="keeps what it has"):
        async with database.sessions.begin() as session:
            await exposure.forget_accesses(session, 1, now)
    for statement in ("delete from access_log", "update access_log set count = 0", "truncate access_log"):
        for task in ("", "retention", "erasure"):
            with pytest.raises(sa.exc.DBAPIError, match="keeps what it has"):
                await attempt(database, task, statement)


async def attempt(database: Database, task: str, statement: str) -> None:
    async with database.sessions.begin() as session:
        await session.execute(sa.text(f"set local registry.task = '{task}'"))
        await session.execute(sa.text(statement))


async def test_the_extract_tells_who_read_and_what_was_decided_but_not_about_others(
    world: Any, done: Any, database: Database, settings: RegistrySettings
) -> None:
    name = {"last_name": "Королёва", "first_name": "Алёна", "birth_date": "1980-03-05"}
    mine = await world.member(world.school, **name)
    double = await world.member(world.other, **{**name, "last_name": "Королевва"})
    stranger = await world.member(world.other, **{**name, "last_name": "Королёвка"}, phone="+79135550001")
    await merge(world, mine, double, take=["phone"])
    refused = done(await ask_merge(world, mine, stranger), 201)
    path = f"/v1/approvals/{refused['approval_id']}/refuse"
    done(await world.client.post(path, json={"reason": "Другая"}, headers=second(world)))
    assert (await approve(world, refused["approval_id"])).status_code == 409
    done(await world.client.get("/v1/members", headers=world.staff("primary_staff", world.school)))
    extract = done(await world.client.get(f"/v1/members/{mine}/extract", headers=world.self(mine)))
    assert {row["member_id"] for row in extract["memberships"]} == {mine, double}
    assert sorted(row["last_name"] for row in extract["other_writings"]) == ["Королевва", "Королёва"]
    assert len(extract["merges"]) == 1
    assert {row["member_id"] for row in extract["history"]} == {mine, double}
    assert {row["status"] for row in extract["possible_doubles"]} == {"merged", "open"}
    assert {row["action"] for row in extract["requests"]} == {"merge_members"}
    assert "primary_staff-1" in {row["by"] for row in extract["accesses"]}
    told = json.dumps(extract, ensure_ascii=False)
    assert "+79135550001" not in told
    assert "Королёвка" not in told


async def test_public_statistics_withhold_small_numbers(world: Any, done: Any) -> None:
    for _ in range(6):
        await world.member(world.school)
    await world.member(world.university, category="student")
    second_region = await world.organisation("regional", world.root, name="Томская областная организация")
    far = await world.organisation("primary", second_region)
    for category in ("working",) * 7 + ("student",) * 6:
        await world.member(far, category=category)
    page = done(await world.client.get("/v1/public/statistics"))
    cells = {row["name"]: {c["category"]: c["members"] for c in row["cells"]} for row in page["rows"]}
    assert cells["Омская областная организация"]["student"] is None
    whole = cells["Общероссийский Профсоюз"]
    assert whole["total"] == 20
    for row in cells.values():
        assert list(row.values()).count(None) != 1
    for category in whole:
        assert [row[category] for row in cells.values()].count(None) != 1
    assert page["smallest_shown"] == 5
