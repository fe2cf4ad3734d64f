"""A card's life: suspended and resumed, printed again, ended by the registry; never alive again once it has ended."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import stateful
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from cards import commands, rules
from cards.commands import Cause
from cards.models import LIVE, Card
from cards.qr import card_terms
from common.app import Service
from common.db import Database
from common.errors import BusinessError
from common.events.cards import CardActivated, CardReplaced, CardSuspended
from common.processing import Processor
from common.testing import Client, TestIssuer, record_of
from tests.extent import tries
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region


@pytest.fixture
async def anna(region: Region, deliver: Deliver) -> Person:
    anna = Person(region.school)
    await deliver(anna.admitted())
    return anna


def holder(issuer: TestIssuer, person: Person) -> dict[str, str]:
    return issuer.bearer("member", sub="anna", member_id=person.member_id)


def chair(issuer: TestIssuer, region: Region) -> dict[str, str]:
    return issuer.bearer("primary_staff", sub="chair", organisation_id=region.school)


async def test_a_holder_suspends_a_mislaid_card_and_resumes_it(
    client: Client, issuer: TestIssuer, anna: Person, cards_of: CardsOf, published: Published
) -> None:
    (card,) = await cards_of(anna)
    path, headers = f"/v1/cards/{card.card_id}", holder(issuer, anna)
    suspended = await client.post(f"{path}/suspend", json={"reason": "mislaid"}, headers=headers)
    assert (suspended.json()["status"], suspended.json()["reason"]) == ("suspended", "mislaid")
    twice = await client.post(f"{path}/suspend", json={"reason": "mislaid"}, headers=headers)
    assert (twice.status_code, twice.json()["code"]) == (409, "card_step_not_allowed")
    resumed = await client.post(f"{path}/resume", headers=headers)
    assert (resumed.json()["status"], resumed.json()["reason"], resumed.headers["etag"]) == ("active", None, '"3"')
    assert [event.reason for event in await published(CardSuspended, CardActivated)] == ["mislaid", None]  # type: ignore[attr-defined]
    again = await client.post(f"{path}/resume", headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "card_step_not_allowed")


async def test_what_the_union_suspended_only_the_union_resumes(
    client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    path = f"/v1/cards/{card.card_id}"
    own = await client.post(f"{path}/suspend", json={"reason": "inquiry"}, headers=holder(issuer, anna))
    assert (own.status_code, own.json()["code"]) == (403, "reason_not_yours")
    staff = chair(issuer, region)
    await client.post(f"{path}/suspend", json={"reason": "inquiry"}, headers=staff)
    for step in ("resume", "replace"):
        refused = await client.post(f"{path}/{step}", headers=holder(issuer, anna))
        assert (refused.status_code, refused.json()["code"]) == (403, "suspended_by_the_union")
    assert (await client.post(f"{path}/resume", headers=staff)).json()["status"] == "active"


async def test_fraud_is_for_staff_to_say(
    client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    path, body = f"/v1/cards/{card.card_id}/block", {"reason": "fraud"}
    own = await client.post(path, json=body, headers=holder(issuer, anna))
    assert (own.status_code, own.json()["code"]) == (403, "reason_not_yours")
    assert (await client.post(path, json=body, headers=chair(issuer, region))).json()["reason"] == "fraud"
    refused = await client.post(f"/v1/cards/{card.card_id}/replace", headers=holder(issuer, anna))
    assert refused.status_code == 409


async def test_a_plastic_card_is_printed_again_with_a_reason_by_the_next_order(
    client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf, published: Published
) -> None:
    staff, order = chair(issuer, region), {"organisation_id": str(region.school)}
    assert (await client.post("/v1/plastic-batches", json=order, headers=staff)).status_code == 201
    virtual, first = await cards_of(anna)
    wrong = await client.post(f"/v1/cards/{virtual.card_id}/reprint", json={"reason": "damaged"}, headers=staff)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "virtual_not_reprintable")
    ended = await client.post(f"/v1/cards/{first.card_id}/reprint", json={"reason": "damaged"}, headers=staff)
    assert (ended.json()["status"], ended.json()["reason"]) == ("blocked", "damaged")
    again = await client.post("/v1/plastic-batches", json=order, headers=staff)
    assert again.json()["cards"] == 1
    _, before, after = await cards_of(anna)
    assert (before.status, before.reason, after.status, after.replaces_id) == (
        "replaced",
        "damaged",
        "requested",
        before.card_id,
    )
    assert before.number != after.number
    assert len(await published(CardReplaced)) == 1


@pytest.mark.parametrize(("ending", "reason"), [("merged", "merged"), ("erased", "erased")])
async def test_a_double_and_a_forgotten_person_have_no_live_card(
    ending: str, reason: str, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    await deliver(anna.merged(uuid4()) if ending == "merged" else anna.erased())
    assert [(card.status, card.reason) for card in await cards_of(anna)] == [("blocked", reason)]


async def test_who_is_reinstated_with_a_consent_gets_a_new_card_and_without_one_none(
    region: Region, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    without = Person(region.school, consents=("membership",))
    await deliver(anna.left(), anna.reinstated(), without.admitted(), without.left(), without.reinstated())
    cards = await cards_of(anna)
    assert [card.status for card in cards] == ["blocked", "active"]
    assert cards[0].number != cards[1].number
    assert await cards_of(without) == []


@pytest.mark.parametrize("before", rules.FOLLOWERS)
async def test_the_database_itself_lets_a_card_go_only_where_the_rules_do(
    before: str, anna: Person, cards_of: CardsOf, database: Database
) -> None:
    (card,) = await cards_of(anna)
    change = sa.text("update card set status = :status where card_id = :card_id")
    async with database.sessions.begin() as session:
        # There is no way to some of these from where it is: the guard is off for as long as it takes.
        await session.execute(sa.text("alter table card disable trigger card_lives_forward"))
        await session.execute(change, {"status": before, "card_id": card.card_id})
        await session.execute(sa.text("alter table card enable trigger card_lives_forward"))
    for after in rules.FOLLOWERS:
        async with database.sessions() as session:
            values = {"status": after, "card_id": card.card_id}
            if after == before or after in rules.FOLLOWERS[before]:
                await session.execute(change, values)
            else:
                with pytest.raises(DBAPIError, match="cannot become"):
                    await session.execute(change, values)


@pytest.mark.parametrize(
    "change",
    [
        "delete from card",
        "update card set number = '1'",
        "update card set member_id = gen_random_uuid()",
        "update card set status_index = status_index + 1",
        "update card set reference = ''",
        "update card set form = 'plastic'",
    ],
)
async def test_a_card_is_the_same_card_for_ever(change: str, anna: Person, database: Database) -> None:
    async with database.sessions() as session:
        with pytest.raises(DBAPIError, match=r"same card for ever|never deleted"):
            await session.execute(sa.text(change))


class Life(stateful.RuleBasedStateMachine):
    """Whatever the registry tells, the holder does and staff do, in any order: what has ended stays ended."""

    def __init__(self, service: Service, settings: Any) -> None:
        super().__init__()
        self.runner, self.settings = asyncio.Runner(), settings
        self.database = Database.connect(settings)
        self.members = {s.topic.name: s for s in service.subscriptions(settings)}["registry.member.v1"]
        self.terms = card_terms(settings)
        self.person = Person(uuid4())
        self.past: list[Any] = []
        self.ended: dict[UUID, str] = {}
        self._tell("admitted")

    def teardown(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()

    def _tell(self, what: str, *arguments: Any) -> None:
        event = getattr(self.person, what)(*arguments)
        self.past.append(record_of(event))
        self.runner.run(Processor(self.members, self.database).process(self.past[-1:]))

    @stateful.rule(what=st.sampled_from(["admitted", "reinstated", "consented", "left", "expelled", "withdrew"]))
    def the_registry_tells(self, what: str) -> None:
        if self.person.status not in ("merged", "erased"):
            self._tell(what)

    @stateful.rule(data=st.data())
    def an_old_event_comes_again(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.past))
        self.runner.run(Processor(self.members, self.database).process([record]))

    @stateful.rule(
        step=st.sampled_from(["block", "suspend", "resume", "replace", "reprint", "expire", "end"]),
        place=st.integers(0, 9),
    )
    def somebody_takes_a_step(self, step: str, place: int) -> None:
        self.runner.run(self._take(step, place))

    async def _take(self, step: str, place: int) -> None:
        now = datetime.now(UTC)
        try:
            async with self.database.sessions.begin() as session:
                cards = (await session.scalars(self._cards())).all()
                if not cards:
                    return
                card = cards[place % len(cards)]
                if step == "block":
                    await commands.block_card(session, card.card_id, "lost", "x", now)
                elif step == "suspend":
                    await commands.suspend_card(session, card.card_id, "mislaid", "x", now)
                elif step == "resume":
                    await commands.resume_card(session, card.card_id, True, "x", now)
                elif step == "replace":
                    await commands.replace_card(session, card, self.terms, "x", now)
                elif step == "reprint":
                    await commands.reprint_card(session, card.card_id, "damaged", "x", now)
                elif step == "expire":
                    await commands.expire_cards(session, date(2099, 1, 1), 5, self.terms, "x", now)
                else:
                    await commands.end_cards(session, card.member_id, 10**9, "membership_ended", Cause("x"), now)
        except BusinessError:
            pass  # a refusal changes nothing, which the invariants see

    def _cards(self) -> Any:
        return sa.select(Card).where(Card.member_id == self.person.member_id).order_by(Card.card_id)  # type: ignore[arg-type]

    async def _read(self) -> tuple[list[Card], list[Any]]:
        async with self.database.sessions() as session:
            steps = await session.execute(
                sa.text(
                    "select card_id, array_agg(status order by version) as statuses,"
                    " array_agg(version order by version) as versions from card_step group by card_id"
                )
            )
            return list((await session.scalars(self._cards())).all()), list(steps.all())

    @stateful.invariant()
    def what_has_ended_stays_ended(self) -> None:
        cards, steps = self.runner.run(self._read())
        live = [card.form for card in cards if card.status in LIVE]
        assert len(live) == len(set(live)), "two live cards of one form"
        for card in cards:
            if card.card_id in self.ended:
                assert card.status not in LIVE, f"{self.ended[card.card_id]} came alive as {card.status}"
            if card.status not in LIVE:
                self.ended[card.card_id] = card.status
            if card.status in LIVE:
                assert rules.is_entitled(self.person.status, self.person.consents)
        versions = {row.card_id: row for row in steps}
        for card in cards:
            row = versions[card.card_id]
            assert row.versions == list(range(1, card.version + 1)), "a step without its date"
            assert row.statuses[-1] == card.status


def test_no_order_of_events_and_steps_brings_a_card_back_to_life(service: Service, settings: Any) -> None:
    stateful.run_state_machine_as_test(
        lambda: Life(service, settings),  # type: ignore[arg-type]  # any maker of machines will do
        settings=hypothesis.settings(
            max_examples=tries(25, long=400),
            stateful_step_count=15,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
