"""Enrolment in the bonus programme, its end, and clicks."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import ledger, rules
from cashback.commands.movements import netting
from cashback.errors import NotParticipating
from cashback.ledger import Entry, Kind, Ref
from cashback.models import (
    Account,
    Campaign,
    CampaignTerms,
    Card,
    Click,
    Member,
    Participant,
    Participation,
    Partner,
)
from common.errors import NotFound
from common.events.cashback import ParticipantEnrolled, ParticipationEnded
from common.outbox import publish


async def enrol_participant(
    session: AsyncSession, member_id: UUID, effective_on: date, now: datetime
) -> Participant:
    """Enrol a member, anew if the participation had ended."""
    rules.check_not_future(effective_on, now)
    # The member's row is locked: a withdrawal that arrives now waits, and then finds the participant to end.
    member = await session.get(Member, member_id, with_for_update=True)
    cards = await session.scalars(sa.select(col(Card.status)).where(col(Card.member_id) == member_id))
    participant = await session.get(Participant, member_id, with_for_update=True)
    rules.check_can_enrol(member, cards.all(), participant, effective_on)
    if participant is None:
        participant = Participant(
            member_id=member_id,
            status=rules.ENROLLED,
            enrolled_on=effective_on,
            ended_on=None,
            end_reason=None,
            version=1,
        )
        session.add(participant)
        await session.flush()
    else:
        participant.status, participant.enrolled_on = rules.ENROLLED, effective_on
        participant.ended_on = participant.end_reason = None
        participant.version += 1
    spans = await _spans(session, member_id)
    session.add(Participation(member_id=member_id, number=len(spans) + 1, enrolled_on=effective_on, ended_on=None))
    publish(session, ParticipantEnrolled(**participant.public_state(effective_on)))
    return participant


async def _spans(session: AsyncSession, member_id: UUID) -> list[Participation]:
    rows = await session.scalars(
        sa.select(Participation)
        .where(col(Participation.member_id) == member_id)
        .order_by(col(Participation.number))
    )
    return list(rows.all())


async def end_participation(session: AsyncSession, member_id: UUID, ended_on: date, reason: str) -> None:
    """End a participation if there is one. What was bought before `ended_on` still earns; the rest does not."""
    participant = await session.get(Participant, member_id, with_for_update=True)
    if participant is None or participant.status == rules.ENDED:
        return
    (await _spans(session, member_id))[-1].ended_on = ended_on
    participant.status, participant.ended_on, participant.end_reason = rules.ENDED, ended_on, reason
    participant.version += 1
    publish(session, ParticipationEnded(**participant.public_state(ended_on)))


async def inherit(session: AsyncSession, member_id: UUID, heir_id: UUID, on: date, now: datetime) -> None:
    """The record was a double: participation ends, and what it has available or owes is the heir's from now on."""
    await end_participation(session, member_id, on, "merged")
    participant = await session.get(Participant, member_id, with_for_update=True)
    if participant is not None:
        participant.heir_id = heir_id
        await session.flush()
        await pass_on(session, now, [member_id])


async def pass_on(
    session: AsyncSession, now: datetime, members: Sequence[UUID] | None = None, limit: int = 500
) -> int:
    """Move what up to `limit` merged participants have received to their heirs; returns how many had something."""
    owner = sa.cast(col(Participant.member_id), sa.Text)
    kinds = (Kind.MEMBER_AVAILABLE, Kind.MEMBER_CLAWBACK)
    statement = (
        sa.select(col(Participant.member_id), col(Participant.heir_id))
        .where(
            col(Participant.heir_id).is_not(None),
            sa.exists().where(
                col(Account.owner) == owner, col(Account.kind).in_(kinds), col(Account.balance) != 0
            ),
        )
        .limit(limit)
    )
    if members is not None:
        statement = statement.where(col(Participant.member_id).in_(members))
    heirs = {str(row.member_id): str(row.heir_id) for row in await session.execute(statement)}
    refs = [Ref(kind, who) for kind in kinds for pair in heirs.items() for who in pair]
    balances = await ledger.hold(session, refs)
    entries = []
    for member, heir in heirs.items():
        moved = [(kind, balances[Ref(kind, member)]) for kind in kinds]
        movements = [
            movement
            for kind, amount in moved
            for movement in ((Ref(kind, member), -amount), (Ref(kind, heir), amount))
        ]
        told = "Учётная запись объединена с другой: остаток перенесён."
        reference = f"member:{member}:passed_on:{uuid7()}"
        entries.append(Entry("inheritance", reference, now, told, movements))
        for ref, amount in movements:
            balances[ref] += amount
        entry = netting(
            UUID(heir), f"{reference}:netted", balances[Ref(Kind.MEMBER_AVAILABLE, heir)], balances, now.date()
        )
        entries.append(entry)
        for ref, amount in entry.movements:
            balances[ref] += amount
    await ledger.post(session, *entries, held=True)
    return len(heirs)


async def record_click(
    session: AsyncSession, member_id: UUID, campaign_id: UUID, clicked_at: datetime, now: datetime
) -> tuple[Click, str]:
    """Record a member's way to a campaign; returns it and the partner's landing address.

    `clicked_at` is our own clock's, or that of a system of the union that recorded it: never the member's.
    """
    rules.check_moment_not_future(clicked_at, now)
    row = (
        await session.execute(
            sa.select(Campaign, CampaignTerms, Partner)
            .join(
                CampaignTerms,
                sa.and_(
                    col(CampaignTerms.campaign_id) == col(Campaign.campaign_id),
                    col(CampaignTerms.version) == col(Campaign.version),
                ),
            )
            .join(Partner, col(Partner.partner) == col(Campaign.partner))
            .where(col(Campaign.campaign_id) == campaign_id)
        )
    ).first()
    if row is None:
        raise NotFound("campaign", campaign_id)
    campaign, terms, partner = row
    rules.check_open(campaign, terms, clicked_at.date())
    if not rules.takes_part(await _spans(session, member_id), clicked_at.date()):
        raise NotParticipating(clicked_at.date())
    click = Click(
        # Random, not ordered by time: two partners cannot tell a member by neighbouring ids.
        click_id=uuid4(),
        member_id=member_id,
        campaign_id=campaign_id,
        campaign_version=terms.version,
        clicked_at=clicked_at.astimezone(UTC),
    )
    session.add(click)
    return click, partner.landing_url
