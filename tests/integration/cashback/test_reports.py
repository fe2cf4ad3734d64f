"""A partner's message counts once, whichever way it comes: by the API, on the partner's topic, in a signed file."""

import asyncio
import base64
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cashback import ledger
from cashback.commands.files import COLUMNS
from cashback.ledger import Entry, Kind, Ref
from cashback.rules import moment
from common.db import Database
from common.events.cashback import PurchaseConfirmed, PurchasePartlyConfirmed, PurchaseReported
from common.events.partners import PURCHASE_REPORTS, OrderLineReported
from common.parking import Record
from common.testing import record_of

pytestmark = pytest.mark.usefixtures("sound")

Refusal = Callable[..., tuple[int, str]]
KEY = Ed25519PrivateKey.generate()
AT = "2021-03-02T10:00:00+06:00"


@pytest.fixture
async def member_id(world: Any) -> UUID:
    return await world.participant()  # type: ignore[no-any-return]


@pytest.fixture
async def click(world: Any, member_id: UUID) -> str:
    await world.partner()
    return (await world.click(member_id, await world.campaign())).json()["click_id"]  # type: ignore[no-any-return]


def on_topic(order: str, what: str = "reported", partner: str = "books", number: int = 1, **more: Any) -> Record:
    """A record of the partner's own topic."""
    body = {"order": order, "line": 1, "what": what, "version": number, "effective_on": "2021-04-01", **more}
    record = record_of(OrderLineReported.model_validate(body))
    return Record(PURCHASE_REPORTS.of(partner).name, 0, 0, record.raw_key, record.payload, record.headers)


def csv_of(*lines: dict[str, Any], total: str | None = None) -> bytes:
    rows = [",".join(COLUMNS)]
    rows += [",".join(str(line.get(name, "")) for name in COLUMNS) for line in lines]
    amount = sum(line.get("amount", 0) for line in lines)
    return "\n".join([*rows, total or f"total,{len(lines)},{amount}"]).encode()


async def send_file(
    world: Any, content: bytes, day: str = "2021-03-03", key: Ed25519PrivateKey = KEY, part: int = 1
) -> httpx.Response:
    signature = base64.b64encode(key.sign(hashlib.sha256(content).digest())).decode()
    headers = {**world.as_partner(), "Union-Signature": signature, "Content-Type": "text/csv"}
    return await world.client.post(  # type: ignore[no-any-return]
        f"/v1/purchase-files?day={day}&part={part}", content=content, headers=headers
    )


async def trust(world: Any, key: Ed25519PrivateKey = KEY) -> None:
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    answer = await world.client.post(
        "/v1/partners/books/file-key", json={"public_key": public}, headers=world.federal()
    )
    assert (answer.status_code, answer.json()["file_key"]) == (200, public)


async def refused(world: Any) -> list[tuple[str, str, str]]:
    page = (await world.client.get("/v1/refused-reports", headers=world.as_partner())).json()
    return [(row["order"], row["what"], row["code"]) for row in page["items"]]


async def test_a_replay_gets_the_first_answer_even_when_the_purchase_has_gone_on(
    world: Any, click: str, refusal: Refusal
) -> None:
    first = await world.report(click, order="A-1")
    purchase = first.json()["purchase_id"]
    confirmed = await world.resolve("confirm", purchase, amount=60_000)
    await world.resolve("refund", purchase, reference="R1", amount=10_000)
    again = await world.report(click, order="A-1")
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, first.json(), '"1"')
    again = await world.resolve("confirm", purchase, amount=60_000)
    assert (again.json(), again.headers["etag"]) == (confirmed.json(), '"2"')
    assert refusal(await world.resolve("confirm", purchase, amount=50_000)) == (409, "report_taken_otherwise")


async def test_a_part_confirmed_is_told_apart_from_the_whole(
    world: Any, click: str, published: Callable[..., Awaitable[list[Any]]]
) -> None:
    whole, part = [(await world.report(click, order=order)).json()["purchase_id"] for order in "AB"]
    await world.resolve("confirm", whole)
    answer = await world.resolve("confirm", part, amount=50_000)
    assert (answer.json()["status"], answer.json()["cashback"]) == ("partly_confirmed", 2500)
    assert [str(e.purchase_id) for e in await published(PurchaseConfirmed)] == [whole]
    [event] = await published(PurchasePartlyConfirmed)
    assert (str(event.purchase_id), event.status, event.amount) == (part, "partly_confirmed", 50_000)
    assert (await world.resolve("refund", part, reference="R1", amount=50_000)).json()["status"] == "refunded"


