"""Payouts to members."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cashback import ledger, rules
from cashback.commands.movements import entry_of, netting
from cashback.ledger import Entry, Kind, Ref
from cashback.models import Participant, Payout
from common.errors import NotFound
from common.events.cashback import PayoutFailed, PayoutRequested, PayoutSettled
from common.outbox import publish


async def request_payout(
    session: AsyncSession,
    member_id: UUID,
    amount: int,
    effective_on: date,
    minimum: int,
    payable_days: int,
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
        status=rules.REQUESTED,
        requested_on=effective_on,
        resolved_on=None,
        reason=None,
        version=1,
    )
    session.add(payout)
    await ledger.post(
        session,
        Entry(
            "payout",
            _reference(payout, "requested"),
            rules.moment(effective_on),
            f"Выплата {rules.roubles(amount)} запрошена.",
            [(available, -amount), (clearing, amount)],
        ),
    )
    publish(session, PayoutRequested(**payout.public_state(effective_on)))
    return payout


async def settle_payout(session: AsyncSession, payout_id: UUID, effective_on: date, now: datetime) -> Payout:
    """The bank has paid."""
    rules.check_not_future(effective_on, now)
    payout = await _locked(session, payout_id)
    rules.check_can_resolve(payout, effective_on)
    _, clearing = _accounts(payout.member_id)
    await ledger.post(
        session,
        Entry(
            "payout_settled",
            _reference(payout, "resolved"),
            rules.moment(effective_on),
            f"Выплата {rules.roubles(payout.amount)} исполнена банком.",
            [(clearing, -payout.amount), (Ref(Kind.BANK), payout.amount)],
        ),
    )
    payout.status, payout.resolved_on, payout.version = rules.SETTLED, effective_on, payout.version + 1
    publish(session, PayoutSettled(**payout.public_state(effective_on)))
    return payout


async def fail_payout(
    session: AsyncSession, payout_id: UUID, reason: str, effective_on: date, now: datetime
) -> Payout:
    """The bank has refused: the money is available again, less what the member owes by now."""
    rules.check_not_future(effective_on, now)
    payout = await _locked(session, payout_id)
    rules.check_can_resolve(payout, effective_on)
    available, clearing = _accounts(payout.member_id)
    clawback = Ref(Kind.MEMBER_CLAWBACK, str(payout.member_id))
    balances = await ledger.hold(session, (available, clearing, clawback))
    await ledger.post(
        session,
        Entry(
            "payout_failed",
            _reference(payout, "resolved"),
            rules.moment(effective_on),
            f"Выплата {rules.roubles(payout.amount)} не исполнена, деньги снова доступны.",
            [(available, payout.amount), (clearing, -payout.amount)],
            reversal_of=await entry_of(session, _reference(payout, "requested")),
        ),
        netting(payout.member_id, _reference(payout, "netted"), payout.amount, balances, effective_on),
    )
    payout.status, payout.resolved_on, payout.reason = rules.FAILED, effective_on, reason
    payout.version += 1
    publish(session, PayoutFailed(**payout.public_state(effective_on)))
    return payout


def _accounts(member_id: UUID) -> tuple[Ref, Ref]:
    return Ref(Kind.MEMBER_AVAILABLE, str(member_id)), Ref(Kind.PAYOUT_CLEARING, str(member_id))


def _reference(payout: Payout, step: str) -> str:
    return f"payout:{payout.payout_id}:{step}"


async def _locked(session: AsyncSession, payout_id: UUID) -> Payout:
    payout = await session.get(Payout, payout_id, with_for_update=True)
    if payout is None:
        raise NotFound("payout", payout_id)
    return payout
