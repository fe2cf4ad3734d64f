"""Members move between organisations: released by one, taken on by another, never in two and never in none."""

from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.events.registry import MemberTransferred
from registry import errors, rules
from registry.commands.deadlines import escalate_transfers
from registry.commands.loading import held_organisation, is_within, locked, open_stay
from registry.commands.membership import end_stay, publish_member
from registry.commands.offices import end_offices_of
from registry.commands.organisations import check_active_since
from registry.models import Member, Membership, Transfer


async def release_member(
    session: AsyncSession,
    member_id: UUID,
    to_organisation_id: UUID,
    effective_on: date,
    transfer_days: int,
    now: datetime,
) -> Transfer:
    """The member stays where they are until the other organisation accepts, within `transfer_days` from now."""
    member = await locked(session, Member, member_id)
    rules.check_in_force(member)
    stay = await open_stay(session, member_id)
    rules.check_date(effective_on, "effective_on", now.date(), stay.from_on)
    waiting = await _waiting(session, member_id)
    organisation = await held_organisation(session, to_organisation_id)
    rules.check_releasable(member, organisation, waiting)
    transfer = Transfer(
        transfer_id=uuid7(),
        member_id=member_id,
        from_organisation_id=member.organisation_id,
        to_organisation_id=to_organisation_id,
        released_on=effective_on,
        # A release that is recorded late leaves the other side its time all the same.
        deadline=max(effective_on, now.date()) + timedelta(days=transfer_days),
    )
    session.add(transfer)
    return transfer


async def accept_transfer(
    session: AsyncSession, transfer_id: UUID, effective_on: date, decider: UUID | None, now: datetime
) -> Transfer:
    """The member moves; the first day of the seniority stays. Offices in what is left behind end.

    `decider` is the organisation for which the caller decides; None: for the whole union.
    """
    transfer, member = await _decidable(session, transfer_id, decider, now)
    rules.check_date(effective_on, "effective_on", now.date())
    rules.check_accepted_on(transfer, effective_on)
    rules.check_in_force(member)
    rules.check_takes_members(await held_organisation(session, transfer.to_organisation_id))
    await check_active_since(session, transfer.to_organisation_id, effective_on)
    end_stay(await open_stay(session, member.member_id), effective_on, "transferred")
    # The old stay ends before the new one is written: only one may be open.
    await session.flush()
    session.add(
        Membership(
            membership_id=uuid7(),
            member_id=member.member_id,
            organisation_id=transfer.to_organisation_id,
            from_on=effective_on,
        )
    )
    _end(transfer, "accepted", effective_on, None)
    member.organisation_id, member.version = transfer.to_organisation_id, member.version + 1
    await end_offices_of(
        session,
        member.member_id,
        effective_on - timedelta(days=1),
        "transferred",
        kept_within=transfer.to_organisation_id,
    )
    await publish_member(
        session, MemberTransferred, member, effective_on, from_organisation_id=transfer.from_organisation_id
    )
    return transfer


async def refuse_transfer(
    session: AsyncSession, transfer_id: UUID, reason: str, decider: UUID | None, now: datetime
) -> Transfer:
    """The member stays where they are."""
    transfer, _ = await _decidable(session, transfer_id, decider, now)
    _end(transfer, "refused", now.date(), reason)
    return transfer


async def extend_transfer(
    session: AsyncSession, transfer_id: UUID, deadline: date, decider: UUID | None, now: datetime
) -> Transfer:
    """The organisation above gives the receiving one time until a new deadline."""
    transfer, _ = await _decidable(session, transfer_id, decider, now)
    if transfer.escalated_to is None:
        raise errors.TransferNotEscalated
    if not now.date() < deadline <= now.date() + timedelta(days=366):
        raise errors.DateOutOfRange("deadline")
    transfer.deadline, transfer.escalated_to, transfer.escalated_at = deadline, None, None
    transfer.reminded_at = None
    transfer.version += 1
    return transfer


async def cancel_transfer(session: AsyncSession, transfer_id: UUID, reason: str | None, now: datetime) -> Transfer:
    """By the member or by those who released: the member stays, whatever the deadline."""
    transfer, _ = await _locked_pair(session, transfer_id)
    rules.check_waiting(transfer)
    _end(transfer, "cancelled", now.date(), reason)
    return transfer


async def _decidable(
    session: AsyncSession, transfer_id: UUID, decider: UUID | None, now: datetime
) -> tuple[Transfer, Member]:
    """A transfer that waits, and for this organisation: past its deadline only those above both ends decide."""
    transfer, member = await _locked_pair(session, transfer_id)
    rules.check_waiting(transfer)
    if transfer.deadline < now.date() and transfer.escalated_to is None:
        await escalate_transfers(session, now, transfer_id)
        await session.refresh(transfer)
    asked = transfer.escalated_to
    if asked is not None and decider is not None and not await is_within(session, asked, decider):
        raise errors.TransferEscalated
    return transfer, member


async def _locked_pair(session: AsyncSession, transfer_id: UUID) -> tuple[Transfer, Member]:
    """The member is locked first, as by every command that ends a stay."""
    member_id = await session.scalar(
        sa.text("select member_id from transfer where transfer_id = :id"), {"id": transfer_id}
    )
    member = await locked(session, Member, member_id)
    return await locked(session, Transfer, transfer_id), member


async def _waiting(session: AsyncSession, member_id: UUID) -> Transfer | None:
    statement = sa.select(Transfer).where(
        Transfer.member_id == member_id,  # type: ignore[arg-type]
        Transfer.status == "released",  # type: ignore[arg-type]
    )
    return (await session.scalars(statement)).one_or_none()


def _end(transfer: Transfer, status: str, day: date, reason: str | None) -> None:
    transfer.status, transfer.decided_on, transfer.reason = status, day, reason
    transfer.version += 1
