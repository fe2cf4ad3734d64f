"""A model of the programme, written apart from it, must agree with it after every step of any history."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cashback import ledger
from cashback.commands import campaigns, participation, payouts, purchases
from cashback.ledger import Kind, Ref
from cashback.models import Card, Member
from common.db import Database
from common.errors import BusinessError
from common.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOUGHT = datetime(2021, 3, 2, 12, tzinfo=UTC)
EARLY, DAY = date(2021, 3, 10), date(2021, 4, 1)
MINIMUM = 100
SHARES = st.sampled_from([1, 1, 1, 0.5, 0.3, 1.01])
RARELY = st.sampled_from([False, False, False, False, True])


@dataclass
class Terms:
    rate: Decimal
    rounding: str
    cap: int | None = None
    minimum: int = 0
    budget: int | None = None
    id: UUID = field(default_factory=uuid.uuid4)

    def round(self, value: Decimal) -> int:
        return int(value.to_integral_value(self.rounding))


@dataclass
class Bought:
    member: UUID
    terms: Terms
    order: str
    line: int
    reported: int
    amount: int
    accrued: int
    cashback: int
    status: str = "pending"
    refunds: dict[str, int] = field(default_factory=dict)


@dataclass
class Paid:
    member: UUID
    amount: int
    status: str = "requested"


class Programme(RuleBasedStateMachine):
    database_settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database.connect(self.database_settings)
        self.partner = f"p{uuid.uuid4().hex[:12]}"
        self.terms = [
            Terms(Decimal("0.05"), ROUND_FLOOR),
            Terms(Decimal("0.0333"), ROUND_HALF_EVEN, cap=900, minimum=50, budget=3000),
        ]
        self.members = [uuid.uuid4(), uuid.uuid4()]
        self.clicks: dict[tuple[UUID, UUID], UUID] = {}
        self.bought: dict[UUID, Bought] = {}
        self.paid: dict[UUID, Paid] = {}
        self.available = dict.fromkeys(self.members, 0)
        self.owed = dict.fromkeys(self.members, 0)
        self.run(self.prepare)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.database.close())
        self.loop.close()

    async def prepare(self, session: Any) -> None:
        await campaigns.add_partner(session, self.partner, "x", 14, "https://x.example/")
        for terms in self.terms:
            rule = {
                "title": "x",
                "basis_points": int(terms.rate * 10_000),
                "fixed": None,
                "min_basket": terms.minimum,
                "cap_per_order": terms.cap,
                "rounding": "floor" if terms.rounding == ROUND_FLOOR else "half_even",
                "from_on": date(2021, 1, 1),
                "to_on": date(2021, 12, 31),
            }
            campaign, _ = await campaigns.add_campaign(session, self.partner, rule, terms.budget, NOW)
            terms.id = campaign.campaign_id
        for member in self.members:
            session.add(
                Member(
                    member_id=member,
                    organisation_id=member,
                    status="member",
                    consents=["bonus"],
                    version=1,
                )
            )
            session.add(Card(card_id=member, member_id=member, form="virtual", status="active", version=1))
            await session.flush()
            await participation.enrol_participant(session, member, date(2021, 1, 1), NOW)
            for terms in self.terms:
                click, _ = await participation.record_click(session, member, terms.id, BOUGHT, NOW)
                self.clicks[member, terms.id] = click.click_id

    def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        async def transaction() -> Any:
            async with self.database.sessions.begin() as session:
                return await work(session)

        return self.loop.run_until_complete(transaction())

    def expect(self, refusal: str | None, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do `work`, which must be refused with that code, changing nothing; or be done, if that is None."""
        if refusal is None:
            return self.run(work)
        before = self.run(self.everything)
        with pytest.raises(BusinessError) as refused:
            self.run(work)
        assert refused.value.code == refusal
        assert self.run(self.everything) == before
        return None

    async def everything(self, session: Any) -> list[Any]:
        """What a refused operation must leave as it is."""
        tables = ("account", "journal_entry", "posting", "purchase", "refund", "payout", "outbox", "participant")
        return [
            (
                await session.scalar(
                    sa.text(f"select md5(string_agg(t::text, ',' order by t::text)) from {table} t")
                )
            )
            for table in tables
        ]

    @rule(
        member=st.integers(0, 1),
        terms=st.integers(0, 1),
        amount=st.sampled_from([40_000, 33_333, 19_999, 10_001, 30, 1]),
        order=st.sampled_from("ABCDEFGH"),
        line=st.sampled_from([1, 1, 1, 2]),
    )
    def report_a_line(self, member: int, terms: int, amount: int, order: str, line: int) -> None:
        self.report(member, terms, amount, order, line)

    @rule(member=st.integers(0, 1), amount=st.integers(10_000, 40_000), paid_out=st.booleans())
    def earn(self, member: int, amount: int, paid_out: bool) -> None:
        """The usual way, so that the steps that follow find something to spoil."""
        key = self.report(member, 0, amount, f"order {len(self.bought)}", 1)
        self.confirm(key, None, early=False)
        who = self.members[member]
        if paid_out and self.available[who] >= MINIMUM:
            self.answer(self.pay_out(who, self.available[who]), settled=True)

    def report(self, member: int, terms: int, amount: int, order: str, line: int) -> Any:
        who, what = self.members[member], self.terms[terms]
        before = [b for b in self.bought.values() if (b.order, b.line) == (order, line)]
        in_order = [b for b in self.bought.values() if (b.order, b.terms) == (order, what)]
        accrued = what.round(amount * what.rate)
        if what.cap is not None:
            accrued = max(0, min(accrued, what.cap - sum(b.cashback for b in in_order)))
        refusal = None
        if before:
            same = (before[0].member, before[0].terms, before[0].reported) == (who, what, amount)
            refusal = None if same else "purchase_reported_otherwise"
        elif amount < what.minimum:
            refusal = "basket_too_small"
        elif what.budget is not None and accrued > what.budget - self.cashback_of(what):
            refusal = "campaign_budget_spent"
        report = purchases.Report(self.clicks[who, what.id], order, line, amount, None, BOUGHT)
        done = self.expect(
            refusal, lambda session: purchases.report_purchase(session, self.partner, report, 30, NOW)
        )
        if done and not before:
            self.bought[done[0].purchase_id] = Bought(who, what, order, line, amount, amount, accrued, accrued)
        return done and done[0].purchase_id

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), share=SHARES, early=RARELY)
    def confirm_a_purchase(self, data: Any, share: float, early: bool) -> None:
        key, one = data.draw(self.one_of(self.bought, "pending"))
        self.confirm(key, None if share == 1 else max(1, int(one.amount * share)), early)

    def confirm(self, key: UUID, part: int | None, early: bool) -> None:
        one = self.bought[key]
        amount = one.amount if part is None else part
        refusal = None
        if one.status != "pending":
            refusal = "purchase_not_pending"
        elif amount > one.amount:
            refusal = "amount_exceeds_purchase"
        elif early:
            refusal = "hold_not_over"
        day = EARLY if early else DAY
        if self.expect(
            refusal, lambda session: purchases.confirm_purchase(session, self.partner, key, part, day, NOW)
        ):
            one.status, one.amount, one.cashback = "confirmed", amount, self.pro_rata(one, amount)
            self.receive(one.member, one.cashback)

    @precondition(lambda self: self.bought)
    @rule(data=st.data())
    def decline_a_purchase(self, data: Any) -> None:
        key, one = data.draw(self.one_of(self.bought, "pending"))
        refusal = None if one.status == "pending" else "purchase_not_pending"
        if self.expect(refusal, lambda session: purchases.decline_purchase(session, self.partner, key, DAY, NOW)):
            one.status, one.amount, one.cashback = "declined", 0, 0

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), share=SHARES, reference=st.sampled_from("RSTUV"))
    def refund_a_purchase(self, data: Any, share: float, reference: str) -> None:
        key, one = data.draw(self.one_of(self.bought, "confirmed"))
        amount = max(1, int(one.amount * share))
        known = one.refunds.get(reference)
        refusal = None
        if known is not None:
            refusal = None if known == amount else "refund_recorded_otherwise"
        elif one.status != "confirmed":
            refusal = "purchase_not_confirmed"
        elif amount > one.amount:
            refusal = "amount_exceeds_purchase"
        done = self.expect(
            refusal,
            lambda session: purchases.refund_purchase(session, self.partner, key, reference, amount, DAY, NOW),
        )
        if done and known is None:
            one.refunds[reference] = amount
            one.amount -= amount
            taken = one.cashback - self.pro_rata(one, one.amount)
            one.cashback -= taken
            one.status = "confirmed" if one.amount else "refunded"
            free = min(taken, self.available[one.member])
            self.available[one.member] -= free
            self.owed[one.member] += taken - free

    @precondition(lambda self: any(self.available.values()))
    @rule(data=st.data(), share=SHARES)
    def ask_for_money(self, data: Any, share: float) -> None:
        who = data.draw(st.sampled_from([member for member in self.members if self.available[member]]))
        self.pay_out(who, max(1, int(self.available[who] * share)))

    def pay_out(self, who: UUID, amount: int) -> Any:
        refusal = None
        if amount < MINIMUM:
            refusal = "payout_below_minimum"
        elif amount > self.available[who]:
            refusal = "balance_too_small"
        done = self.expect(
            refusal, lambda session: payouts.request_payout(session, who, amount, DAY, MINIMUM, 365, NOW)
        )
        if done:
            self.available[who] -= amount
            self.paid[done.payout_id] = Paid(who, amount)
        return done and done.payout_id

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), settled=st.booleans())
    def bank_answers(self, data: Any, settled: bool) -> None:
        key, _ = data.draw(self.one_of(self.paid, "requested"))
        self.answer(key, settled)

    def answer(self, key: UUID, settled: bool) -> None:
        one = self.paid[key]
        refusal = None if one.status == "requested" else "payout_already_resolved"

        async def of_bank(session: Any) -> Any:
            if settled:
                return await payouts.settle_payout(session, key, DAY, NOW)
            return await payouts.fail_payout(session, key, "x", DAY, NOW)

        if self.expect(refusal, of_bank):
            one.status = "settled" if settled else "failed"
            if not settled:
                self.receive(one.member, one.amount)

    def one_of(self, rows: dict[UUID, Any], status: str) -> st.SearchStrategy[tuple[UUID, Any]]:
        """Mostly one of those with the status that the step asks for; now and then any."""
        fitting = [item for item in rows.items() if item[1].status == status]
        return st.sampled_from(fitting or list(rows.items())) | st.sampled_from(list(rows.items()))

    def receive(self, member: UUID, amount: int) -> None:
        netted = min(amount, self.owed[member])
        self.owed[member] -= netted
        self.available[member] += amount - netted

    def pro_rata(self, one: Bought, amount: int) -> int:
        return one.terms.round(Decimal(one.accrued * amount) / Decimal(one.reported))

    def cashback_of(self, terms: Terms) -> int:
        return sum(b.cashback for b in self.bought.values() if b.terms is terms)

    def in_payout(self, member: UUID, *statuses: str) -> int:
        return sum(p.amount for p in self.paid.values() if p.member == member and p.status in statuses)

    @invariant()
    def the_ledger_is_sound(self) -> None:
        verification = self.run(ledger.verify)
        assert verification.sound, verification

    @invariant()
    def every_balance_is_what_the_model_says(self) -> None:
        expected = {Ref(Kind.PARTNER_RECEIVABLE, self.partner): -sum(b.cashback for b in self.bought.values())}
        for who in self.members:
            pending = sum(b.cashback for b in self.bought.values() if b.member == who and b.status == "pending")
            expected[Ref(Kind.MEMBER_PENDING, str(who))] = pending
            expected[Ref(Kind.MEMBER_AVAILABLE, str(who))] = self.available[who]
            expected[Ref(Kind.MEMBER_CLAWBACK, str(who))] = -self.owed[who]
            expected[Ref(Kind.PAYOUT_CLEARING, str(who))] = self.in_payout(who, "requested")
        for terms in self.terms:
            if terms.budget is not None:
                left = terms.budget - self.cashback_of(terms)
                expected[Ref(Kind.CAMPAIGN_BUDGET, str(terms.id))] = left
                expected[Ref(Kind.CAMPAIGN_ALLOCATION, str(terms.id))] = -left
        stored = self.run(lambda session: ledger.hold(session, expected))
        assert stored == expected

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        for who in self.members:
            earned = sum(b.cashback for b in self.bought.values() if b.member == who and b.status == "confirmed")
            held = self.available[who] + self.in_payout(who, "requested", "settled") - self.owed[who]
            assert earned == held
            assert min(self.available[who], self.owed[who]) >= 0


def test_the_programme_agrees_with_its_model(settings: Settings) -> None:
    machine = type("ProgrammeOfTest", (Programme,), {"database_settings": settings})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=hypothesis_settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
