"""A model of the programme, written apart from it, must agree with it after every step of any history."""

from datetime import date
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from cashback.commands import payouts, purchases
from cashback.commands.reports import Report
from common.settings import Settings
from tests.integration.cashback.programme import BOUGHT, NOW, Bought, Paid, Programme

EARLY, DAY = date(2021, 3, 10), date(2021, 4, 1)
MINIMUM = 100
SHARES = st.sampled_from([1, 1, 1, 0.5, 0.3, 1.01])
RARELY = st.sampled_from([False, False, False, False, True])


class History(Programme):
    """The steps that a history is made of."""

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
        report = Report(order, line, click_id=self.clicks[who, what.id], amount=amount, purchased_at=BOUGHT)
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


def test_the_programme_agrees_with_its_model(settings: Settings) -> None:
    machine = type("ProgrammeOfTest", (History,), {"database_settings": settings})
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
