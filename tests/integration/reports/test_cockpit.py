"""The cockpit lives: its counters are kept by differences, and equal a recount whatever comes in whatever order."""

import random
import time
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.db import Database
from common.events.cards import CardBlocked, CardEvent, CardIssued
from common.events.registry import MemberEvent, MemberTransferred
from common.rounds import Clockwork
from common.settings import Settings
from common.testing import Client, TestIssuer, eventually, record_of
from reports import rules, tallies
from reports.main import service as reports_service
from tests.extent import tries
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import random_union
from tests.integration.reports.offices import Office
from tests.integration.reports.reference import NEVER, PRIMARY, Reference
from tests.integration.reports.test_revisions import Small, run

AS_OF = "2021-01-01"
END = date(2999, 1, 1)


async def add_up(database: Database) -> None:
    async with database.sessions.begin() as session:
        await tallies.add_up(session, datetime.now(UTC), None)


async def counters(database: Database) -> dict[UUID, dict[str, int]]:
    found: dict[UUID, dict[str, int]] = {}
    async with database.sessions() as session:
        for node, cell, value in await session.execute(
            sa.text("select organisation_id, cell, value from tally where value <> 0")
        ):
            found.setdefault(node, {})[cell] = value
    return found


def recounted(history: Any) -> dict[UUID, dict[str, int]]:
    """Every counter of every node, from the last states, one by one."""
    last: dict[UUID, Any] = {}
    before_erasure: dict[UUID, str] = {}
    for item in history.told:
        last[UUID(item.event.key)] = item.event
        if isinstance(item.event, MemberEvent) and item.event.status != "erased":
            before_erasure[item.event.member_id] = item.event.status
    reference = Reference(history.told, END)
    reference.organisations = {key: e for key, e in last.items() if hasattr(e, "parent_id")}
    found: dict[UUID, dict[str, int]] = {}
    for node in reference.organisations:
        below, cells = reference.below(node), Counter[str]()
        for key in below:
            o = reference.organisations[key]
            if o.status == "active":
                cells[f"organisations|{o.kind}"] += 1
                if o.kind in PRIMARY:
                    cells["employed"] += o.employed or 0
                    cells["students"] += o.students or 0
        for event in last.values():
            if isinstance(event, MemberEvent) and event.organisation_id in below:
                cells.update(_cells(event, before_erasure.get(event.member_id)))
        for item in history.told:
            if isinstance(item.event, MemberTransferred):
                year = item.event.effective_on.year
                cells[f"in|{year}"] += item.event.organisation_id in below
                cells[f"out|{year}"] += item.event.from_organisation_id in below
        if cells := +cells:
            found[node] = dict(cells)
    return found


def _cells(event: MemberEvent, before_erasure: str | None) -> list[str]:
    """`before_erasure`: the last status that was no erasure."""
    cells: list[str] = []
    if before_erasure in NEVER:
        return cells
    if event.status == "member":
        born = event.birth_year - event.birth_year % 5
        cells += ["members", f"category|{event.category or '-'}", f"born|{event.sex or '-'}|{born}"]
        cells += ["pedagogical"] if event.pedagogical else []
    cells.append(f"joined|{event.joined_on.year}")
    if event.status in ("left", "expelled", "erased") and event.left_on:
        cells.append(f"{'expelled' if event.status == 'expelled' else 'left'}|{event.left_on.year}")
    return cells


