"""What partners are told, each by itself; and partners that are there to try with."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, TopicPartition

from cashback import ledger
from cashback.ledger import Entry, Kind, Ref
from common.db import Database
from common.events import TOPICS, topic_of_partner
from common.events.cashback import PURCHASE_EVENTS, TO_PARTNER, PartnerPurchaseChanged
from common.outbox import publish
from common.relay import Relay
from common.settings import Settings
from common.testing import eventually
from common.topics import provision

pytestmark = pytest.mark.usefixtures("sound")


async def outbox(database: Database) -> list[Any]:
    async with database.sessions() as session:
        return list(
            (await session.execute(sa.text("select topic, key, payload, headers from outbox order by id"))).all()
        )


async def test_a_partner_is_told_of_every_change_on_its_own_topic_with_the_change(
    world: Any, database: Database, refusal: Any
) -> None:
    await world.partner()
    campaign = await world.campaign()
    member_id = await world.participant()
    purchase = await world.earned(member_id, campaign)
    await world.resolve("refund", purchase, reference="R1", amount=40_000)
    # What is refused is told to nobody.
    assert refusal(await world.resolve("confirm", purchase, on="2021-04-02"))[0] == 409
    told = [row for row in await outbox(database) if row.topic == "partner.books.cashback.v1"]
    events = [PartnerPurchaseChanged.model_validate_json(row.payload) for row in told]
    assert [(event.status, event.amount, event.cashback, event.version) for event in events] == [
        ("pending", 100_000, 5000, 1),
        ("confirmed", 100_000, 5000, 2),
        ("confirmed", 60_000, 3000, 3),
    ]
    assert {row.key for row in told} == {purchase}
    assert all(str(member_id) not in row.payload.decode() + json.dumps(row.headers) for row in told)


def values(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(values(each) for each in value.values())) if value else set()
    return {str(value)}


CONSTANT = {
    "1.0",
    "application/json",
    "cashback.partner_purchase_changed.v1",
    "urn:union:cashback",
    "urn:union:events:cashback.partner_purchase_changed.v1",
}
"""The same in every event for whichever partner."""


async def test_two_partners_cannot_join_what_they_are_told_of_one_member(world: Any, database: Database) -> None:
    """Nothing that names anyone or anything is in the topics, webhooks and answers of both, in any field.

    Not even by neighbouring ids: purchases differ in order, amount and moment, as they do in life.
    """
    member_id, seen = await world.participant(), {}
    for number, partner in enumerate(("books", "films")):
        await world.partner(partner)
        campaign = await world.campaign(partner, basis_points=500 + number)
        hook = await world.client.post(
            "/v1/webhooks", json={"url": f"http://127.0.0.1:{number + 1}/"}, headers=world.as_partner(partner)
        )
        assert hook.status_code == 201
        click = (await world.click(member_id, campaign, at=f"2021-03-0{number + 1}T10:00:00+06:00")).json()
        amount, day = 100_000 + 77 * number, number + 2
        for line in (1, 2):
            at = f"2021-03-0{day}T1{line + number}:0{number}:00+06:00"
            made = await world.report(
                click["click_id"],
                amount + line,
                at=at,
                partner=partner,
                line=3 * number + line + 10,
                order=f"{partner}-7",
            )
            assert made.status_code == 201
            on = f"2021-04-0{number + 1}"
            assert (await world.resolve("confirm", made.json()["purchase_id"], on=on, partner=partner)).is_success
        rows = [row for row in await outbox(database) if row.topic == TO_PARTNER.of(partner).name]
        assert len(rows) == 4
        assert all("traceparent" not in row.headers for row in rows)
        bodies = [json.loads(row.payload) for row in rows]
        assert len({body["buyer"] for body in bodies}) == 1
        async with database.sessions() as session:
            sent = await session.execute(
                sa.text(
                    "select delivery_id, content from webhook_delivery join webhook using (webhook_id)"
                    " where partner = :partner"
                ),
                {"partner": partner},
            )
            messages = [(row.delivery_id, json.loads(row.content)) for row in sent]
        assert [message["data"] for _, message in messages] == bodies
        answers = (await world.client.get("/v1/purchases", headers=world.as_partner(partner))).json()["items"]
        telling = [*bodies, *(dict(row.headers) for row in rows), *({"id": i, **m} for i, m in messages), *answers]
        # Words of the programme and small numbers are everybody's: a state, a line's version, a boolean.
        words = {"pending", "confirmed", "False", "True", "None", "1", "2"}
        seen[partner] = set().union(*map(values, telling)) - CONSTANT - words
    assert seen["books"] & seen["films"] == set()
    assert str(member_id) not in seen["books"] | seen["films"]


async def test_a_pseudonym_stays_the_same_at_a_partner_and_tells_two_members_apart(
    world: Any, published: Any
) -> None:
    await world.partner()
    campaign = await world.campaign()
    members = [await world.participant(), await world.participant()]
    for member_id in (*members, members[0]):
        await world.bought(member_id, campaign)
    first, second, third = [event.buyer for event in await published(PartnerPurchaseChanged)]
    assert first == third != second


async def test_an_event_for_partners_goes_to_no_topic_but_one_of_a_partner(database: Database) -> None:
    event = PartnerPurchaseChanged.model_validate(
        {
            **dict.fromkeys(("purchase_id", "click_id", "campaign_id"), uuid.uuid4()),
            "order": "1",
            "line": 1,
            "buyer": "x",
            "status": "pending",
            "held": False,
            "amount": 1,
            "cashback": 1,
            "version": 1,
            "effective_on": "2021-01-01",
        }
    )
    async with database.sessions() as session:
        with pytest.raises(ValueError, match="cannot travel"):
            publish(session, event)
        with pytest.raises(ValueError, match="cannot travel"):
            publish(session, event, topic=PURCHASE_EVENTS[0].topic)
    assert topic_of_partner("partner.books.cashback.v1") == TO_PARTNER.of("books")
    assert topic_of_partner("cashback.purchase.v1") is None


# --- the sandbox ----------------------------------------------------------------------------------------------------


async def sandbox(world: Any, **terms: Any) -> UUID:
    await world.partner("books-try", mode="sandbox", hold_days=0)
    return await world.campaign("books-try", **terms)  # type: ignore[no-any-return]


async def tried(world: Any, campaign: UUID, buyer: int = 1, amount: int = 100_000) -> Any:
    shop = world.as_partner("books-try")
    body = {"campaign_id": str(campaign), "buyer": buyer, "clicked_at": "2021-03-01T10:00:00+06:00"}
    click = await world.client.post("/v1/sandbox-clicks", json=body, headers=shop)
    assert click.status_code == 201, click.text
    return await world.report(click.json()["click_id"], amount, partner="books-try")


async def test_the_sandbox_plays_the_whole_way_and_moves_no_money(
    world: Any, database: Database, published: Any
) -> None:
    campaign = await sandbox(world, budget=20_000)
    before = await world.trial()
    first = (await tried(world, campaign)).json()
    assert first["cashback"] == 5000
    assert (await world.resolve("confirm", first["purchase_id"], partner="books-try")).json()[
        "status"
    ] == "confirmed"
    await world.resolve("refund", first["purchase_id"], partner="books-try", reference="R", amount=40_000)
    second = (await tried(world, campaign, buyer=2)).json()
    assert second["buyer"] != first["buyer"]
    await world.resolve("decline", second["purchase_id"], partner="books-try")
    assert await world.trial() == before == {}
    async with database.sessions() as session:
        statement = "select distinct currency from posting"
        assert list(await session.scalars(sa.text(statement))) == ["XTS"]
    # The union's own services hear nothing of it, the partner hears all.
    assert await published(*PURCHASE_EVENTS) == []
    assert len(await published(PartnerPurchaseChanged)) == 5
    headline = (await world.client.get("/v1/headline", headers=world.federal())).json()
    assert (headline["purchases"], headline["returned"]) == (0, 0)
    assert (await world.client.get("/v1/purchases", headers=world.federal())).json()["items"] == []
    own = await world.client.get("/v1/purchases", headers=world.as_partner("books-try"))
    assert len(own.json()["items"]) == 2
    month = await world.client.get("/v1/partners/books-try/invoices/2021-04", headers=world.federal())
    assert month.json()["due"] == 0


async def test_the_sandbox_keeps_the_rules_of_its_campaign(world: Any, refusal: Any) -> None:
    campaign = await sandbox(world, budget=7000)
    assert (await tried(world, campaign)).status_code == 201
    assert refusal(await tried(world, campaign, buyer=2)) == (409, "campaign_budget_spent")


async def test_members_and_the_sandbox_never_meet(world: Any, refusal: Any) -> None:
    campaign = await sandbox(world)
    member_id = await world.participant()
    assert refusal(await world.click(member_id, campaign))[0] == 404
    offers = await world.client.get("/v1/campaigns", headers=world.as_member(member_id))
    assert offers.json()["items"] == []
    await world.partner()
    live = await world.campaign()
    body = {"campaign_id": str(live), "clicked_at": "2021-03-01T10:00:00+06:00"}
    at_live = await world.client.post("/v1/sandbox-clicks", json=body, headers=world.as_partner())
    assert refusal(at_live) == (403, "not_a_sandbox")
    foreign = await world.client.post("/v1/sandbox-clicks", json=body, headers=world.as_partner("books-try"))
    assert refusal(foreign)[0] == 404
    # A click of a member at the live partner is no click for its twin in the sandbox, and the other way round.
    click = (await world.click(member_id, live)).json()["click_id"]
    assert refusal(await world.report(click, partner="books-try"))[0] == 404


@pytest.mark.parametrize(("partner", "currency"), [("books-try", "RUB"), ("books", "XTS"), ("nobody", "XTS")])
async def test_the_database_keeps_the_two_kinds_of_money_apart(
    world: Any, database: Database, partner: str, currency: str
) -> None:
    """Whatever the service does: an entry of a purchase moves its partner's account, and that is of one kind."""
    await sandbox(world)
    await world.partner()
    wrong = [(Ref(Kind.PARTNER_RECEIVABLE, partner, currency), -5), (Ref(Kind.MEMBER_PENDING, "x", currency), 5)]
    mixed = [(Ref(Kind.PARTNER_RECEIVABLE, "books-try", "XTS"), -5), (Ref(Kind.MEMBER_AVAILABLE, "x"), 5)]

    async def post(movements: list[tuple[Ref, int]]) -> None:
        async with database.sessions.begin() as session:
            await ledger.post(session, Entry("accrual", "x", datetime.now(UTC), "x", movements))

    with pytest.raises(Exception, match="cannot be in"):
        await post(wrong)
    with pytest.raises(Exception, match="they sum to 5"):
        await post(mixed)


