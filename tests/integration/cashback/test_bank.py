"""Payouts on their way: two people, a file for the bank, its answers, and an outcome that nobody knows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from common import checked_files
from common.db import Database
from common.events.cards import CardIssued
from common.events.cashback import PayoutApproved, PayoutDeclined, PayoutReturned, PayoutSent, PayoutUnknown
from common.references import mod_97
from common.testing import Templates, TestIssuer
from tests.receiver import Receiver
from tests.registry_side import RegistrySide, away, registry_side, text_of_all_tables

pytestmark = pytest.mark.usefixtures("sound")

Refusal = Callable[..., tuple[int, str]]
Published = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


@pytest.fixture
async def member_id(world: Any, campaign_id: UUID) -> UUID:
    """A participant with 5000 kopecks available."""
    member_id: UUID = await world.participant()
    await world.earned(member_id, campaign_id)
    return member_id


def answer(number: int, *lines: tuple[str, str, int], file_number: int = 1, day: str = "2021-05-04") -> bytes:
    """The bank's file: (reference, outcome, kopecks)."""
    rows = [["R", reference, outcome, str(amount), day, "note"] for reference, outcome, amount in lines]
    return checked_files.written("1", [str(file_number), str(number)], rows, [sum(line[2] for line in lines)])[0]


async def told(world: Any, content: bytes) -> httpx.Response:
    return await world.client.post("/v1/bank-answers", content=content, headers=world.federal())  # type: ignore[no-any-return]


async def payout(world: Any, payout_id: str) -> dict[str, Any]:
    items = (await world.client.get("/v1/payouts", headers=world.federal())).json()["items"]
    return next(item for item in items if item["payout_id"] == payout_id)


# --- approval -----------------------------------------------------------------------------------------------


async def test_up_to_the_limit_one_person_approves_above_it_two(
    world: Any, campaign_id: UUID, published: Published, refusal: Refusal
) -> None:
    member_id = await world.participant()
    await world.earned(member_id, campaign_id, 40_000_000)
    small = (await world.pay_out(member_id, 500_000)).json()["payout_id"]
    large = (await world.pay_out(member_id, 500_001)).json()["payout_id"]
    assert (await world.approve(small, "anna")).json()["status"] == "approved"
    first = (await world.approve(large, "anna")).json()
    assert (first["status"], first["first_approved_by"]) == ("requested", "anna")
    assert refusal(await world.approve(large, "anna")) == (403, "second_person_needed")
    second = (await world.approve(large, "boris")).json()
    assert (second["status"], second["approved_by"]) == ("approved", "boris")
    assert len(await published(PayoutApproved)) == 2


async def test_nobody_approves_their_own_payout(world: Any, member_id: UUID, refusal: Refusal) -> None:
    payout_id = (await world.pay_out(member_id, 3000)).json()["payout_id"]
    own = world.issuer.bearer("federal_staff", "member", sub="anna", member_id=member_id)
    refused = await world.client.post(f"/v1/payouts/{payout_id}/approve", headers=own)
    assert refusal(refused) == (403, "second_person_needed")


async def test_what_is_declined_or_called_off_is_available_again(
    world: Any, member_id: UUID, published: Published, refusal: Refusal
) -> None:
    first = (await world.pay_out(member_id, 3000)).json()["payout_id"]
    address = f"/v1/payouts/{first}/decline"
    declined = await world.client.post(address, json={"reason": "проверка"}, headers=world.federal())
    assert (declined.json()["status"], declined.json()["reason"]) == ("declined", "проверка")
    second = (await world.pay_out(member_id, 5000)).json()["payout_id"]
    stranger = world.as_member(await world.participant())
    cancel = f"/v1/payouts/{second}/cancel"
    assert refusal(await world.client.post(cancel, headers=stranger)) == (404, "not_found")
    assert (await world.client.post(cancel, headers=world.as_member(member_id))).json()["status"] == "declined"
    assert (await world.balance(member_id))["available"] == 5000
    assert len(await published(PayoutDeclined)) == 2
    third = (await world.pay_out(member_id, 5000)).json()["payout_id"]
    await world.approve(third)
    late = await world.client.post(f"/v1/payouts/{third}/cancel", headers=world.as_member(member_id))
    assert refusal(late) == (409, "payout_step_not_allowed")


async def test_what_a_person_gets_in_a_year_above_the_limit_is_flagged_for_tax(
    world: Any, campaign_id: UUID
) -> None:
    member_id = await world.participant()
    await world.earned(member_id, campaign_id, 20_000_000)
    asked = ((300_000, "2021-05-01"), (150_000, "2021-06-01"), (10_000, "2021-07-01"), (10_000, "2022-01-01"))
    taxable = [(await world.pay_out(member_id, amount, on=day)).json()["taxable"] for amount, day in asked]
    assert taxable == [0, 50_000, 10_000, 0]


