"""A formed report stays as it was; what is learnt later shows as a difference."""

import json
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from common.db import Database
from common.events.reports import ReportFormed
from common.outbox import publish, shard_of
from common.settings import Settings
from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import History


class Small:
    """A region with one territorial organisation, one school and two members."""

    def __init__(self) -> None:
        self.history = History()
        self.region = self.history.organisation("regional")
        self.territorial = self.history.organisation("territorial", self.region)
        self.school = self.history.organisation("primary", self.territorial, institution_type="school", employed=4)
        self.anna = self.history.member(self.school)
        self.boris = self.history.member(self.school, sex="male")


async def run(client: Client, headers: dict[str, str], **body: Any) -> Any:
    answer = await client.post("/v1/report-runs", json={"as_of": "2021-01-01", **body}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def report_of(client: Client, headers: dict[str, str], **wanted: Any) -> Any:
    items = (await client.get("/v1/reports", params=wanted, headers=headers)).json()["items"]
    assert len(items) == 1
    return (await client.get(f"/v1/reports/{items[0]['report_id']}", headers=headers)).json()


async def test_a_second_run_with_the_same_figures_makes_nothing_new(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, published: Any
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("federal_staff")
    first = await run(client, headers)
    again = await run(client, headers)
    assert (first["organisations"], first["formed"], first["unchanged"]) == (3, 3, 0)
    assert (again["organisations"], again["formed"], again["unchanged"]) == (3, 0, 3)
    assert [(item["form"], item["formed"]) for item in first["forms"]] == [
        ("primary_yearly", 1),
        ("regional_summary", 1),
        ("territorial_summary", 1),
    ]
    events = await published(ReportFormed)
    assert {(event.form, event.organisation_id, event.version) for event in events} == {
        ("primary_yearly", small.school, 1),
        ("territorial_summary", small.territorial, 1),
        ("regional_summary", small.region, 1),
    }
    assert {event.as_of for event in events} == {date(2021, 1, 1)}


async def test_events_that_the_database_makes_are_those_that_publish_would_make(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, database: Database, settings: Settings
) -> None:
    await deliver_all(Small().history.records())
    await run(client, issuer.bearer("federal_staff"))
    async with database.sessions.begin() as session:
        made = (await session.execute(sa.text("select shard, topic, key, payload, headers from outbox"))).all()
        await session.execute(sa.text("delete from outbox"))
        for row in made:
            publish(session, ReportFormed.model_validate_json(row.payload))
    async with database.sessions() as session:
        again = {row.key: row for row in await session.execute(sa.text("select * from outbox"))}
    assert len(made) == len(again) == 3
    for row in made:
        same = again[row.key]
        assert (row.shard, row.topic) == (same.shard, same.topic)
        assert row.shard == shard_of(row.key, settings.outbox_shards)
        assert json.loads(row.payload) == json.loads(same.payload)
        moving = ("ce_id", "ce_time", "traceparent")
        assert {k: v for k, v in row.headers.items() if k not in moving} == {
            k: v for k, v in same.headers.items() if k not in moving
        }


async def test_a_late_correction_makes_a_new_revision_and_leaves_the_old_one(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, published: Any
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("regional_staff", organisation_id=small.region)
    await run(client, headers)
    wanted = {"organisation_id": str(small.school), "form": "primary_yearly"}
    before = await report_of(client, headers, **wanted)
    known = small.history.told[-1].recorded_at

    small.history.end(small.boris, date(2020, 12, 1))
    await deliver_all([small.history.told[-1].record()])
    assert await report_of(client, headers, **wanted) == before

    statistics = {"organisation_id": str(small.school), "as_of": "2021-01-01"}
    now = (await client.get("/v1/statistics", params=statistics, headers=headers)).json()
    then = await client.get(
        "/v1/statistics", params={**statistics, "known_at": known.isoformat()}, headers=headers
    )
    assert (now["indicators"]["members"], then.json()["indicators"]["members"]) == (1, 2)

    assert (await run(client, headers))["formed"] == 3
    after = await report_of(client, headers, **wanted)
    assert after["report_id"] == before["report_id"]
    assert (after["revision"], after["version"], after["rows"][0]["value"]) == (2, 2, 1)
    assert [item["revision"] for item in after["revisions"]] == [1, 2]
    address = f"/v1/reports/{before['report_id']}"
    first = await client.get(address, params={"revision": 1}, headers=headers)
    assert first.json()["rows"] == before["rows"]
    assert first.json()["formed_at"] == before["formed_at"]
    assert (await client.get(address, params={"revision": 3}, headers=headers)).status_code == 404
    assert (await client.get(address, headers=headers)).headers["ETag"] == '"2"'
    versions = [e.version for e in await published(ReportFormed) if str(e.report_id) == before["report_id"]]
    assert versions == [1, 2]


async def test_a_move_between_primaries_that_leaves_the_sum_alone_still_shows_in_the_summary(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    nursery = small.history.organisation("primary", small.territorial, institution_type="preschool")
    await deliver_all(small.history.records())
    headers = issuer.bearer("regional_staff", organisation_id=small.region)
    await run(client, headers)
    small.history.transfer(small.anna, nursery, date(2020, 3, 1))
    await deliver_all([small.history.told[-1].record()])
    made = {item["form"]: item["formed"] for item in (await run(client, headers))["forms"]}
    # Nobody joined or left, but a transfer was: it shows at every level.
    assert made == {"primary_yearly": 2, "territorial_summary": 1, "regional_summary": 1}
    summary = await report_of(client, headers, level="territorial")
    members = next(row["code"] for row in summary["rows"] if row["formula"] == "members")
    assert {part["organisation_id"]: part["figures"][members] for part in summary["parts"]} == {
        str(small.school): 1,
        str(nursery): 1,
    }


async def test_the_database_itself_refuses_to_change_a_revision(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, database: Database
) -> None:
    await deliver_all(Small().history.records())
    await run(client, issuer.bearer("federal_staff"))
    for statement in ("update report_revision set figures = '{}'", "delete from report_revision"):
        with pytest.raises(DBAPIError):
            async with database.engine.begin() as connection:
                await connection.execute(sa.text(statement))


async def test_a_run_for_a_day_or_a_form_that_is_not_there_is_refused(client: Client, issuer: TestIssuer) -> None:
    headers = issuer.bearer("federal_staff")
    wrong_day = await client.post("/v1/report-runs", json={"as_of": "2021-02-01"}, headers=headers)
    assert (wrong_day.status_code, wrong_day.json()["code"]) == (422, "not_a_day_of_the_form")
    wrong_form = await client.post(
        "/v1/report-runs", json={"as_of": "2021-01-01", "form": "no_such"}, headers=headers
    )
    assert (wrong_form.status_code, wrong_form.json()["code"]) == (422, "form_unknown")


async def test_regional_staff_form_their_region_alone(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    ours, theirs = Small(), Small()
    await deliver_all([*ours.history.records(), *theirs.history.records()])
    made = await run(client, issuer.bearer("regional_staff", organisation_id=ours.region))
    assert made["formed"] == 3
    items = (await client.get("/v1/reports", headers=issuer.bearer("auditor"))).json()["items"]
    assert {item["organisation_id"] for item in items} == {
        str(node) for node in (ours.region, ours.territorial, ours.school)
    }
