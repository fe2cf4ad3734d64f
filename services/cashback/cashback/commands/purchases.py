"""Purchases that partners report, confirm, decline and refund.

Each command locks the purchase, then all its accounts in one call. A purchase's movements have references
made of its id, so that the ledger's unique constraint refuses a second one even if a lock were forgotten.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import ledger, rules
from cashback.commands.movements import PurchaseAccounts, entry_of, netting
from cashback.errors import BudgetSpent, RefundedOtherwise, ReportedOtherwise
from cashback.ledger import Entry
from cashback.models import (
    Campaign,
    CampaignTerms,
    Click,
    Participant,
    Partner,
    Purchase,
    Refund,
)
from common.errors import NotFound
from common.events.cashback import PurchaseConfirmed, PurchaseDeclined, PurchaseRefunded, PurchaseReported
from common.outbox import publish


@dataclass(frozen=True)
class Report:
    """A line of an order as the partner tells it. `basket` is the whole order's amount, if this is a part."""

    click_id: UUID
    order: str
    line: int
    amount: int
    basket: int | None
    purchased_at: datetime


async def report_purchase(
    session: AsyncSession, partner: str, report: Report, click_days: int, now: datetime
) -> tuple[Purchase, bool]:
    """Record a purchase and its pending cashback. Returns it, and False when it was reported so before."""
    await _one_order_at_a_time(session, partner, report.order)
    before = await session.scalar(
        sa.select(Purchase).where(
            col(Purchase.partner) == partner,
            col(Purchase.order_number) == report.order,
            col(Purchase.line) == report.line,
        )
    )
    if before is not None:
        told = (before.click_id, before.reported, before.basket, before.purchased_at)
        if told != (report.click_id, report.amount, report.basket, report.purchased_at):
            raise ReportedOtherwise(before.purchase_id)
        return before, False
    click, campaign, terms, shop = await _clicked(session, partner, report.click_id)
    purchased_on = report.purchased_at.date()
    rules.check_moment_not_future(report.purchased_at, now)
    rules.check_click_valid(click, report.purchased_at, click_days)
    rules.check_window(terms, purchased_on)
    rules.check_participates(await session.get(Participant, click.member_id), purchased_on)
    earned_by_order = await _earned_by_order(session, partner, report.order, campaign.campaign_id)
    earned = rules.accrual(terms, report.amount, report.basket, earned_by_order)
    purchase = Purchase(
        purchase_id=uuid7(),
        click_id=click.click_id,
        member_id=click.member_id,
        partner=partner,
        campaign_id=campaign.campaign_id,
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
        purchased_on=purchased_on,
        hold_until=purchased_on + timedelta(days=shop.hold_days),
        resolved_on=None,
        explanation=rules.explain(terms, report.amount, earned),
        recorded_at=now,
        version=1,
    )
    session.add(purchase)
    await session.flush()
    accounts = PurchaseAccounts.of(purchase, campaign)
    balances = await ledger.hold(session, accounts.all())
    if accounts.budget is not None and balances[accounts.budget[0]] < earned:
        raise BudgetSpent
    await ledger.post(
        session,
        Entry(
            "accrual",
            _reference(purchase, "accrued"),
            purchase.purchased_at,
            purchase.explanation,
            [*accounts.owed_by_partner(earned), (accounts.pending, earned)],
        ),
    )
    publish(session, PurchaseReported(**purchase.public_state(purchased_on)))
    return purchase, True


async def confirm_purchase(
    session: AsyncSession, partner: str, purchase_id: UUID, amount: int | None, effective_on: date, now: datetime
) -> Purchase:
    """Make the cashback on `amount` (by default on all) available; what is not confirmed goes back."""
    rules.check_not_future(effective_on, now)
    purchase, campaign, terms = await _locked(session, partner, purchase_id)
    kept_amount = purchase.amount if amount is None else amount
    rules.check_can_confirm(purchase, kept_amount, effective_on)
    kept = rules.cashback_on(purchase, kept_amount, terms.rounding)
    accounts = PurchaseAccounts.of(purchase, campaign)
    balances = await ledger.hold(session, accounts.all())
    await ledger.post(
        session,
        Entry(
            "confirmation",
            _reference(purchase, "resolved"),
            rules.moment(effective_on),
            f"Партнёр подтвердил {rules.roubles(kept_amount)} из {rules.roubles(purchase.reported)}:"
            f" кешбэк {rules.roubles(kept)} доступен.",
            [
                (accounts.pending, -purchase.cashback),
                (accounts.available, kept),
                *accounts.owed_by_partner(kept - purchase.cashback),
            ],
        ),
        netting(purchase.member_id, _reference(purchase, "netted"), kept, balances, effective_on),
    )
    purchase.status, purchase.resolved_on = rules.CONFIRMED, effective_on
    purchase.amount, purchase.cashback = kept_amount, kept
    purchase.version += 1
    publish(session, PurchaseConfirmed(**purchase.public_state(effective_on)))
    return purchase