# --- the file out -------------------------------------------------------------------------------------------


async def test_only_what_is_approved_is_sent_and_only_once(
    world: Any, member_id: UUID, published: Published, refusal: Refusal
) -> None:
    first = (await world.pay_out(member_id, 2000)).json()["payout_id"]
    assert refusal(await world.send()) == (409, "nothing_to_send")
    file = (await world.send(first)).json()
    assert (file["file_number"], file["payouts"], file["total"]) == (1, 1, 2000)
    reference = (await payout(world, first))["bank_reference"]
    assert reference.startswith("PO00000100001")
    assert mod_97(reference[2:-2]) == reference[-2:]
    assert refusal(await world.send()) == (409, "nothing_to_send")
    assert [event.status for event in await published(PayoutSent)] == ["sent"]


@pytest.fixture
async def registry(templates: Templates, issuer: TestIssuer, app: FastAPI) -> AsyncIterator[RegistrySide]:
    async with registry_side(templates, issuer) as side:
        app.state.persons = side.persons
        yield side


async def enrolled(world: Any, registry: RegistrySide, **person: Any) -> UUID:
    """A participant whom the registry knows by name, with 5000 kopecks available."""
    member_id = UUID(
        await registry.world.member(registry.world.school, consents=["membership", "cards", "bonus"], **person)
    )
    await registry.tell(world.deliver, "registry.organisation.v1", "registry.member.v1")
    card = {
        "version": 1,
        "effective_on": "2020-09-01",
        "card_id": uuid4(),
        "member_id": member_id,
        "form": "virtual",
        "status": "active",
        "reason": None,
        "expires_on": "2030-01-01",
    }
    await world.deliver(CardIssued.model_validate(card))
    assert (await world.enrol(member_id)).status_code == 201
    return member_id


async def test_the_bank_reads_names_and_phones_that_stay_nowhere_here(
    world: Any, campaign_id: UUID, registry: RegistrySide, bank: Receiver, database: Database
) -> None:
    member_id = await enrolled(world, registry, last_name="Ёлкина", phone="+79130001122")
    await world.earned(member_id, campaign_id)
    await world.sent(member_id, 4000)
    content = await world.client.get("/v1/bank-files/1/content", headers=world.federal())
    assert (content.status_code, content.headers["cache-control"]) == (200, "no-store")
    header, line, trailer = bank.open(content.content)
    assert header[:3] == ["H", "1", "1"]
    assert (line[2], line[3], line[6]) == ("4000", "Ёлкина", "+79130001122")
    assert trailer[1:3] == ["1", "4000"]
    for table, text in (await text_of_all_tables(database)).items():
        assert "Ёлкина" not in text, table
        assert "79130001122" not in text, table
    assert await registry.purposes_read_for("federal") == {"payout"}


async def test_without_a_phone_or_the_registry_there_is_no_file(
    world: Any, campaign_id: UUID, registry: RegistrySide, app: FastAPI, refusal: Refusal
) -> None:
    member_id = await enrolled(world, registry, phone=None)
    await world.earned(member_id, campaign_id)
    payout_id = await world.sent(member_id, 4000)
    missing = await world.client.get("/v1/bank-files/1/content", headers=world.federal())
    assert (refusal(missing), missing.json()["payout_ids"]) == ((409, "payout_phone_missing"), [payout_id])
    app.state.persons = away()
    none = await world.client.get("/v1/bank-files/1/content", headers=world.federal())
    assert refusal(none) == (503, "names_unavailable")
    unknown = await world.client.get("/v1/bank-files/9/content", headers=world.federal())
    assert refusal(unknown) == (404, "not_found")


async def test_without_the_banks_certificate_there_is_no_file(
    world: Any, member_id: UUID, app: FastAPI, refusal: Refusal
) -> None:
    await world.sent(member_id, 4000)
    app.state.settings = app.state.settings.model_copy(update={"bank_certificate_file": None})
    refused = await world.client.get("/v1/bank-files/1/content", headers=world.federal())
    assert refusal(refused) == (409, "bank_key_missing")


# --- the file in --------------------------------------------------------------------------------------------


@pytest.fixture
async def two(world: Any, member_id: UUID) -> list[dict[str, Any]]:
    """Two payouts of 2000 and 3000 kopecks in one file."""
    ids = [(await world.pay_out(member_id, amount)).json()["payout_id"] for amount in (2000, 3000)]
    assert (await world.send(*ids)).status_code == 201
    return [await payout(world, payout_id) for payout_id in ids]


