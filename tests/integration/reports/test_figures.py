"""The service's figures against the slow reference."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.db import Database
from common.testing import Client, TestIssuer
from reports import tallies
from tests.extent import tries
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import FIRST_RECORDED, History, random_union
from tests.integration.reports.reference import FAR, Reference

DATES = [date(2020, 1, 1), date(2021, 1, 1), date(2020, 7, 15)]
_quick = settings(
    max_examples=tries(6, long=30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


async def all_reports(client: Client, headers: dict[str, str], **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        parameters = {**wanted, "limit": 4, **({"cursor": cursor} if cursor else {})}
        answer = await client.get("/v1/reports", params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


@_quick
@given(chance=st.randoms(use_true_random=False))
async def test_any_statistic_of_any_date_as_known_at_any_date_equals_the_reference(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, chance: random.Random
) -> None:
    history, region = random_union(chance)
    await deliver_all(history.records(), shuffle=random.Random(len(history.told)))
    headers = issuer.bearer("regional_staff", organisation_id=region)
    halfway = FIRST_RECORDED + timedelta(hours=len(history.told) // 2)
    nodes = [key for key, state in history.states.items() if "kind" in state]
    for as_of in DATES:
        for known_at in (FAR, halfway):
            reference = Reference(history.told, as_of, known_at)
            for node in {region, *chance.sample(nodes, 3)}:
                parameters = {"organisation_id": str(node), "as_of": str(as_of), "known_at": known_at.isoformat()}
                answer = await client.get("/v1/statistics", params=parameters, headers=headers)
                assert answer.status_code == 200, answer.text
                assert answer.json()["indicators"] == reference.indicators(node)


@_quick
@given(chance=st.randoms(use_true_random=False))
async def test_every_row_of_every_formed_report_equals_the_reference(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, chance: random.Random
) -> None:
    history, region = random_union(chance)
    await deliver_all(history.records(), shuffle=random.Random(len(history.told)))
    headers = issuer.bearer("regional_staff", organisation_id=region)
    for as_of in (date(2020, 1, 1), date(2021, 1, 1)):
        reference = Reference(history.told, as_of)
        answer = await client.post("/v1/report-runs", json={"as_of": str(as_of)}, headers=headers)
        assert answer.status_code == 201, answer.text
        reports = await all_reports(client, headers, as_of=as_of)
        expected = reference.reports(region)
        assert {(r["form"], UUID(r["organisation_id"])): r["figures"] for r in reports} == expected
        assert answer.json()["formed"] == len(expected)
        for report in reports:
            view = (await client.get(f"/v1/reports/{report['report_id']}", headers=headers)).json()
            node = UUID(report["organisation_id"])
            if report["level"] == "primary":
                assert view["parts"] is None
            else:
                assert {UUID(p["organisation_id"]): p["figures"] for p in view["parts"]} == {
                    o.organisation_id: reference.rows(o.organisation_id, report["form"])
                    for o in reference.organisations.values()
                    if o.parent_id == node and (o.status == "active" or reference.people(o.organisation_id))
                }


async def test_summaries_are_the_sums_of_their_primaries_across_moves_transfers_and_closures(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    history = History()
    region = history.organisation("regional")
    north, south = history.organisation("territorial", region), history.organisation("territorial", region)
    school = history.organisation("primary", north, institution_type="school", employed=10)
    nursery = history.organisation("primary", north, institution_type="preschool", employed=5)
    closing = history.organisation("primary", south, institution_type="school", employed=8)
    university = history.organisation("primary_with_territorial_rights", region, employed=100)
    group = history.organisation("union_group", school)
    people = [history.member(place) for place in (school, school, group, nursery, closing, university)]
    history.move(nursery, south, date(2020, 5, 1))
    history.transfer(people[0], university, date(2020, 6, 1))
    history.end(people[4], date(2020, 7, 1))
    history.close(closing, date(2020, 8, 1))
    history.member(nursery, on=date(2020, 9, 1))
    await deliver_all(history.records())
    headers = issuer.bearer("regional_staff", organisation_id=region)
    await client.post("/v1/report-runs", json={"as_of": "2021-01-01"}, headers=headers)

    def value(report: dict[str, Any], label: str) -> Any:
        return next(row["value"] for row in report["rows"] if row["formula"] == label)

    views = {}
    for item in await all_reports(client, headers):
        view = (await client.get(f"/v1/reports/{item['report_id']}", headers=headers)).json()
        views[UUID(item["organisation_id"])] = view
    # The closed school still reports: somebody left it in the year, and the sums must say so.
    assert set(views) == {region, north, south, school, nursery, closing, university}
    counts = ("members", "members_working", "women", "joined", "left", "expelled")
    for name in counts:
        assert value(views[north], name) == value(views[school], name)
        assert value(views[south], name) == value(views[nursery], name) + value(views[closing], name)
        below = (north, south, university)
        assert value(views[region], name) == sum(value(views[node], name) for node in below)
    assert [value(views[node], "members") for node in (region, north, south, university)] == [6, 2, 2, 2]
    assert [value(views[region], name) for name in ("primaries", "territorials", "joined", "left")] == [3, 2, 1, 1]
    assert (value(views[region], "employed"), value(views[region], "coverage_working")) == (115, 5.2)


async def test_a_retracted_record_counts_on_no_day_but_stands_in_what_was_known_before(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, database: Database
) -> None:
    history = History()
    region = history.organisation("regional")
    school, other = (history.organisation("primary", region, institution_type="school") for _ in range(2))
    mistaken, _ = (history.member(school, on=date(2020, 3, 1)) for _ in range(2))
    history.transfer(mistaken, other, date(2020, 5, 1))
    headers = issuer.bearer("regional_staff", organisation_id=region)

    async def counted(node: UUID, **known: str) -> list[int]:
        asked = {"organisation_id": str(node), "as_of": "2021-01-01", **known}
        found = (await client.get("/v1/statistics", params=asked, headers=headers)).json()["indicators"]
        return [found[name] for name in ("members", "joined", "transferred_in", "transferred_out")]

    await deliver_all(history.records())
    before = {node: await counted(node) for node in (region, school, other)}
    assert before == {region: [2, 2, 1, 1], school: [1, 1, 0, 1], other: [1, 1, 1, 0]}
    known_at = history.told[-1].recorded_at.isoformat()
    history.retract(mistaken)
    await deliver_all(history.records()[-1:])
    assert {node: await counted(node) for node in before} == {
        region: [1, 1, 0, 0],
        school: [1, 1, 0, 0],
        other: [0, 0, 0, 0],
    }
    assert {node: await counted(node, known_at=known_at) for node in before} == before
    # Forgotten afterwards, it counts no more for that.
    history.erase(mistaken, date(2021, 2, 1))
    await deliver_all(history.records()[-1:])
    assert await counted(region) == [1, 1, 0, 0]
    # The live counters have neither the member nor the joining.
    async with database.sessions.begin() as session:
        await tallies.add_up(session, datetime.now(UTC), None)
        cells = {
            row.cell: row.value
            for row in await session.execute(
                sa.text("select cell, value from tally where organisation_id = :region and value <> 0"),
                {"region": region},
            )
        }
    assert (cells["members"], cells["joined|2020"], cells.get("left|2020", 0)) == (1, 1, 0)
