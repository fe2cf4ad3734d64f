"""Payouts to members: requested, approved, sent to the bank, settled or not. Nothing is paid twice or lost."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import errors, ledger, rules
from cashback.commands.movements import entry_of, netting
from cashback.ledger import Entry, Kind, Ref
from cashback.models import BankFile, Participant, Payout
from common.auth import Principal, second_person
from common.errors import NotFound, SecondPersonNeeded
from common.events import cashback as events
from common.outbox import publish

_EVENT_OF: dict[str, type[events.PayoutEvent]] = {
    rules.APPROVED: events.PayoutApproved,
    rules.DECLINED: events.PayoutDeclined,
    rules.SENT: events.PayoutSent,
    rules.UNKNOWN: events.PayoutUnknown,
    rules.SETTLED: events.PayoutSettled,
    rules.FAILED: events.PayoutFailed,
    rules.RETURNED: events.PayoutReturned,
}


async def request_payout(
    session: AsyncSession,
    member_id: UUID,
    amount: int,
    effective_on: date,
    minimum: int,
    payable_days: int,
    tax_free: int,
    now: datetime,
) -> Payout:
    """Set `amount` of the member's available balance aside for the bank."""
    rules.check_not_future(effective_on, now)
    until = rules.payable_until(await session.get(Participant, member_id), payable_days)
    available, clearing = _accounts(member_id)
    balances = await ledger.hold(session, (available, clearing))
    rules.check_can_pay_out(amount, balances[available], minimum, until, effective_on)
    payout = Payout(
        payout_id=uuid7(),
        member_id=member_id,
        amount=amount,
        # The balance is locked: two requests of a member are never counted at once.
        taxable=rules.taxable(await _paid_in_year(session, member_id, effective_on.year), amount, tax_free),
        status=rules.REQUESTED,
        requested_on=effective_on,
        version=1,
    )
    session.add(payout)
    await ledger.post(
        session,
        Entry(
            "payout",
            reference_of(payout, "requested"),
            rules.moment(effective_on),
            f"Выплата {rules.roubles(amount)} запрошена.",
            [(available, -amount), (clearing, amount)],
        ),
        held=True,
    )
    publish(session, events.PayoutRequested(**payout.public_state(effective_on)))
    return payout


async def approve_payout(
    session: AsyncSession, payout_id: UUID, principal: Principal, four_eyes_limit: int, now: datetime
) -> Payout:
    """Above the limit two people approve, one after the other; nobody approves their own."""
    payout = await _locked(session, payout_id)
    rules.check_payout_can_become(payout, rules.APPROVED)
    if principal.member_id == payout.member_id:
        raise SecondPersonNeeded
    if payout.amount > four_eyes_limit and payout.first_approved_by is None:
        payout.first_approved_by, payout.version = principal.subject, payout.version + 1
        return payout
    if payout.first_approved_by is not None:
        second_person(principal, payout.first_approved_by)
    payout.approved_by = principal.subject
    step(session, payout, rules.APPROVED, now.date())
    return payout


async def decline_payout(session: AsyncSession, payout_id: UUID, reason: str, now: datetime) -> Payout:
    """Before it was sent: the money is available again, less what the member owes by now."""
    payout = await _locked(session, payout_id)
    rules.check_payout_can_become(payout, rules.DECLINED)
    await _give_back(session, payout, rules.DECLINED, reason, now.date(), "отклонена")
    return payout


async def cancel_payout(session: AsyncSession, payout_id: UUID, member_id: UUID, now: datetime) -> Payout:
    """The member no longer wants it; possible until it is approved."""
    payout = await _locked(session, payout_id)
    if payout.member_id != member_id:
        raise NotFound("payout", payout_id)
    if payout.status != rules.REQUESTED:
        raise errors.PayoutStepNotAllowed(payout.status, rules.DECLINED)
    await _give_back(session, payout, rules.DECLINED, "cancelled_by_member", now.date(), "отозвана")
    return payout


async def settle_payout(session: AsyncSession, payout_id: UUID, effective_on: date, now: datetime) -> Payout:
    """The bank has paid."""
    payout = await _locked(session, payout_id)
    await settle(session, payout, effective_on, now)
    return payout


async def settle(session: AsyncSession, payout: Payout, effective_on: date, now: datetime) -> None:
    """The same for a payout that the caller has locked."""
    rules.check_not_future(effective_on, now)
    rules.check_payout_can_become(payout, rules.SETTLED)
    rules.check_not_before(effective_on, payout.sent_on)
    _, clearing = _accounts(payout.member_id)
    await ledger.post(
        session,
        Entry(
            "payout_settled",
            reference_of(payout, "resolved"),
            rules.moment(effective_on),
            f"Выплата {rules.roubles(payout.amount)} исполнена банком.",
            [(clearing, -payout.amount), (Ref(Kind.BANK), payout.amount)],
        ),
    )
    payout.resolved_on = effective_on
    step(session, payout, rules.SETTLED, effective_on)