async def test_the_banks_answer_settles_and_fails(world: Any, member_id: UUID, two: list[dict[str, Any]]) -> None:
    one, other = (each["bank_reference"] for each in two)
    taken = await told(world, answer(1, (one, "settled", 2000), (other, "failed", 3000)))
    assert taken.status_code == 200
    now = [await payout(world, each["payout_id"]) for each in two]
    assert [(each["status"], each["reason"]) for each in now] == [("settled", None), ("failed", "note")]
    assert await world.balance(member_id) == {"pending": 0, "available": 3000, "in_payout": 0, "owed": 0}
    assert (await world.trial())["bank"] == 2000


async def test_an_answer_is_taken_wholly_once_and_in_its_turn(
    world: Any, member_id: UUID, two: list[dict[str, Any]], refusal: Refusal
) -> None:
    one, other = (each["bank_reference"] for each in two)
    settled = answer(1, (one, "settled", 2000))
    for content, code in (
        (answer(1, (one, "settled", 2000), ("PO99", "settled", 1)), (422, "file_invalid")),
        (answer(1, (one, "settled", 2001)), (422, "file_invalid")),
        (answer(1, (one, "returned", 2000)), (422, "file_invalid")),
        (answer(1, (one, "settled", 2000), (one, "failed", 2000)), (422, "file_invalid")),
        (answer(1, (one, "settled", 2000), day="2021-04-01"), (422, "file_invalid")),
        (settled.replace(b"T;1;2000", b"T;1;2001"), (422, "file_invalid")),
        (answer(2, (one, "settled", 2000)), (409, "bank_answer_out_of_turn")),
        (answer(1, (one, "settled", 2000), file_number=7), (404, "not_found")),
        (b"", (422, "file_invalid")),
    ):
        assert refusal(await told(world, content)) == code
        assert (await world.balance(member_id))["in_payout"] == 5000
    for _ in range(2):
        assert (await told(world, settled)).status_code == 200
        assert (await world.balance(member_id))["in_payout"] == 3000
    assert refusal(await told(world, answer(1, (other, "settled", 3000)))) == (409, "bank_answer_out_of_turn")


async def test_an_unknown_outcome_is_never_paid_again_before_the_bank_has_spoken(
    world: Any,
    two: list[dict[str, Any]],
    member_id: UUID,
    pass_time: Callable[[datetime], Awaitable[None]],
    published: Published,
    refusal: Refusal,
) -> None:
    await pass_time(datetime.now(UTC) + timedelta(days=2))
    assert (await payout(world, two[0]["payout_id"]))["status"] == "sent"
    await pass_time(datetime.now(UTC) + timedelta(days=4))
    assert {(await payout(world, each["payout_id"]))["status"] for each in two} == {"unknown"}
    assert len(await published(PayoutUnknown)) == 2
    assert refusal(await world.send()) == (409, "nothing_to_send")
    assert await world.balance(member_id) == {"pending": 0, "available": 0, "in_payout": 5000, "owed": 0}
    one, other = (each["bank_reference"] for each in two)
    assert (await told(world, answer(1, (one, "settled", 2000), (other, "unknown", 3000)))).status_code == 200
    assert (await told(world, answer(2, (other, "failed", 3000)))).status_code == 200
    assert await world.balance(member_id) == {"pending": 0, "available": 3000, "in_payout": 0, "owed": 0}


async def test_what_the_bank_brings_back_is_available_again_less_what_is_owed(
    world: Any, two: list[dict[str, Any]], member_id: UUID, published: Published
) -> None:
    one, other = (each["bank_reference"] for each in two)
    await told(world, answer(1, (one, "settled", 2000), (other, "settled", 3000)))
    [purchase] = (await world.client.get("/v1/purchases", headers=world.as_partner())).json()["items"]
    await world.resolve("refund", purchase["purchase_id"], reference="R1", amount=20_000)
    assert (await world.balance(member_id))["owed"] == 1000
    assert (await told(world, answer(2, (other, "returned", 3000), day="2021-05-20"))).status_code == 200
    assert (await payout(world, two[1]["payout_id"]))["status"] == "returned"
    assert await world.balance(member_id) == {"pending": 0, "available": 2000, "in_payout": 0, "owed": 0}
    assert len(await published(PayoutReturned)) == 1
    assert (await told(world, answer(3, (other, "returned", 3000)))).status_code == 422


async def test_a_reference_is_never_given_twice(database: Database, two: list[dict[str, Any]]) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with database.sessions.begin() as session:
            await session.execute(
                sa.text("update payout set bank_reference = :one"), {"one": two[0]["bank_reference"]}
            )
