"""Events come twice, late, in any order, and again after years: what is kept is the same."""

import random
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from common.db import Database
from common.events.cards import CardBlocked, CardIssued
from common.events.cashback import ParticipantEnrolled
from common.testing import Client, TestIssuer, record_of
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import History, random_union
from tests.integration.reports.test_figures import DATES
from tests.integration.reports.test_revisions import Small

TABLES = ("organisation", "member", "card", "participant", "organisation_fact", "member_fact")


async def contents(database: Database) -> dict[str, list[Any]]:
    async with database.sessions() as session:
        return {
            table: sorted(tuple(map(str, row)) for row in await session.execute(sa.text(f"select * from {table}")))
            for table in TABLES
        }


async def test_redelivery_republishing_and_reordering_change_nothing(
    deliver_all: DeliverAll, database: Database
) -> None:
    history, _ = random_union(random.Random(5))
    await deliver_all(history.records())
    kept = await contents(database)
    assert len(kept["organisation_fact"]) + len(kept["member_fact"]) == len(history.told)

    await deliver_all(history.records(), shuffle=random.Random(1))
    await deliver_all([told.republished() for told in history.told], shuffle=random.Random(2))
    assert await contents(database) == kept


async def test_the_order_of_arrival_does_not_matter(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, database: Database
) -> None:
    history, region = random_union(random.Random(7))
    records = [*history.records(), *history.records()]
    await deliver_all(records, shuffle=random.Random(3))
    async with database.sessions.begin() as session:
        shuffled = await contents(database)
        await session.execute(sa.text(f"truncate {', '.join(TABLES)}"))
    await deliver_all(history.records())
    assert await contents(database) == shuffled
    answer = await client.get(
        "/v1/statistics",
        params={"organisation_id": str(region), "as_of": str(DATES[0])},
        headers=issuer.bearer("internal_app"),
    )
    assert answer.status_code == 200


async def test_the_facts_carry_no_more_than_the_statistics_need(
    deliver_all: DeliverAll, database: Database
) -> None:
    history = History()
    member = history.member(history.organisation("regional"))
    await deliver_all(history.records())
    async with database.sessions() as session:
        row = (await session.execute(sa.text("select * from member_fact"))).mappings().one()
    assert set(row) == {
        *("member_id", "version", "effective_on", "recorded_at", "event_type", "organisation_id", "status"),
        *("category", "sex", "birth_year", "pedagogical", "joined_on", "left_on", "from_organisation_id"),
        *("holds_from", "holds_until"),
    }
    assert (row["member_id"], row["event_type"]) == (member, "registry.member_admitted.v1")
    assert row["recorded_at"] == history.told[-1].recorded_at


async def test_the_headline_tells_the_scope_as_it_is_now(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small, other = Small(), Small()
    small.history.member(small.school, category=None)
    small.history.end(small.boris, on=small.history.told[-1].event.effective_on)
    await deliver_all([*small.history.records(), *other.history.records()])
    events: list[Any] = []
    for member in (small.anna, other.anna):
        card = {"card_id": uuid4(), "member_id": member, "expires_on": "2030-01-01", "effective_on": "2020-01-01"}
        old = {**card, "card_id": uuid4()}
        events += [
            CardIssued(**card, form="virtual", status="active", reason=None, version=1),
            CardIssued(**old, form="plastic", status="issued", reason=None, version=1),
            CardBlocked(**old, form="plastic", status="blocked", reason="lost", version=2),
            ParticipantEnrolled(
                member_id=member,
                status="enrolled",
                enrolled_on="2020-01-01",
                effective_on="2020-01-01",
                version=1,
            ),
        ]
    await deliver_all([record_of(event) for event in events])
    headers = issuer.bearer("regional_staff", organisation_id=small.region)
    await client.post("/v1/report-runs", json={"as_of": "2021-01-01"}, headers=headers)
    answer = (await client.get("/v1/headline", headers=headers)).json()
    assert answer == {
        "organisations": {"primary": 1, "regional": 1, "territorial": 1},
        "members": {"total": 2, "working": 1, "student": 0, "pensioner": 0, "without_category": 1},
        "cards": {"active": 1, "virtual": 1, "plastic": 0, "members": 1},
        "participants": 1,
        "reports": {"as_of": "2021-01-01", "primary": 1, "territorial": 1, "regional": 1, "federal": 0},
    }
    everything = (await client.get("/v1/headline", headers=issuer.bearer("federal_staff"))).json()
    assert (everything["members"]["total"], everything["cards"]["active"], everything["participants"]) == (4, 2, 2)