async def test_the_topic_of_a_partner_takes_its_purchases(
    world: Any, click: str, member_id: UUID, published: Callable[..., Awaitable[list[Any]]]
) -> None:
    bought = on_topic("A-1", click_id=click, amount=100_000, purchased_at=AT)
    await world.deliver(bought, bought, on_topic("A-1", "confirmed"), on_topic("A-1", "refunded", amount=20_000))
    assert await world.balance(member_id) == {"pending": 0, "available": 4000, "in_payout": 0, "owed": 0}
    assert len(await published(PurchaseReported)) == 1
    assert await refused(world) == []


async def test_a_message_that_came_by_the_api_and_on_the_topic_and_in_a_file_counts_once(
    world: Any, click: str, member_id: UUID
) -> None:
    await trust(world)
    assert (await world.report(click, order="A-1")).status_code == 201
    await world.deliver(on_topic("A-1", click_id=click, amount=100_000, purchased_at=AT))
    line = {
        "what": "reported",
        "order": "A-1",
        "line": 1,
        "click_id": click,
        "amount": 100_000,
        "purchased_at": AT,
    }
    taken = (await send_file(world, csv_of(line))).json()
    assert (taken["lines"], taken["taken"], taken["repeated"], taken["refused"]) == (1, 0, 1, 0)
    assert (await world.balance(member_id))["pending"] == 5000


async def test_what_the_topic_tells_wrongly_is_the_partners_to_read_and_stops_nothing(
    world: Any, click: str, member_id: UUID, database: Database
) -> None:
    await world.deliver(
        on_topic("A-1", "confirmed"),
        on_topic("A-2", click_id=str(uuid.uuid4()), amount=1, purchased_at=AT),
        on_topic("A-3", click_id=click, amount=100_000),
        on_topic("A-1", click_id=click, amount=100_000, purchased_at=AT),
        on_topic("A-1", click_id=click, amount=100_001, purchased_at=AT),
        on_topic("A-1", "confirmed", effective_on="2021-03-05"),
    )
    assert await refused(world) == [
        ("A-1", "confirmed", "purchase_unknown"),
        ("A-2", "reported", "not_found"),
        ("A-3", "reported", "report_incomplete"),
        ("A-1", "reported", "report_taken_otherwise"),
        ("A-1", "confirmed", "hold_not_over"),
    ]
    assert (await world.balance(member_id))["pending"] == 5000
    await world.deliver(on_topic("A-1", "confirmed"))
    assert (await world.balance(member_id))["available"] == 5000
    async with database.sessions() as session:
        assert await session.scalar(text("select count(*) from parked_record")) == 0


async def test_a_record_that_cannot_be_read_is_parked(world: Any, click: str, database: Database) -> None:
    await world.deliver(on_topic("A-1", click_id=click, amount=-5, purchased_at=AT))
    async with database.sessions() as session:
        row = (await session.execute(text("select code, reason from parked_record"))).one()
    assert tuple(row) == ("unreadable", "out of bounds: amount")


async def test_a_partner_cannot_speak_for_another_on_its_own_topic(
    world: Any, click: str, member_id: UUID
) -> None:
    await world.partner("films")
    foreign = (await world.click(member_id, await world.campaign("films"))).json()["click_id"]
    await world.deliver(on_topic("A-1", click_id=foreign, amount=100_000, purchased_at=AT))
    assert await refused(world) == [("A-1", "reported", "not_found")]
    films = await world.client.get("/v1/refused-reports", headers=world.as_partner("films"))
    assert films.json()["items"] == []