async def decline_purchase(
    session: AsyncSession, partner: str, purchase_id: UUID, effective_on: date, now: datetime
) -> Purchase:
    """Take the pending cashback back, whole: the goods were returned or the order was not honest."""
    rules.check_not_future(effective_on, now)
    purchase, campaign, _ = await _locked(session, partner, purchase_id)
    rules.check_can_decline(purchase, effective_on)
    accounts = PurchaseAccounts.of(purchase, campaign)
    await ledger.post(
        session,
        Entry(
            "decline",
            _reference(purchase, "resolved"),
            rules.moment(effective_on),
            f"Партнёр отклонил покупку: кешбэк {rules.roubles(purchase.cashback)} не начислен.",
            [*accounts.owed_by_partner(-purchase.cashback), (accounts.pending, -purchase.cashback)],
            reversal_of=await entry_of(session, _reference(purchase, "accrued")),
        ),
    )
    purchase.status, purchase.resolved_on = rules.DECLINED, effective_on
    purchase.amount = purchase.cashback = 0
    purchase.version += 1
    publish(session, PurchaseDeclined(**purchase.public_state(effective_on)))
    return purchase


async def refund_purchase(
    session: AsyncSession,
    partner: str,
    purchase_id: UUID,
    reference: str,
    amount: int,
    effective_on: date,
    now: datetime,
) -> Purchase:
    """Take back the cashback on returned goods, from what is available, else as the member's debt.

    A refund known by its reference changes nothing when it comes again with the same amount.
    """
    rules.check_not_future(effective_on, now)
    purchase, campaign, terms = await _locked(session, partner, purchase_id)
    before = await session.scalar(
        sa.select(col(Refund.amount)).where(
            col(Refund.purchase_id) == purchase_id, col(Refund.reference) == reference
        )
    )
    if before is not None:
        if before != amount:
            raise RefundedOtherwise
        return purchase
    rules.check_can_refund(purchase, amount, effective_on)
    left = purchase.amount - amount
    taken = purchase.cashback - rules.cashback_on(purchase, left, terms.rounding)
    accounts = PurchaseAccounts.of(purchase, campaign)
    balances = await ledger.hold(session, accounts.all())
    from_available = min(taken, balances[accounts.available])
    refund_id = uuid7()
    session.add(
        Refund(
            refund_id=refund_id,
            purchase_id=purchase_id,
            reference=reference,
            amount=amount,
            cashback=taken,
            effective_on=effective_on,
        )
    )
    await ledger.post(
        session,
        Entry(
            "refund",
            f"refund:{refund_id}",
            rules.moment(effective_on),
            f"Возврат {rules.roubles(amount)}: кешбэк уменьшен на {rules.roubles(taken)},"
            f" из них {rules.roubles(taken - from_available)} из будущих начислений.",
            [
                (accounts.available, -from_available),
                (accounts.clawback, from_available - taken),
                *accounts.owed_by_partner(-taken),
            ],
        ),
    )
    purchase.amount, purchase.cashback = left, purchase.cashback - taken
    purchase.status = rules.CONFIRMED if left else rules.REFUNDED
    purchase.version += 1
    publish(session, PurchaseRefunded(**purchase.public_state(effective_on)))
    return purchase


def _reference(purchase: Purchase, step: str) -> str:
    return f"purchase:{purchase.purchase_id}:{step}"


async def _one_order_at_a_time(session: AsyncSession, partner: str, order: str) -> None:
    """The lines of an order share its cap; two that are reported at once would both see it unspent."""
    await session.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended(:order, 0))"), {"order": f"{partner}\x1f{order}"}
    )


async def _earned_by_order(session: AsyncSession, partner: str, order: str, campaign_id: UUID) -> int:
    """What the order's lines earn now: a return gives the cap back."""
    earned = await session.scalar(
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(col(Purchase.cashback)), 0), sa.BigInteger)).where(
            col(Purchase.partner) == partner,
            col(Purchase.order_number) == order,
            col(Purchase.campaign_id) == campaign_id,
        )
    )
    return int(earned or 0)


async def _clicked(
    session: AsyncSession, partner: str, click_id: UUID
) -> tuple[Click, Campaign, CampaignTerms, Partner]:
    """A click on one of this partner's campaigns; another partner's is as if it did not exist."""
    row = (
        await session.execute(
            sa.select(Click, Campaign, CampaignTerms, Partner)
            .join(Campaign, col(Campaign.campaign_id) == col(Click.campaign_id))
            .join(
                CampaignTerms,
                sa.and_(
                    col(CampaignTerms.campaign_id) == col(Click.campaign_id),
                    col(CampaignTerms.version) == col(Click.campaign_version),
                ),
            )
            .join(Partner, col(Partner.partner) == col(Campaign.partner))
            .where(col(Click.click_id) == click_id, col(Campaign.partner) == partner)
        )
    ).first()
    if row is None:
        raise NotFound("click", click_id)
    return row[0], row[1], row[2], row[3]


async def _locked(
    session: AsyncSession, partner: str, purchase_id: UUID
) -> tuple[Purchase, Campaign, CampaignTerms]:
    """The purchase, locked, if it is this partner's; its campaign and the terms that it earned by."""
    purchase = await session.get(Purchase, purchase_id, with_for_update=True)
    if purchase is None or purchase.partner != partner:
        raise NotFound("purchase", purchase_id)
    campaign = await session.get_one(Campaign, purchase.campaign_id)
    terms = await session.get_one(CampaignTerms, (purchase.campaign_id, purchase.campaign_version))
    return purchase, campaign, terms
