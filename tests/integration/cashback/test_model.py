"""A model of the programme, written apart from it, must agree with it after every step of any history."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from cashback import chain, rules
from cashback.commands import bank, expiry, participation, payouts, purchases
from cashback.commands.intake import take_reports
from cashback.commands.reports import Report, What
from cashback.models import Payout
from cashback.policy import Policy
from common.auth import Principal, Role
from common.settings import Settings
from tests.extent import tries
from tests.integration.cashback.programme import BOUGHT, NOW, Paid, Programme

EARLY, DAY = date(2021, 3, 10), date(2021, 4, 1)
LEFT_ON, LONG_AFTER = date(2021, 5, 1), date(2023, 1, 1)
MUCH_LATER = NOW + timedelta(days=30)
MINIMUM = 100
POLICY = Policy(30, bytes(32))
STAFF = Principal("staff", frozenset({Role.FEDERAL_STAFF}))
SHARES = st.sampled_from([1, 1, 1, 0.5, 0.3, 1.01])
RARELY = st.sampled_from([False, False, False, False, True])
AMOUNTS = st.sampled_from([40_000, 33_333, 19_999, 10_001, 30, 1])
LINES = st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from([1, 1, 1, 2]))


class History(Programme):
    """The steps that a history is made of."""

    def about(self, line: tuple[Any, ...], what: What, version: str = "1", **said: Any) -> Report:
        *_, order, number = line
        return Report(self.partner, order, number, what, version, **said)

    def bought_by(self, member: int, terms: int, amount: int, line: tuple[str, int]) -> Report:
        click = self.click_of[self.members[member], self.terms[terms].id]
        return self.about(line, "reported", click_id=click, amount=amount, purchased_at=BOUGHT)

    def tell(self, report: Report) -> None:
        """One message by itself: refused with nothing changed, or taken, or answered as it was the first time."""
        refusal = self.judge(report)
        done = self.expect(refusal, lambda session: purchases.report_purchase(session, report, POLICY, NOW))
        if done:
            purchase, _ = done
            assert (purchase.status, purchase.amount, purchase.cashback) == self.taken[report.key][1]

    @rule(member=st.integers(0, 1), terms=st.integers(0, 1), amount=AMOUNTS, line=LINES)
    def report_a_line(self, member: int, terms: int, amount: int, line: tuple[str, int]) -> None:
        self.tell(self.bought_by(member, terms, amount, line))

    @rule(member=st.integers(0, 1), amount=st.integers(10_000, 40_000), paid_out=st.booleans())
    def earn(self, member: int, amount: int, paid_out: bool) -> None:
        """The usual way, so that the steps that follow find something to spoil."""
        line = (f"order {len(self.bought)}", 1)
        self.tell(self.bought_by(member, 0, amount, line))
        self.tell(self.about(line, "confirmed", effective_on=DAY))
        who = self.members[member]
        if paid_out and self.available[who] >= MINIMUM:
            key = self.pay_out(who, self.available[who])
            self.approve(key)
            self.a_file_goes_to_the_bank()
            self.answer(key, settled=True)

    @rule(
        lines=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), AMOUNTS, LINES), min_size=1, max_size=6),
        steps=st.lists(
            st.tuples(LINES, st.sampled_from(["confirmed", "declined", "refunded"]), st.integers(1, 40_000)),
            max_size=4,
        ),
    )
    def a_batch_comes(self, lines: list[Any], steps: list[Any]) -> None:
        """Messages of all kinds at once: each is taken or refused as if it had come alone, in its turn."""
        batch = [self.bought_by(*one) for one in lines]
        for line, what, amount in steps:
            batch.append(self.about(line, what, amount=amount if what == "refunded" else None, effective_on=DAY))
        expected = []
        for report in batch:
            refusal = self.judge(report)
            expected.append(refusal or self.taken[report.key][1])
        told = self.run(lambda session: take_reports(session, batch, "topic", POLICY, NOW))
        got = [
            one.refusal.code if one.refusal else (one.purchase.status, one.purchase.amount, one.purchase.cashback)
            for one in told
        ]
        assert got == expected

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), share=SHARES, early=RARELY)
    def confirm_a_purchase(self, data: Any, share: float, early: bool) -> None:
        line, one = data.draw(self.one_of(self.bought, "pending"))
        amount = None if share == 1 else max(1, int(one.amount * share))
        self.tell(self.about(line, "confirmed", amount=amount, effective_on=EARLY if early else DAY))

    @precondition(lambda self: self.bought)
    @rule(data=st.data())
    def decline_a_purchase(self, data: Any) -> None:
        line, _ = data.draw(self.one_of(self.bought, "pending"))
        self.tell(self.about(line, "declined", effective_on=DAY))

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), share=SHARES, reference=st.sampled_from("RSTUV"))
    def refund_a_purchase(self, data: Any, share: float, reference: str) -> None:
        line, one = data.draw(self.one_of(self.bought, "confirmed", "partly_confirmed"))
        amount = max(1, int(one.amount * share))
        self.tell(self.about(line, "refunded", reference, amount=amount, effective_on=DAY))

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
            refusal, lambda session: payouts.request_payout(session, who, amount, DAY, MINIMUM, 365, 10**9, NOW)
        )
        if done:
            self.available[who] -= amount
            self.paid[done.payout_id] = Paid(who, amount)
        return done and done.payout_id

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), settled=st.booleans())
    def bank_answers(self, data: Any, settled: bool) -> None:
        key, _ = data.draw(self.one_of(self.paid, "sent", "unknown"))
        self.answer(key, settled)

    def answer(self, key: UUID, settled: bool) -> None:
        async def of_bank(session: Any) -> Any:
            if settled:
                return await payouts.settle_payout(session, key, DAY, NOW)
            return await payouts.fail_payout(session, key, "x", DAY, NOW)

        self.moves(key, ("sent", "unknown"), "settled" if settled else "failed", of_bank)

    @precondition(lambda self: self.paid)
    @rule(data=st.data())
    def the_bank_brings_it_back(self, data: Any) -> None:
        key, _ = data.draw(self.one_of(self.paid, "settled"))

        async def back(session: Any) -> bool:
            payout = await session.get(Payout, key, with_for_update=True)
            await payouts.bring_back(session, payout, "x", DAY, NOW)
            return True

        self.moves(key, ("settled",), "returned", back)

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), declined=RARELY)
    def staff_approves(self, data: Any, declined: bool) -> None:
        key, _ = data.draw(self.one_of(self.paid, "requested"))
        self.approve(key, declined)

    def approve(self, key: UUID, declined: bool = False) -> None:
        async def decided(session: Any) -> Any:
            if declined:
                return await payouts.decline_payout(session, key, "x", NOW)
            return await payouts.approve_payout(session, key, STAFF, MINIMUM * 10**6, NOW)

        before = ("requested", "approved") if declined else ("requested",)
        self.moves(key, before, "declined" if declined else "approved", decided)

    @precondition(lambda self: any(one.status == "approved" for one in self.paid.values()))
    @rule()
    def a_file_goes_to_the_bank(self) -> None:
        self.run(lambda session: bank.send_payouts(session, DAY, "x", NOW))
        for one in self.paid.values():
            one.status = "sent" if one.status == "approved" else one.status

    @precondition(lambda self: any(one.status == "sent" for one in self.paid.values()))
    @rule()
    def the_bank_is_silent(self) -> None:
        self.run(lambda session: payouts.mark_unanswered(session, MUCH_LATER, 3))
        for one in self.paid.values():
            one.status = "unknown" if one.status == "sent" else one.status

    def moves(self, key: UUID, before: tuple[str, ...], after: str, work: Any) -> None:
        """A payout makes the step, or is refused with nothing changed; what is given back is the member's."""
        one = self.paid[key]
        if self.expect(None if one.status in before else "payout_step_not_allowed", work):
            one.status = after
            if after in rules.GIVEN_BACK:
                self.receive(one.member, one.amount)

    @precondition(lambda self: any(self.available.values()))
    @rule(data=st.data(), ended=RARELY)
    def time_to_claim_is_over(self, data: Any, ended: bool) -> None:
        """Of one member who no longer takes part, or of what nobody asked for in time."""
        who = data.draw(st.sampled_from(self.members))

        async def expire(session: Any) -> None:
            if ended:
                await participation.end_participation(session, who, LEFT_ON, "membership_ended")
                await expiry.expire_balances(session, LONG_AFTER, 365)
            else:
                await expiry.expire_unused(session, LONG_AFTER, 365)

        self.left = getattr(self, "left", set()) | ({who} if ended else set())
        for member in self.left if ended else set(self.members) - self.left:
            self.expired[member] += self.available[member]
            self.available[member] = 0
        self.run(expire)

    @rule()
    def the_chain_is_extended_and_followed(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.run(lambda session: chain.extend(session))
        found = self.run(lambda session: chain.verify_chain(session, [key.public_key()]))
        assert (found.findings, found.waiting) == ((), 0)


def test_the_programme_agrees_with_its_model(settings: Settings) -> None:
    machine = type("ProgrammeOfTest", (History,), {"database_settings": settings})
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=tries(8, long=100),
            stateful_step_count=30,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