async def test_a_signed_file_is_taken_once_each_line_by_itself(world: Any, click: str, member_id: UUID) -> None:
    await trust(world)
    lines = [
        {"what": "reported", "order": "A-1", "line": n, "click_id": click, "amount": 10_000, "purchased_at": AT}
        for n in (1, 2, 3)
    ]
    lines += [
        {"what": "confirmed", "order": "A-1", "line": 1, "effective_on": "2021-04-01"},
        {"what": "declined", "order": "A-1", "line": 2, "effective_on": "2021-04-01"},
        {"what": "confirmed", "order": "A-9", "line": 1, "effective_on": "2021-04-01"},
    ]
    content = csv_of(*lines)
    answer = await send_file(world, content)
    counts = {name: answer.json()[name] for name in ("lines", "taken", "repeated", "refused")}
    assert (answer.status_code, counts) == (201, {"lines": 6, "taken": 5, "repeated": 0, "refused": 1})
    assert await world.balance(member_id) == {"pending": 500, "available": 500, "in_payout": 0, "owed": 0}
    assert await refused(world) == [("A-9", "confirmed", "purchase_unknown")]
    again = await send_file(world, content)
    assert (again.status_code, again.json()) == (200, answer.json())
    next_day = await send_file(world, content, day="2021-03-04")
    assert (next_day.json()["taken"], next_day.json()["repeated"]) == (0, 5)


async def test_a_file_is_refused_whole_when_its_signature_its_totals_or_a_line_is_wrong(
    world: Any, click: str, member_id: UUID, refusal: Refusal
) -> None:
    line = {"what": "reported", "order": "A", "line": 1, "click_id": click, "amount": 10_000, "purchased_at": AT}
    assert refusal(await send_file(world, csv_of(line))) == (409, "file_key_missing")
    await trust(world)
    other = Ed25519PrivateKey.generate()
    assert refusal(await send_file(world, csv_of(line), key=other)) == (422, "file_signature_wrong")
    for content, number in (
        (csv_of(line, total="total,1,10001"), 3),
        (csv_of(line, total="total,2,10000"), 3),
        (csv_of(line, {**line, "line": 0}), 3),
        (csv_of({**line, "what": "stolen"}), 2),
        (csv_of(line) + b"\nmore", 3),
        (b"what,order\n", 1),
        (b"\xff", 1),
        (b"", 1),
    ):
        answer = await send_file(world, content)
        assert (*refusal(answer), answer.json()["line"]) == (422, "file_unreadable", number), content
    assert (await send_file(world, csv_of(line))).status_code == 201
    assert refusal(await send_file(world, csv_of({**line, "order": "B"}))) == (409, "file_taken_otherwise")
    assert (await world.balance(member_id))["pending"] == 500


async def test_a_file_and_the_topic_and_the_api_at_once_take_each_line_once(
    world: Any, click: str, member_id: UUID, database: Database
) -> None:
    await trust(world)
    orders = [f"A-{n}" for n in range(8)]
    line = {"what": "reported", "line": 1, "click_id": click, "amount": 10_000, "purchased_at": AT}
    content = csv_of(*({**line, "order": order} for order in orders))
    await asyncio.gather(
        *(send_file(world, content, part=part) for part in (1, 2)),
        *(world.report(click, 10_000, order=order) for order in reversed(orders)),
        world.deliver(*(on_topic(order, click_id=click, amount=10_000, purchased_at=AT) for order in orders)),
    )
    assert (await world.balance(member_id))["pending"] == 8 * 500
    async with database.sessions() as session:
        assert await session.scalar(text("select count(*) from partner_report")) == 8


async def test_two_reversals_at_once_cannot_both_pass(database: Database) -> None:
    """Even past every lock of the commands: the journal takes one reversal of an entry."""
    bank, expired = Ref(Kind.BANK), Ref(Kind.EXPIRED)
    now = moment(date(2021, 1, 1))

    async def post(reference: str, amount: int, **more: Any) -> Any:
        async with database.sessions.begin() as session:
            return await ledger.post(
                session, Entry("x", reference, now, "", [(bank, amount), (expired, -amount)], **more)
            )

    [first] = await post("1", -5)
    results = await asyncio.gather(
        *(post(f"reversal {n}", 5, reversal_of=first) for n in range(6)), return_exceptions=True
    )
    assert sorted(isinstance(result, IntegrityError) for result in results) == [False] + [True] * 5


async def test_reversals_of_a_purchase_at_once_take_back_once(world: Any, click: str, database: Database) -> None:
    purchase = (await world.report(click, order="A-1")).json()["purchase_id"]
    answers = await asyncio.gather(
        *(world.resolve("decline", purchase) for _ in range(3)),
        *(world.deliver(on_topic("A-1", "declined", number=n)) for n in range(2, 5)),
    )
    assert {answer.status_code for answer in answers if answer is not None} <= {200, 409}
    assert await world.trial() == {}
    async with database.sessions() as session:
        reversals = "select count(*) from journal_entry where reversal_of is not null"
        assert await session.scalar(text(reversals)) == 1
