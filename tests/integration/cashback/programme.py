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
from cashback.ledger import Kind, Ref
from cashback.models import Card, Member
from common.db import Database
from common.errors import BusinessError
from common.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOUGHT = datetime(2021, 3, 2, 12, tzinfo=UTC)


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
    """The service beside its model, and what must hold between them after every step."""

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
            await session.scalar(sa.text(f"select sum(hashtextextended(t::text, 0)) from {table} t"))
            for table in tables
        ]

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
        verification = self.run(audit.verify)
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
