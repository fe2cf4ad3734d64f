"""What each message of a batch does, decided in order on the state that the batch holds locked. Nothing is awaited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from cashback import rules
from cashback.commands.movements import netting
from cashback.commands.reports import Key, Line, Report, Source
from cashback.commands.subjects import Clicked, Subject, Taken
from cashback.commands.telling import as_told
from cashback.errors import BudgetSpent, NotParticipating, PurchaseUnknown, ReportedOtherwise
from cashback.ledger import Entry, Ref
from cashback.models import FraudHit, Purchase, Refund
from cashback.policy import Policy
from cashback.rules import fraud, rewards
from common.errors import NotFound
from common.events.base import Event
from common.events.cashback import (
    PartnerPurchaseChanged,
    PurchaseConfirmed,
    PurchaseDeclined,
    PurchaseEvent,
    PurchasePartlyConfirmed,
    PurchaseRefunded,
    PurchaseReported,
)


@dataclass
class Decisions:
    """The state of a batch under way, and what is to be written of it."""

    source: Source
    policy: Policy
    now: datetime
    subjects: Mapping[Line, Sequence[Subject]]
    """One for a known purchase, else one for each click that is named."""
    purchases: dict[Line, Purchase]
    caps: dict[str, int]
    balances: dict[Ref, int]
    accruals: dict[UUID, UUID]
    """The accrual's entry of each purchase that may be declined."""
    watch: fraud.Watch = field(default_factory=fraud.Watch)
    before: dict[UUID, int] = field(default_factory=dict)
    """The versions of changed purchases as they were locked."""
    made: list[Purchase] = field(default_factory=list)
    taken: dict[Key, Taken] = field(default_factory=dict)
    refunds: list[Refund] = field(default_factory=list)
    chosen: dict[Line, Subject] = field(default_factory=dict)
    """Of the purchases made in this batch."""
    entries: list[Entry] = field(default_factory=list)
    events: list[tuple[Event, str | None]] = field(default_factory=list)
    """To the union's own services, each with the trace that it continues; none of the sandbox."""
    told: list[tuple[str, PartnerPurchaseChanged]] = field(default_factory=list)
    """To the partners."""
    hits: list[FraudHit] = field(default_factory=list)
    changed_caps: set[str] = field(default_factory=set)

    def take(self, report: Report) -> Purchase:
        """Decide on one message; returns the purchase, which later messages change. Raises the refusal, with nothing
        changed.
        """
        report.check_complete()
        if report.effective_on is not None:
            rules.check_not_future(report.effective_on, self.now)
        if report.what == "reported":
            purchase = self._report(report)
        else:
            known = self.purchases.get(report.of)
            if known is None:
                raise PurchaseUnknown(report.order, report.line)
            purchase = known
            step = {"confirmed": self._confirm, "declined": self._decline, "refunded": self._refund}[report.what]
            step(purchase, report)
        self.taken[report.key] = Taken(
            report.digest(),
            purchase.purchase_id,
            purchase.status,
            purchase.amount,
            purchase.cashback,
            purchase.version,
        )
        return purchase

    def _report(self, report: Report) -> Purchase:
        assert report.amount is not None
        assert report.purchased_at is not None
        known = self.purchases.get(report.of)
        if known is not None:
            told = (known.click_id, known.reported, known.basket, known.purchased_at)
            if told != (report.click_id, report.amount, report.basket, report.purchased_at):
                raise ReportedOtherwise(known.purchase_id)
            return known
        subject, clicked = self._clicked(report, report.purchased_at.date())
        terms, day = subject.terms, clicked.day
        rules.check_moment_not_future(report.purchased_at, self.now)
        rules.check_click_valid(clicked.clicked_at, report.purchased_at, self.policy.click_days)
        rewards.check_window(terms, day)
        if not clicked.takes_part:
            raise NotParticipating(day)
        accrual = rewards.accrue(terms, report.amount, report.basket, subject.caps, self.caps)
        earned, accounts = accrual.earned, subject.accounts
        if accounts.budget is not None and self.balances[accounts.budget[0]] < earned:
            raise BudgetSpent
        russian, english = rewards.explain(terms, report.amount, accrual)
        purchase = Purchase(
            purchase_id=uuid7(),
            click_id=clicked.click_id,
            member_id=subject.member_id,
            partner=report.partner,
            campaign_id=terms.campaign_id,
            campaign_version=terms.version,
            order_number=report.order,
            line=report.line,
            basket=report.basket,
            reported=report.amount,
            amount=report.amount,
            accrued=earned,
            cashback=earned,
            status=rules.PENDING,
            purchased_at=report.purchased_at.astimezone(UTC),
            purchased_on=day,
            hold_until=day + timedelta(days=clicked.hold_days),
            resolved_on=None,
            explanation=russian,
            explanation_en=english,
            recorded_at=self.now,
            review="none",
            version=1,
        )
        buyer = fraud.Buyer(
            subject.member_id, report.partner, clicked.card_id, clicked.device, clicked.related, clicked.clicked_at
        )
        for hit in self.watch.hits(buyer, purchase.purchased_at, earned):
            purchase.review = rules.WAITING
            self.hits.append(
                FraudHit(hit_id=uuid7(), purchase_id=purchase.purchase_id, hit_at=self.now, **vars(hit))
            )
        self.purchases[report.of] = purchase
        self.chosen[report.of] = subject
        self.made.append(purchase)
        self._use_caps(subject, earned)
        entry_id = self.accruals[purchase.purchase_id] = uuid7()
        self._book(
            Entry(
                "accrual",
                _reference(purchase, "accrued"),
                purchase.purchased_at,
                russian,
                [*accounts.owed_by_partner(earned), (accounts.pending, earned)],
                entry_id=entry_id,
            )
        )
        self._tell(PurchaseReported, purchase, subject, report, day)
        return purchase

    def _clicked(self, report: Report, day: date) -> tuple[Subject, Clicked]:
        for subject in self.subjects.get(report.of, ()):
            clicked = subject.clicked
            if clicked is not None and (clicked.click_id, clicked.day) == (report.click_id, day):
                return subject, clicked
        raise NotFound("click", report.click_id)

    def _of(self, report: Report) -> Subject:
        return self.chosen.get(report.of) or self.subjects[report.of][0]

    def _confirm(self, purchase: Purchase, report: Report) -> None:
        day = _day(report)
        amount = purchase.amount if report.amount is None else report.amount
        rules.check_can_confirm(purchase, amount, day)
        subject = self._of(report)
        kept = rewards.cashback_on(purchase, amount, subject.terms.rounding)
        accounts, whole = subject.accounts, amount == purchase.amount
        self._book(
            Entry(
                "confirmation",
                _reference(purchase, "resolved"),
                rules.moment(day),
                f"Партнёр подтвердил {rules.roubles(amount)} из {rules.roubles(purchase.reported)}:"
                f" кешбэк {rules.roubles(kept)} доступен.",
                [
                    (accounts.pending, -purchase.cashback),
                    (accounts.available, kept),
                    *accounts.owed_by_partner(kept - purchase.cashback),
                ],
            )
        )
        currency = accounts.available.currency
        reference = _reference(purchase, "netted")
        self._book(netting(purchase.member_id, reference, kept, self.balances, day, currency))
        self._use_caps(subject, kept - purchase.cashback)
        self._change(purchase, rules.CONFIRMED if whole else rules.PARTLY_CONFIRMED, amount, kept)
        purchase.resolved_on = day
        self._tell(PurchaseConfirmed if whole else PurchasePartlyConfirmed, purchase, subject, report, day)

    def _decline(self, purchase: Purchase, report: Report) -> None:
        day = _day(report)
        rules.check_can_decline(purchase, day)
        subject = self._of(report)
        accounts = subject.accounts
        self._book(
            Entry(
                "decline",
                _reference(purchase, "resolved"),
                rules.moment(day),
                f"Партнёр отклонил покупку: кешбэк {rules.roubles(purchase.cashback)} не начислен.",
                [*accounts.owed_by_partner(-purchase.cashback), (accounts.pending, -purchase.cashback)],
                reversal_of=self.accruals.get(purchase.purchase_id),
            )
        )
        self._use_caps(subject, -purchase.cashback)
        self._change(purchase, rules.DECLINED, 0, 0)
        purchase.resolved_on = day
        self._tell(PurchaseDeclined, purchase, subject, report, day)

    def _refund(self, purchase: Purchase, report: Report) -> None:
        """Take back the cashback on returned goods, from what is available, else as the member's debt."""
        assert report.amount is not None
        day = _day(report)
        rules.check_can_refund(purchase, report.amount, day)
        subject = self._of(report)
        accounts, left = subject.accounts, purchase.amount - report.amount
        taken = purchase.cashback - rewards.cashback_on(purchase, left, subject.terms.rounding)
        from_available = min(taken, self.balances[accounts.available])
        self.refunds.append(
            Refund(
                refund_id=uuid7(),
                purchase_id=purchase.purchase_id,
                reference=report.version,
                amount=report.amount,
                cashback=taken,
                effective_on=day,
            )
        )
        self._book(
            Entry(
                "refund",
                _reference(purchase, f"refund:{report.version}"),
                rules.moment(day),
                f"Возврат {rules.roubles(report.amount)}: кешбэк уменьшен на {rules.roubles(taken)},"
                f" из них {rules.roubles(taken - from_available)} из будущих начислений.",
                [
                    (accounts.available, -from_available),
                    (accounts.clawback, from_available - taken),
                    *accounts.owed_by_partner(-taken),
                ],
            )
        )
        self._use_caps(subject, -taken)
        status = purchase.status if left else rules.REFUNDED
        self._change(purchase, status, left, purchase.cashback - taken)
        self._tell(PurchaseRefunded, purchase, subject, report, day)

    def _tell(
        self, event: type[PurchaseEvent], purchase: Purchase, subject: Subject, report: Report, day: date
    ) -> None:
        if not subject.sandbox:
            self.events.append((event(**purchase.public_state(day)), report.traceparent))
        self.told.append((report.partner, as_told(purchase, self.policy.pairwise_key, day)))

    def _book(self, entry: Entry) -> None:
        """The entry is to be posted; what follows in this batch is decided on the balances after it."""
        self.entries.append(entry)
        for ref, amount in entry.movements:
            self.balances[ref] += amount

    def _use_caps(self, subject: Subject, change: int) -> None:
        for cap in subject.caps if change else ():
            self.caps[cap.key] += change
            self.changed_caps.add(cap.key)

    def _change(self, purchase: Purchase, status: str, amount: int, cashback: int) -> None:
        self.before.setdefault(purchase.purchase_id, purchase.version)
        purchase.status, purchase.amount, purchase.cashback = status, amount, cashback
        purchase.version += 1


def _reference(purchase: Purchase, step: str) -> str:
    return f"purchase:{purchase.purchase_id}:{step}"


def _day(report: Report) -> date:
    assert report.effective_on is not None
    return report.effective_on