@settings(
    max_examples=tries(8, long=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(chance=st.randoms(use_true_random=False))
async def test_counters_kept_by_differences_equal_a_recount_and_a_rebuild(
    deliver_all: DeliverAll, database: Database, chance: random.Random
) -> None:
    history, _ = random_union(chance)
    await _forget(database)
    records = history.records()
    dice = random.Random(len(records))
    dice.shuffle(records)
    # In parts, out of order and twice, with a round after each part.
    for start in range(0, len(records), 7):
        await deliver_all(records[start : start + 7])
        await add_up(database)
    await deliver_all(records)
    await add_up(database)
    await add_up(database)
    kept = await counters(database)
    assert kept == recounted(history)
    async with database.sessions.begin() as session:
        await tallies.rebuild(session, datetime.now(UTC), None)
    assert await counters(database) == kept


async def _forget(database: Database) -> None:
    tables = "organisation, organisation_fact, member, member_fact, office_fact"
    async with database.sessions.begin() as session:
        await session.execute(sa.text(f"truncate {tables}, tally, tally_node, tally_delta, tally_dirty"))


async def test_the_organisation_that_moves_takes_its_counters_along(
    deliver_all: DeliverAll, database: Database
) -> None:
    small = Small()
    history = small.history
    other = history.organisation("regional")
    await deliver_all(history.records())
    await add_up(database)
    history.move(small.territorial, other, date(2020, 1, 1))
    await deliver_all([history.told[-1].record()])
    await add_up(database)
    kept = await counters(database)
    assert (kept[other]["members"], kept[other]["employed"], kept[small.region]) == (
        2,
        4,
        {"organisations|regional": 1},
    )
    # A half-told circle waits until the other half is told.
    history.move(other, small.territorial, date(2020, 2, 1))
    circle = history.told[-1].record()
    history.move(small.territorial, small.region, date(2020, 2, 1))
    await deliver_all([circle])
    await add_up(database)
    assert (await counters(database))[other]["members"] == 2
    await deliver_all([history.told[-1].record()])
    await add_up(database)
    await add_up(database)
    kept = await counters(database)
    assert {node: cells.get("members") for node, cells in kept.items()} == {
        small.region: 2,
        small.territorial: 2,
        small.school: 2,
        other: None,
    }
    assert kept == recounted(history)


async def test_cards_count_by_their_members_wherever_these_go(deliver_all: DeliverAll, database: Database) -> None:
    small = Small()
    nursery = small.history.organisation("primary", small.territorial)

    def card(member: UUID, card_id: UUID, kind: type[CardEvent], version: int) -> Any:
        status = "active" if kind is CardIssued else "blocked"
        return record_of(
            kind(
                card_id=card_id,
                member_id=member,
                form="virtual",
                status=status,
                reason=None,
                expires_on=date(2030, 1, 1),
                effective_on=date(2020, 1, 1),
                version=version,
            )
        )

    first, second, of_boris = uuid4(), uuid4(), uuid4()
    # The cards are heard of before the members.
    await deliver_all([card(small.anna, first, CardIssued, 1), card(small.anna, second, CardIssued, 1)])
    await add_up(database)
    await deliver_all([*small.history.records(), card(small.boris, of_boris, CardIssued, 1)])
    await add_up(database)
    assert (await counters(database))[small.region]["cards"] == 2
    small.history.transfer(small.anna, nursery, date(2020, 5, 1))
    await deliver_all([*small.history.records(), card(small.boris, of_boris, CardBlocked, 2)])
    await deliver_all([card(small.anna, first, CardBlocked, 2)])
    await add_up(database)
    kept = await counters(database)
    assert (kept[nursery]["cards"], kept[small.school].get("cards"), kept[small.region]["cards"]) == (1, None, 1)


async def test_the_cockpit_shows_completeness_coverage_movement_and_those_below(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, database: Database
) -> None:
    small = Small()
    history, today = small.history, datetime.now(UTC).date()
    nursery = history.organisation("primary", small.territorial, employed=10, students=20)
    history.member(nursery, category="student", birth_year=2003, on=today)
    history.end(history.member(nursery, sex="male"), today)
    await deliver_all(history.records())
    office = Office(client, issuer, small)
    await run(client, office.federal)
    await office.step("sign", small.school, office.school)
    await office.step("accept", small.school, office.territorial)
    await add_up(database)
    address = f"/v1/organisations/{small.region}/cockpit"
    answer = await client.get(address, params={"as_of": AS_OF}, headers=office.region)
    assert answer.status_code == 200, answer.text
    view = answer.json()
    assert (view["members"], view["categories"]) == (3, {"student": 1, "working": 2})
    assert view["coverage_working"] == {"members": 2, "head_count": 14, "percent": 14.3}
    assert view["coverage_students"] == {"members": 1, "head_count": 20, "percent": 5.0}
    assert (view["movement"][0]["year"], view["movement"][0]["joined"], view["movement"][0]["left"]) == (
        today.year,
        1,
        1,
    )
    assert {band["born_from"]: (band["women"], band["men"]) for band in view["pyramid"]} == {
        1980: (1, 1),
        2000: (1, 0),
    }
    primary = next(form for form in view["reports"] if form["level"] == "primary")
    told = ("expected", "formed", "signed", "accepted", "on_time", "late", "debtors")
    assert [primary[name] for name in told] == [2, 2, 1, 1, 0, 1, 1]
    assert primary["trend"] == [{"day": str(today), "signed": 1, "accepted": 1}]
    assert primary["forecast"] == str(today.fromordinal(today.toordinal() + 7))
    assert [form["level"] for form in view["reports"]] == ["primary", "regional", "territorial"]
    [child] = view["children"]
    assert (child["organisation_id"], child["members"], child["reports_accepted"], child["reports_expected"]) == (
        str(small.territorial),
        3,
        1,
        3,
    )
    overdue = {"under": str(small.region), "overdue": "true", "level": "primary"}
    items = (await client.get("/v1/reports", params=overdue, headers=office.region)).json()["items"]
    assert [item["organisation_id"] for item in items] == [str(nursery)]


async def test_digital_coverage_needs_what_is_declared(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, database: Database, app: Any
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    office = Office(client, issuer, small)
    await run(client, office.federal)
    assert (await office.declare(small.school, office.school, all_members=8)).status_code == 200
    await add_up(database)
    address = f"/v1/organisations/{small.region}/cockpit"
    digital = (await client.get(address, headers=office.region)).json()["digital"]
    assert (digital["records"], digital["all_members"], digital["records_percent"]) == (2, 8, 25.0)
    report = await office.report(small.region)
    shown = {row["formula"]: row["value"] for row in report["rows"]}
    assert "digital_coverage" in shown


@pytest.fixture
async def clockwork(database: Database, settings: Settings) -> Any:
    """The service's rounds, at work as in its worker."""
    works = Clockwork(reports_service.rounds, database, settings)
    works.start()
    yield works
    await works.stop()


async def test_a_change_of_a_member_shows_within_two_seconds(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, clockwork: Any
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("federal_staff")

    async def members() -> int:
        answer = await client.get(f"/v1/organisations/{small.region}/cockpit", headers=headers)
        return int(answer.json()["members"]) if answer.status_code == 200 else -1

    async def two() -> bool:
        return await members() == 2

    async def one() -> bool:
        return await members() == 1

    await eventually(two)
    for _ in range(3):
        small.history.end(small.boris, date(2020, 12, 1))
        await deliver_all([small.history.told[-1].record()])
        begun = time.monotonic()
        await eventually(one, timeout=2.0)
        small.history.rejoin(small.boris, date(2020, 12, 2))
        await deliver_all([small.history.told[-1].record()])
        await eventually(two, timeout=2.0)
        assert time.monotonic() - begun < 4.0


@pytest.mark.parametrize(
    ("accepted", "missing", "expected"),
    [
        ({}, 10, None),
        ({date(2021, 1, 3): 7}, 10, date(2021, 1, 15)),
        ({date(2021, 1, 4): 70, date(2021, 1, 5): 70}, 20, date(2021, 1, 6)),
        ({date(2020, 12, 1): 70}, 10, None),
        ({date(2021, 1, 3): 7}, 0, date(2021, 1, 3)),
    ],
)
def test_the_forecast_is_the_pace_of_the_last_seven_days(
    accepted: dict[date, int], missing: int, expected: date | None
) -> None:
    assert rules.forecast(accepted, missing, date(2021, 1, 5)) == expected
