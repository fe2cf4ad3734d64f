"""A partner's books beside ours: what differs, for how long, and what puts it right."""

import csv
import io
from datetime import date
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from common import checked_files
from common.db import Database

pytestmark = pytest.mark.usefixtures("sound")

Row = list[str]


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


def line(order: str, status: str, amount: int, cashback: int, day: str = "2021-03-02", *more: str) -> Row:
    click, moment = more or ("", "")
    return ["R", order, "1", day, status, str(amount), str(cashback), click, moment]


def books(*lines: Row, partner: str = "books", first: str = "2021-03-01", last: str = "2021-03-31") -> bytes:
    totals = [sum(int(one[5]) for one in lines), sum(int(one[6]) for one in lines)]
    return checked_files.written("1", [partner, first, last], lines, totals)[0]


async def compare(world: Any, *lines: Row, by: str = "partner", **header: str) -> dict[str, Any]:
    who = world.as_partner() if by == "partner" else world.federal()
    answer = await world.client.post("/v1/reconciliations", content=books(*lines, **header), headers=who)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def items(world: Any, result: dict[str, Any], **wanted: str) -> dict[str, dict[str, Any]]:
    path = f"/v1/reconciliations/{result['reconciliation_id']}/items"
    answer = await world.client.get(path, params=wanted, headers=world.federal())
    return {item["order"]: item for item in answer.json()["items"]}


async def answer(world: Any, result: dict[str, Any], item: dict[str, Any], step: str, **body: str) -> Any:
    path = f"/v1/reconciliations/{result['reconciliation_id']}/items/{item['item_id']}/{step}"
    return await world.client.post(path, json=body, headers=world.federal())


@pytest.fixture
async def world_of_seven(world: Any, campaign_id: UUID) -> UUID:
    """Orders of one member: A pending, B confirmed, C confirmed, D pending, E confirmed, F pending."""
    member_id: UUID = await world.participant()
    for order in "ABCDEF":
        purchase = await world.bought(member_id, campaign_id, order=order)
        if order in "BCE":
            assert (await world.resolve("confirm", purchase)).status_code == 200
    return member_id


async def test_each_line_is_matched_or_differs_in_one_of_four_ways(
    world: Any, campaign_id: UUID, world_of_seven: UUID
) -> None:
    result = await compare(
        world,
        line("A", "pending", 100_000, 5000),
        line("B", "confirmed", 60_000, 3000),
        line("C", "refunded", 0, 0),
        line("D", "confirmed", 100_000, 5000),
        line("E", "confirmed", 100_000, 4000),
        line("G", "pending", 50_000, 2500),
    )
    found = await items(world, result)
    assert {
        order: (item["outcome"], item["proposed"], item["proposed_amount"]) for order, item in found.items()
    } == {
        "A": ("matched", None, None),
        "B": ("amount_differs", "refunded", 40_000),
        "C": ("status_differs", "refunded", 100_000),
        "D": ("status_differs", "confirmed", 100_000),
        # Only the cashback is another: the two must talk about the terms.
        "E": ("amount_differs", None, None),
        "F": ("missing_theirs", "declined", None),
        # Without its click nothing can be taken in.
        "G": ("missing_ours", None, None),
    }
    sums = {one["outcome"]: (one["lines"], one["our_amount"], one["their_amount"]) for one in result["outcomes"]}
    assert sums == {
        "matched": (1, 100_000, 100_000),
        "amount_differs": (2, 200_000, 160_000),
        "status_differs": (2, 200_000, 100_000),
        "missing_theirs": (1, 100_000, 0),
        "missing_ours": (1, 0, 50_000),
    }
    assert (result["lines"], result["their_amount"], result["their_cashback"]) == (6, 410_000, 19_500)
    assert (result["our_lines"], result["our_amount"], result["our_cashback"]) == (6, 600_000, 30_000)
    assert (result["waiting"], result["ageing"]["today"]) == (4, 6)
    # Comparing changes nothing.
    assert await world.balance(world_of_seven) == {
        "pending": 15_000,
        "available": 15_000,
        "in_payout": 0,
        "owed": 0,
    }


async def test_accepted_corrections_are_posted_by_the_usual_steps_and_then_all_matches(
    world: Any, campaign_id: UUID, world_of_seven: UUID, database: Database, refusal: Any
) -> None:
    click = (await world.click(world_of_seven, campaign_id)).json()["click_id"]
    lines = (
        line("A", "pending", 100_000, 5000),
        line("B", "confirmed", 60_000, 3000),
        line("C", "refunded", 0, 0),
        line("D", "confirmed", 100_000, 5000),
        line("E", "confirmed", 100_000, 5000),
        line("F", "declined", 0, 0),
        line("G", "pending", 50_000, 2500, "2021-03-03", click, "2021-03-03T01:00:00+06:00"),
    )
    result = await compare(world, *lines)
    for item in (await items(world, result, state="proposed")).values():
        accepted = await answer(world, result, item, "accept", effective_on="2021-04-10")
        assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted"), accepted.text
        assert refusal(await answer(world, result, item, "accept", effective_on="2021-04-10"))[0] == 409
    # A: 5000 pending, G: 2500 pending; B 3000, D 5000, E 5000 available; C and F are gone.
    assert await world.balance(world_of_seven) == {"pending": 7500, "available": 13_000, "in_payout": 0, "owed": 0}
    async with database.sessions() as session:
        sources = (
            "select event, count(*) from partner_report where source = 'reconciliation' group by 1 order by 1"
        )
        assert [tuple(row) for row in await session.execute(sa.text(sources))] == [
            ("confirmed", 1),
            ("declined", 1),
            ("refunded", 2),
            ("reported", 1),
        ]
    again = await compare(world, *lines, last="2021-03-30")
    assert [(one["outcome"], one["lines"]) for one in again["outcomes"]] == [("matched", 7)]


