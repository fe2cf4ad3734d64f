"""Cards come and go with membership and consent, once each, whatever the order and the repetitions."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cards import rules
from cards.numbers import luhn
from common.db import Database
from common.events.cards import CardBlocked, CardIssued
from common.processing import Processor
from common.testing import record_of
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region


async def test_an_admission_with_a_consent_issues_exactly_one_active_card(
    region: Region, deliver: Deliver, cards_of: CardsOf, published: Published
) -> None:
    anna = Person(region.school)
    record = record_of(anna.admitted(), event_id=uuid4())
    await deliver(record, record)
    (card,) = await cards_of(anna)
    assert (card.form, card.status, card.version) == ("virtual", "active", 1)
    assert luhn(card.number[:-1]) == card.number[-1]
    (event,) = await published()
    assert isinstance(event, CardIssued)
    assert (event.card_id, event.member_id, event.status) == (card.card_id, anna.member_id, "active")
    assert card.number not in event.model_dump_json()


async def test_the_same_admission_under_another_event_id_issues_no_second_card(
    region: Region, deliver: Deliver, cards_of: CardsOf
) -> None:
    anna = Person(region.school)
    admitted = anna.admitted()
    await deliver(admitted, admitted)
    assert len(await cards_of(anna)) == 1


async def test_without_a_consent_there_is_no_card_until_it_is_given(
    region: Region, deliver: Deliver, cards_of: CardsOf
) -> None:
    anna = Person(region.school, consents=("membership",))
    await deliver(anna.admitted(), anna.consented("bonus"))
    assert await cards_of(anna) == []
    await deliver(anna.consented("cards"))
    assert [card.status for card in await cards_of(anna)] == ["active"]


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("left", "membership_ended"),
        ("expelled", "membership_ended"),
        ("retracted", "membership_ended"),
        ("withdrew", "consent_withdrawn"),
    ],
)
async def test_the_end_of_membership_or_consent_blocks_the_card(
    ending: str, reason: str, region: Region, deliver: Deliver, cards_of: CardsOf, published: Published
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted(), getattr(anna, ending)())
    (card,) = await cards_of(anna)
    assert (card.status, card.reason, card.version) == ("blocked", reason, 2)
    (event,) = await published(CardBlocked)
    assert isinstance(event, CardBlocked)
    assert (event.version, event.status, event.reason) == (2, "blocked", reason)


async def test_the_withdrawal_of_another_consent_leaves_the_card_alone(
    region: Region, deliver: Deliver, cards_of: CardsOf
) -> None:
    anna = Person(region.school, consents=("membership", "cards", "bonus"))
    await deliver(anna.admitted(), anna.withdrew("bonus"))
    assert [card.status for card in await cards_of(anna)] == ["active"]


async def test_a_transfer_keeps_the_card(region: Region, deliver: Deliver, cards_of: CardsOf) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted(), anna.transferred(region.foreign))
    assert [card.status for card in await cards_of(anna)] == ["active"]


async def test_who_comes_back_gets_a_new_card_and_the_old_one_stays_blocked(
    region: Region, deliver: Deliver, cards_of: CardsOf
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted(), anna.left(), anna.admitted(), anna.withdrew(), anna.consented())
    cards = await cards_of(anna)
    assert [card.status for card in cards] == ["blocked", "blocked", "active"]
    assert len({card.number for card in cards}) == 3


LIVES = {
    "joined and left": (["admitted", "left"], []),
    "left and came back": (["admitted", "left", "admitted"], ["active"]),
    "changed her mind twice": (["admitted", "withdrew", "consented", "withdrew", "consented"], ["active"]),
    "left after a consent": (["admitted", "consented", "left"], []),
}


@pytest.mark.parametrize("life", LIVES)
async def test_a_whole_life_in_one_batch_ends_as_it_would_step_by_step(
    life: str, region: Region, database: Database, settings: Any, service: Any, cards_of: CardsOf
) -> None:
    steps, live = LIVES[life]
    anna = Person(region.school)
    members = {s.topic.name: s for s in service.subscriptions(settings)}["registry.member.v1"]
    await Processor(members, database).process([record_of(getattr(anna, step)()) for step in steps])
    assert [card.status for card in await cards_of(anna) if card.status != "blocked"] == live


async def test_an_old_leaving_delivered_late_does_not_end_the_new_card(
    region: Region, deliver: Deliver, cards_of: CardsOf
) -> None:
    anna = Person(region.school)
    admitted, left, back = anna.admitted(), anna.left(), anna.admitted()
    await deliver(admitted, left, back, left, admitted)
    assert [card.status for card in await cards_of(anna)] == ["blocked", "active"]


async def test_many_admissions_in_one_batch_give_each_a_card_and_an_event_of_its_own_trace(
    region: Region, database: Database, settings: Any, service: Any, cards_of: CardsOf
) -> None:
    people = [Person(region.school) for _ in range(50)]
    traces = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 51)]
    members = {s.topic.name: s for s in service.subscriptions(settings)}["registry.member.v1"]
    records = [record_of(p.admitted(), traceparent=t) for p, t in zip(people, traces, strict=True)]
    await Processor(members, database).process(records)
    cards = [card for person in people for card in await cards_of(person)]
    assert len({card.number for card in cards}) == len({card.status_index for card in cards}) == 50
    async with database.sessions() as session:
        rows = await session.execute(sa.text("select convert_from(payload, 'utf8') p, headers from outbox"))
        told = {CardIssued.model_validate_json(row.p).member_id: row.headers["traceparent"] for row in rows}
    assert told == {person.member_id: trace for person, trace in zip(people, traces, strict=True)}


@pytest.mark.parametrize("status", ["requested", "issued", "active"])
async def test_the_database_itself_allows_one_live_card_of_a_form(
    status: str, region: Region, deliver: Deliver, cards_of: CardsOf, database: Database
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted())
    (card,) = await cards_of(anna)
    async with database.sessions() as session:
        copy = {**card.model_dump(), "card_id": uuid4(), "number": "1", "reference": b"1", "status_index": 5}
        session.add(type(card)(**{**copy, "status": status}))
        with pytest.raises(DBAPIError, match="card_one_live"):
            await session.flush()


async def test_every_step_is_dated_and_names_its_cause_and_is_never_changed(
    region: Region, deliver: Deliver, database: Database
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted(), anna.left())
    async with database.sessions() as session:
        rows = (
            await session.execute(
                sa.text("select status, reason, actor, event_id, at from card_step order by version")
            )
        ).all()
    assert [(row.status, row.reason, row.actor) for row in rows] == [
        ("active", None, "registry.member_admitted.v1"),
        ("blocked", "membership_ended", "registry.member_left.v1"),
    ]
    assert all(row.at is not None for row in rows)
    assert len({row.event_id for row in rows} - {None}) == 2
    for change in ("update card_step set actor = 'me'", "delete from card_step", "truncate card_step"):
        async with database.sessions() as session:
            with pytest.raises(DBAPIError, match="never changed"):
                await session.execute(sa.text(change))


async def test_an_ended_card_never_comes_alive_in_any_way_that_events_can_come(
    region: Region, deliver: Deliver, cards_of: CardsOf
) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted(), anna.left())
    ended: dict[UUID, str] = {card.card_id: card.status for card in await cards_of(anna)}
    await deliver(
        anna.admitted(), anna.consented(), anna.transferred(region.foreign), anna.withdrew(), anna.left()
    )
    now = {card.card_id: card.status for card in await cards_of(anna)}
    assert {card_id: now[card_id] for card_id in ended} == ended
    assert set(now.values()).isdisjoint({"requested", "issued", "active"})
    assert rules.FOLLOWERS["blocked"] == {"replaced"}
