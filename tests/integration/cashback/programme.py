"""The model of the programme: what the service is compared with after every step."""

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
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from cashback import audit, ledger
from cashback.commands import campaigns, participation
from cashback.commands.reports import Key, Line, Report
from cashback.ledger import Kind, Ref
from cashback.models import Card, Member
from common.db import Database
from common.errors import BusinessError
from common.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOUGHT = datetime(2021, 3, 2, 12, tzinfo=UTC)
ON_ITS_WAY = ("requested", "approved", "sent", "unknown")
"""A payout whose money is set aside."""
HOLD_OVER = date(2021, 3, 16)


@dataclass
class Terms:
    rate: Decimal
    rounding: str
    cap: int | None = None
    member_cap: int | None = None
    minimum: int = 0
    budget: int | None = None
    tier: tuple[int, Decimal] | None = None
    id: UUID = field(default_factory=uuid.uuid4)

    def round(self, value: Decimal) -> int:
        return int(value.to_integral_value(self.rounding))

    def rate_of(self, amount: int) -> Decimal:
        return self.tier[1] if self.tier and amount >= self.tier[0] else self.rate

    def stated(self) -> dict[str, Any]:
        """The terms in the service's words."""
        points = (
            []
            if self.tier is None
            else [{"from_basket": self.tier[0], "basis_points": int(self.tier[1] * 10_000)}]
        )
        return {
            "title": "x",
            "basis_points": int(self.rate * 10_000),
            "fixed": None,
            "min_basket": self.minimum,
            "tiers": points,
            "cap_per_order": self.cap,
            "cap_per_member": self.member_cap,
            "cap_period": "month",
            "rounding": "floor" if self.rounding == ROUND_FLOOR else "half_even",
            "from_on": date(2021, 1, 1),
            "to_on": date(2021, 12, 31),
        }


@dataclass
class Bought:
    member: UUID
    terms: Terms
    reported: int
    amount: int
    accrued: int
    cashback: int
    status: str = "pending"

    def stands(self) -> tuple[str, int, int]:
        return self.status, self.amount, self.cashback


@dataclass
class Paid:
    member: UUID
    amount: int
    status: str = "requested"