async def test_the_rules_of_the_intake_hold_for_a_correction_too(
    world: Any, campaign_id: UUID, refusal: Any
) -> None:
    member_id = await world.participant()
    await world.bought(member_id, campaign_id, order="A")
    result = await compare(world, line("A", "confirmed", 100_000, 5000))
    [item] = (await items(world, result)).values()
    early = await answer(world, result, item, "accept", effective_on="2021-03-10")
    assert refusal(early) == (409, "hold_not_over")
    assert (await items(world, result))["A"]["state"] == "proposed"
    assert (await answer(world, result, item, "accept", effective_on="2021-04-01")).status_code == 200


async def test_a_proposal_about_a_purchase_that_has_changed_since_is_refused(
    world: Any, campaign_id: UUID, refusal: Any
) -> None:
    purchase = await world.bought(await world.participant(), campaign_id, order="A")
    result = await compare(world, line("A", "declined", 0, 0))
    [item] = (await items(world, result)).values()
    assert (await world.resolve("confirm", purchase)).status_code == 200
    late = await answer(world, result, item, "accept", effective_on="2021-04-02")
    assert refusal(late) == (409, "proposal_outdated")


async def test_what_is_dismissed_is_found_again_with_its_age(
    world: Any, campaign_id: UUID, database: Database, refusal: Any
) -> None:
    await world.bought(await world.participant(), campaign_id, order="A")
    first = await compare(world, line("A", "declined", 0, 0))
    [item] = (await items(world, first)).values()
    assert (await answer(world, first, item, "dismiss", reason="ждём магазин")).json()["state"] == "dismissed"
    assert refusal(await answer(world, first, item, "accept", effective_on="2021-04-02")) == (
        409,
        "nothing_proposed",
    )
    async with database.sessions.begin() as session:
        # Ten days pass.
        await session.execute(sa.text("update reconciliation_item set differs_since = now() - interval '10 days'"))
    second = await compare(world, line("A", "declined", 0, 0), last="2021-03-30")
    assert second["ageing"] == {"today": 0, "to_7_days": 0, "to_30_days": 1, "older": 0}
    assert (await items(world, second))["A"]["age_days"] == 10
    # Once it has matched, the next difference is a new one.
    await compare(world, line("A", "pending", 100_000, 5000), last="2021-03-29")
    third = await compare(world, line("A", "declined", 0, 0), last="2021-03-28")
    assert third["ageing"]["today"] == 1


async def test_the_same_file_is_compared_once(world: Any, campaign_id: UUID) -> None:
    content = books(line("A", "pending", 1, 0))
    first = await world.client.post("/v1/reconciliations", content=content, headers=world.as_partner())
    again = await world.client.post("/v1/reconciliations", content=content, headers=world.federal())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["reconciliation_id"] == again.json()["reconciliation_id"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"no file at all", 1),
        (books(line("A", "pending", 1, 0)).replace(b";pending;", b";pendinG;"), 3),
        (books(line("A", "paid", 1, 0)), 2),
        (books(line("A", "pending", 1, 0), line("A", "pending", 1, 0)), 3),
        (books(line("A", "pending", 1, 0, "2021-05-01")), 2),
        (books(line("A", "pending", 1, 0, "2021-03-02", "x", "")), 2),
        (books(line("A", "pending", 1, 0, "2021-03-02", "", "2021-03-02T10:00:00")), 2),
        (books(first="2021-03-31", last="2021-03-01"), 1),
        (
            checked_files.written(
                "1", ["books", "2021-03-01", "2021-03-31"], [line("A", "pending", 7, 1)], [8, 1]
            )[0],
            3,
        ),
    ],
)
async def test_a_file_that_is_not_whole_is_refused_with_its_line(
    world: Any, campaign_id: UUID, refusal: Any, content: bytes, place: int
) -> None:
    refused = await world.client.post("/v1/reconciliations", content=content, headers=world.as_partner())
    assert refusal(refused) == (422, "file_invalid")
    assert refused.json()["line"] == place


async def test_the_result_is_paged_filtered_and_a_table_that_no_spreadsheet_runs(
    world: Any, campaign_id: UUID
) -> None:
    names = ["=1+1", "B", "C"]
    result = await compare(world, *(line(name, "pending", 1, 0) for name in names), by="staff")
    path = f"/v1/reconciliations/{result['reconciliation_id']}"
    page = (await world.client.get(f"{path}/items?limit=2", headers=world.as_partner())).json()
    rest = (
        await world.client.get(f"{path}/items?limit=2&cursor={page['next_cursor']}", headers=world.as_partner())
    ).json()
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)
    none = await world.client.get(f"{path}/items?outcome=matched", headers=world.as_partner())
    assert none.json()["items"] == []
    table = await world.client.get(f"{path}/csv", headers=world.as_partner())
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert {row["order"] for row in rows} == {"'=1+1", "B", "C"}
    assert {row["outcome"] for row in rows} == {"missing_ours"}
    assert {date.fromisoformat(row["purchased_on"]) for row in rows} == {date(2021, 3, 2)}


async def test_thousands_of_lines_are_compared_by_two_statements(
    world: Any, campaign_id: UUID, database: Database
) -> None:
    """As many as a body may have: set-wise, whatever their number."""
    lines = [line(f"order-{number:05d}", "pending", 100, 5) for number in range(10_000)]
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    engine = database.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        result = await compare(world, *lines)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert [(one["outcome"], one["lines"]) for one in result["outcomes"]] == [("missing_ours", 10_000)]
    assert len(statements) < 20