async def fail_payout(
    session: AsyncSession, payout_id: UUID, reason: str, effective_on: date, now: datetime
) -> Payout:
    """The bank has refused: the money is available again, less what the member owes by now."""
    payout = await _locked(session, payout_id)
    await fail(session, payout, reason, effective_on, now)
    return payout


async def fail(session: AsyncSession, payout: Payout, reason: str, effective_on: date, now: datetime) -> None:
    """The same for a payout that the caller has locked."""
    rules.check_not_future(effective_on, now)
    rules.check_payout_can_become(payout, rules.FAILED)
    rules.check_not_before(effective_on, payout.sent_on)
    await _give_back(session, payout, rules.FAILED, reason, effective_on, "не исполнена")


async def bring_back(
    session: AsyncSession, payout: Payout, reason: str, effective_on: date, now: datetime
) -> None:
    """The bank brought back what it had paid; the payout's row is locked."""
    rules.check_not_future(effective_on, now)
    rules.check_payout_can_become(payout, rules.RETURNED)
    rules.check_not_before(effective_on, payout.resolved_on)
    available, _ = _accounts(payout.member_id)
    clawback, bank = Ref(Kind.MEMBER_CLAWBACK, str(payout.member_id)), Ref(Kind.BANK)
    balances = await ledger.hold(session, (available, clawback, bank))
    await ledger.post(
        session,
        Entry(
            "payout_returned",
            reference_of(payout, "returned"),
            rules.moment(effective_on),
            f"Выплата {rules.roubles(payout.amount)} вернулась из банка, деньги снова доступны.",
            [(available, payout.amount), (bank, -payout.amount)],
        ),
        netting(payout.member_id, reference_of(payout, "returned_netted"), payout.amount, balances, effective_on),
        held=True,
    )
    payout.reason = reason
    step(session, payout, rules.RETURNED, effective_on)


async def mark_unanswered(session: AsyncSession, now: datetime, answer_days: int, limit: int = 1000) -> int:
    """Call those unknown of which the bank has said nothing for so many days; returns how many of them."""
    statement = (
        sa.select(Payout)
        .join(BankFile, col(BankFile.file_number) == col(Payout.file_number))
        .where(col(Payout.status) == rules.SENT, col(BankFile.made_at) < now - timedelta(days=answer_days))
        .order_by(col(Payout.payout_id))
        .limit(limit)
        .with_for_update(of=Payout, skip_locked=True)
    )
    silent: Sequence[Payout] = (await session.scalars(statement)).all()
    for payout in silent:
        step(session, payout, rules.UNKNOWN, now.date())
    return len(silent)


def step(session: AsyncSession, payout: Payout, status: str, day: date) -> None:
    """Move a payout, whose row the caller has locked, and tell of it."""
    rules.check_payout_can_become(payout, status)
    payout.status, payout.version = status, payout.version + 1
    publish(session, _EVENT_OF[status](**payout.public_state(day)))


def reference_of(payout: Payout, what: str) -> str:
    """What the journal calls a movement of this payout: each kind of movement happens once."""
    return f"payout:{payout.payout_id}:{what}"


async def _give_back(session: AsyncSession, payout: Payout, status: str, reason: str, day: date, how: str) -> None:
    available, clearing = _accounts(payout.member_id)
    clawback = Ref(Kind.MEMBER_CLAWBACK, str(payout.member_id))
    balances = await ledger.hold(session, (available, clearing, clawback))
    await ledger.post(
        session,
        Entry(
            "payout_given_back",
            reference_of(payout, "resolved"),
            rules.moment(day),
            f"Выплата {rules.roubles(payout.amount)} {how}, деньги снова доступны.",
            [(available, payout.amount), (clearing, -payout.amount)],
            reversal_of=await entry_of(session, reference_of(payout, "requested")),
        ),
        netting(payout.member_id, reference_of(payout, "netted"), payout.amount, balances, day),
        held=True,
    )
    payout.resolved_on, payout.reason = day, reason
    step(session, payout, status, day)


def _accounts(member_id: UUID) -> tuple[Ref, Ref]:
    return Ref(Kind.MEMBER_AVAILABLE, str(member_id)), Ref(Kind.PAYOUT_CLEARING, str(member_id))


async def _paid_in_year(session: AsyncSession, member_id: UUID, year: int) -> int:
    statement = sa.select(sa.cast(sa.func.coalesce(sa.func.sum(col(Payout.amount)), 0), sa.BigInteger)).where(
        col(Payout.member_id) == member_id,
        col(Payout.status).not_in(rules.GIVEN_BACK),
        sa.extract("year", col(Payout.requested_on)) == year,
    )
    return (await session.execute(statement)).scalar_one()


async def _locked(session: AsyncSession, payout_id: UUID) -> Payout:
    payout = await session.get(Payout, payout_id, with_for_update=True)
    if payout is None:
        raise NotFound("payout", payout_id)
    return payout
