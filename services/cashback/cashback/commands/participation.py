"""Enrolment in the bonus programme, its end, and clicks."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import rules
from cashback.models import Campaign, CampaignTerms, Card, Click, Member, Participant, Partner
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
    else:
        participant.status, participant.enrolled_on = rules.ENROLLED, effective_on
        participant.ended_on = participant.end_reason = None
        participant.version += 1
    publish(session, ParticipantEnrolled(**participant.public_state(effective_on)))
    return participant


async def end_participation(session: AsyncSession, member_id: UUID, ended_on: date, reason: str) -> None:
    """End a participation if there is one. What was bought before `ended_on` still earns; the rest does not."""
    participant = await session.get(Participant, member_id, with_for_update=True)
    if participant is None or participant.status == rules.ENDED:
        return
    participant.status, participant.ended_on, participant.end_reason = rules.ENDED, ended_on, reason
    participant.version += 1
    publish(session, ParticipationEnded(**participant.public_state(ended_on)))


async def record_click(
    session: AsyncSession, member_id: UUID, campaign_id: UUID, clicked_at: datetime, now: datetime
) -> tuple[Click, str]:
    """Record a member's way to a campaign; returns it and the partner's landing address."""
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
    rules.check_participates(await session.get(Participant, member_id), clicked_at.date())
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
