"""A member's statement and a partner's invoice: from the ledger, to the kopeck, as JSON, CSV and PDF."""

import csv
import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from common.documents import PDF

pytestmark = pytest.mark.usefixtures("sound")


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


@pytest.fixture
async def member_id(world: Any, campaign_id: UUID) -> UUID:
    """Earned 5000 in April, asked for 3000 in May, which were paid; gave 1000 back; one purchase is pending."""
    member_id: UUID = await world.participant()
    purchase_id = await world.earned(member_id, campaign_id)
    payout_id = await world.sent(member_id, 3000)
    await world.bank("settle", payout_id)
    await world.resolve("refund", purchase_id, "2021-05-10", reference="R1", amount=20_000)
    await world.bought(member_id, campaign_id, 40_000)
    return member_id


async def statement(world: Any, member_id: UUID, since: str, until: str, accept: str = "application/json") -> Any:
    headers = {**world.as_member(member_id), "Accept": accept}
    return await world.client.get(f"/v1/statement?since={since}&until={until}", headers=headers)


async def test_a_statement_begins_where_the_one_before_has_ended(world: Any, member_id: UUID) -> None:
    march, april, may = [
        (await statement(world, member_id, f"2021-0{month}-01", f"2021-0{month}-{last}")).json()
        for month, last in ((3, 31), (4, 30), (5, 31))
    ]
    assert march["opening"] == {"pending": 0, "available": 0, "in_payout": 0, "owed": 0}
    assert march["closing"] == april["opening"] == {"pending": 7000, "available": 0, "in_payout": 0, "owed": 0}
    assert april["closing"] == may["opening"] == {"pending": 2000, "available": 5000, "in_payout": 0, "owed": 0}
    assert may["closing"] == {"pending": 2000, "available": 1000, "in_payout": 0, "owed": 0}
    assert [(line["kind"], line["available"], line["available_after"]) for line in may["lines"]] == [
        ("payout", -3000, 2000),
        ("payout_settled", 0, 2000),
        ("refund", -1000, 1000),
    ]
    assert all(line["explained"] for line in march["lines"] + april["lines"] + may["lines"])
    now = await world.balance(member_id)
    assert may["closing"] == now


async def test_a_statement_is_csv_and_pdf_too(world: Any, member_id: UUID) -> None:
    table = await statement(world, member_id, "2021-01-01", "2021-12-31", "text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert sum(int(row["available"]) for row in rows) == 1000
    assert rows[-1]["available_after"] == "1000"
    pdf = await statement(world, member_id, "2021-01-01", "2021-12-31", PDF)
    assert (pdf.headers["content-type"], pdf.content[:5]) == (PDF, b"%PDF-")
    empty = await statement(world, member_id, "2020-01-01", "2020-12-31", PDF)
    assert empty.content[:5] == b"%PDF-"


async def test_a_statement_is_ones_own(world: Any, member_id: UUID, refusal: Callable[..., Any]) -> None:
    other = await world.participant()
    assert (await statement(world, other, "2021-01-01", "2021-12-31")).json()["lines"] == []
    assert refusal(await statement(world, member_id, "2021-12-31", "2021-01-01")) == (422, "span_reversed")


async def test_an_invoice_is_of_what_was_confirmed_less_what_came_back(
    world: Any, member_id: UUID, refusal: Callable[..., Any]
) -> None:
    def address(month: str) -> str:
        return f"/v1/partners/books/invoices/{month}"

    april = (await world.client.get(address("2021-04"), headers=world.as_partner())).json()
    assert (april["confirmed"], april["refunded"], april["due"]) == (5000, 0, 5000)
    may = (await world.client.get(address("2021-05"), headers=world.federal())).json()
    assert (may["confirmed"], may["refunded"], may["due"]) == (0, 1000, -1000)
    march = (await world.client.get(address("2021-03"), headers=world.as_partner())).json()
    assert (march["due"], march["lines"]) == (0, [])
    # What is due and what is pending is what the ledger says the partner owes.
    owed = -(await world.trial())["partner_receivable"]
    assert owed == april["due"] + may["due"] + (await world.balance(member_id))["pending"]
    for accept, begin in ((PDF, b"%PDF-"), ("text/csv", b"occurred_on,")):
        made = await world.client.get(address("2021-04"), headers={**world.as_partner(), "Accept": accept})
        assert made.content.startswith(begin)
    assert str(member_id) not in str(april)
    stranger = world.as_partner("another")
    assert refusal(await world.client.get(address("2021-04"), headers=stranger)) == (404, "not_found")
    assert refusal(await world.client.get(address("2021-13"), headers=world.federal()))[0] == 422