class Programme(RuleBasedStateMachine):
    """The service beside its model, and what must hold between them after every step."""

    database_settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database.connect(self.database_settings)
        self.partner = f"p{uuid.uuid4().hex[:12]}"
        self.terms = [
            Terms(Decimal("0.05"), ROUND_FLOOR, member_cap=9_000, tier=(30_000, Decimal("0.07"))),
            Terms(Decimal("0.0333"), ROUND_HALF_EVEN, cap=900, minimum=50, budget=3000),
        ]
        self.members = [uuid.uuid4(), uuid.uuid4()]
        self.clicks: dict[UUID, tuple[UUID, Terms]] = {}
        self.click_of: dict[tuple[UUID, UUID], UUID] = {}
        self.bought: dict[Line, Bought] = {}
        self.taken: dict[Key, tuple[bytes, tuple[str, int, int]]] = {}
        self.paid: dict[UUID, Paid] = {}
        self.available = dict.fromkeys(self.members, 0)
        self.owed = dict.fromkeys(self.members, 0)
        self.expired = dict.fromkeys(self.members, 0)
        self.run(self.prepare)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.database.close())
        self.loop.close()

    async def prepare(self, session: Any) -> None:
        await campaigns.add_partner(session, self.partner, "x", 14, "https://x.example/")
        for terms in self.terms:
            campaign, _ = await campaigns.add_campaign(session, self.partner, terms.stated(), terms.budget, NOW)
            terms.id = campaign.campaign_id
        for member in self.members:
            session.add(
                Member(member_id=member, organisation_id=member, status="member", consents=["bonus"], version=1)
            )
            session.add(Card(card_id=member, member_id=member, form="virtual", status="active", version=1))
            await session.flush()
            await participation.enrol_participant(session, member, date(2021, 1, 1), NOW)
            for terms in self.terms:
                click, _ = await participation.record_click(session, member, terms.id, BOUGHT, NOW)
                self.clicks[click.click_id] = (member, terms)
                self.click_of[member, terms.id] = click.click_id

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
        tables = (
            *("account", "journal_entry", "posting", "purchase", "refund", "payout", "outbox", "participant"),
            *(
                "participation",
                "partner_report",
                "refused_report",
                "cap_use",
                "campaign",
                "chain_link",
                "bank_file",
            ),
        )
        return [
            await session.scalar(sa.text(f"select sum(hashtextextended(t::text, 0)) from {table} t"))
            for table in tables
        ]

    # --- the model: what each message must do ------------------------------------------------------------------

    def judge(self, report: Report) -> str | None:
        """The code of the refusal, or None; then the model has done what the message says."""
        known = self.taken.get(report.key)
        if known is not None:
            return None if known[0] == report.digest() else "report_taken_otherwise"
        step = {
            "reported": self.report,
            "confirmed": self.confirm,
            "declined": self.decline,
            "refunded": self.refund,
        }
        if report.what != "reported" and report.of not in self.bought:
            return "purchase_unknown"
        refusal = step[report.what](report)
        if refusal is None:
            self.taken[report.key] = report.digest(), self.bought[report.of].stands()
        return refusal

    def report(self, report: Report) -> str | None:
        assert report.click_id is not None
        assert report.amount is not None
        (who, what), amount = self.clicks[report.click_id], report.amount
        if report.of in self.bought:
            one = self.bought[report.of]
            same = (one.member, one.terms, one.reported) == (who, what, amount)
            return None if same else "purchase_reported_otherwise"
        if amount < what.minimum:
            return "basket_too_small"
        accrued = what.round(amount * what.rate_of(amount))
        mine = [(of, b) for of, b in self.bought.items() if b.terms is what]
        if what.cap is not None:
            accrued = min(
                accrued, what.cap - sum(b.cashback for (_, order, _), b in mine if order == report.order)
            )
        if what.member_cap is not None:
            accrued = min(accrued, what.member_cap - sum(b.cashback for _, b in mine if b.member == who))
        accrued = max(0, accrued)
        if what.budget is not None and accrued > what.budget - sum(b.cashback for _, b in mine):
            return "campaign_budget_spent"
        self.bought[report.of] = Bought(who, what, amount, amount, accrued, accrued)
        return None

    def confirm(self, report: Report) -> str | None:
        one = self.bought[report.of]
        amount = one.amount if report.amount is None else report.amount
        if one.status != "pending":
            return "purchase_not_pending"
        if amount > one.amount:
            return "amount_exceeds_purchase"
        if report.effective_on is None or report.effective_on < HOLD_OVER:
            return "hold_not_over"
        one.status = "confirmed" if amount == one.amount else "partly_confirmed"
        one.amount, one.cashback = amount, self.pro_rata(one, amount)
        self.receive(one.member, one.cashback)
        return None

    def decline(self, report: Report) -> str | None:
        one = self.bought[report.of]
        if one.status != "pending":
            return "purchase_not_pending"
        one.status, one.amount, one.cashback = "declined", 0, 0
        return None

    def refund(self, report: Report) -> str | None:
        one = self.bought[report.of]
        assert report.amount is not None
        if one.status not in ("confirmed", "partly_confirmed"):
            return "purchase_not_confirmed"
        if report.amount > one.amount:
            return "amount_exceeds_purchase"
        one.amount -= report.amount
        taken = one.cashback - self.pro_rata(one, one.amount)
        one.cashback -= taken
        if not one.amount:
            one.status = "refunded"
        free = min(taken, self.available[one.member])
        self.available[one.member] -= free
        self.owed[one.member] += taken - free
        return None

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

    def one_of(self, rows: dict[Any, Any], *statuses: str) -> st.SearchStrategy[tuple[Any, Any]]:
        """Mostly one of those with a status that the step asks for; now and then any."""
        fitting = [item for item in rows.items() if item[1].status in statuses]
        return st.sampled_from(fitting or list(rows.items())) | st.sampled_from(list(rows.items()))

    # --- what holds after every step ---------------------------------------------------------------------------

    def stored(self, expected: dict[Ref, int]) -> dict[Ref, int]:
        return self.run(lambda session: ledger.hold(session, expected))  # type: ignore[no-any-return]

    @invariant()
    def conservation_and_derived_balances(self) -> None:
        """All balances are zero together; each is what its postings say; each cap is what its purchases earn."""
        found = self.run(audit.verify)
        assert found.sound, found

    @invariant()
    def every_balance_is_what_the_model_says(self) -> None:
        expected = {Ref(Kind.PARTNER_RECEIVABLE, self.partner): -sum(b.cashback for b in self.bought.values())}
        for who in self.members:
            pending = sum(b.cashback for b in self.bought.values() if b.member == who and b.status == "pending")
            expected[Ref(Kind.MEMBER_PENDING, str(who))] = pending
            expected[Ref(Kind.MEMBER_AVAILABLE, str(who))] = self.available[who]
            expected[Ref(Kind.MEMBER_CLAWBACK, str(who))] = -self.owed[who]
            expected[Ref(Kind.PAYOUT_CLEARING, str(who))] = self.in_payout(who, *ON_ITS_WAY)
        for terms in self.terms:
            if terms.budget is not None:
                left = terms.budget - self.cashback_of(terms)
                expected[Ref(Kind.CAMPAIGN_BUDGET, str(terms.id))] = left
                expected[Ref(Kind.CAMPAIGN_ALLOCATION, str(terms.id))] = -left
        assert self.stored(expected) == expected

    @invariant()
    def no_component_is_negative_and_nothing_is_overdrawn(self) -> None:
        """Read from the database, not from the model."""
        below = self.run(
            lambda session: session.scalar(
                sa.text(
                    "select count(*) from account where case when kind in"
                    " ('partner_receivable', 'member_clawback', 'campaign_allocation') then balance > 0"
                    " when kind = 'bank' then false else balance < 0 end"
                )
            )
        )
        assert below == 0

    @invariant()
    def holds_are_accounted(self) -> None:
        """What is pending and what is set aside for the bank is that of the purchases and payouts in those states."""
        row = self.run(
            lambda session: session.execute(
                sa.text(
                    "select (select coalesce(sum(balance), 0) from account where kind = 'member_pending')"
                    " - (select coalesce(sum(cashback), 0) from purchase where status = 'pending') as pending,"
                    " (select coalesce(sum(balance), 0) from account where kind = 'payout_clearing')"
                    " - (select coalesce(sum(amount), 0) from payout"
                    " where status in ('requested', 'approved', 'sent', 'unknown')) as payouts"
                )
            )
        ).one()
        assert tuple(row) == (0, 0)

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        for who in self.members:
            states = ("confirmed", "partly_confirmed")
            earned = sum(b.cashback for b in self.bought.values() if b.member == who and b.status in states)
            held = self.available[who] + self.in_payout(who, *ON_ITS_WAY, "settled") - self.owed[who]
            assert earned == held + self.expired[who]