async def test_the_mode_of_a_partner_never_changes(world: Any, database: Database) -> None:
    await sandbox(world)
    with pytest.raises(Exception, match="mode of a partner never changes"):
        async with database.sessions.begin() as session:
            await session.execute(sa.text("update partner set mode = 'live'"))


async def test_the_topic_of_a_new_partner_is_made_before_its_first_event_goes_out(
    world: Any, database: Database, settings: Settings, kafka_bootstrap: str
) -> None:
    """A partner comes while the worker runs; on a real broker, where no topic is made by itself."""
    code = f"shop-{uuid.uuid4().hex[:8]}"
    sending = settings.model_copy(update={"kafka_bootstrap": kafka_bootstrap, "kafka_idempotent": False})
    await provision(sending, TOPICS)
    await world.partner(code)
    click = await world.click(await world.participant(), await world.campaign(code))
    purchase = (await world.report(click.json()["click_id"], partner=code)).json()["purchase_id"]
    relay = Relay(database, sending)
    relay.start()

    async def all_sent() -> bool:
        async with database.sessions() as session:
            return bool(await session.scalar(sa.text("select count(*) from outbox")) == 0)

    try:
        await eventually(all_sent)
    finally:
        await relay.stop()
    topic = TO_PARTNER.of(code).name
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        # The settings of the tests: three partitions.
        parts = [TopicPartition(topic, number) for number in range(3)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)

        async def arrived() -> list[Any]:
            batches = await consumer.getmany(timeout_ms=500)
            return [record for records in batches.values() for record in records]

        # At least once: the relay may have sent it again when the topic was not there yet.
        record, *again = await eventually(arrived)
        assert {(r.key, r.value) for r in again} <= {(record.key, record.value)}
    finally:
        await consumer.stop()
    assert record.key.decode() == purchase
    assert PartnerPurchaseChanged.model_validate_json(record.value).status == "pending"
