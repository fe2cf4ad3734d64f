"""What the bonus programme follows: the tree, the members with their consents, the cards."""

from sqlalchemy.ext.asyncio import AsyncSession

from cashback import rules
from cashback.commands import participation
from cashback.config import CashbackSettings
from cashback.models import Card, Member, Organisation
from common.consumers import Delivery, Subscription
from common.events.cards import CARD_EVENTS, CARDS
from common.events.registry import (
    MEMBER_EVENTS,
    MEMBERS,
    ORGANISATION_EVENTS,
    ORGANISATIONS,
    ConsentWithdrawn,
    MemberEvent,
    MemberExpelled,
    MemberLeft,
)
from common.projections import Projection


def subscriptions(_settings: CashbackSettings) -> list[Subscription]:
    organisations = Subscription("cashback", ORGANISATIONS)
    organisations.projects(Projection(Organisation, key="organisation_id"), *ORGANISATION_EVENTS)

    cards = Subscription("cashback", CARDS)
    cards.projects(Projection(Card, key="card_id"), *CARD_EVENTS)

    members = Subscription("cashback", MEMBERS)
    members.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)

    @members.effect(MemberLeft, MemberExpelled)
    async def end_participation_with_membership(
        session: AsyncSession, event: MemberEvent, _delivery: Delivery
    ) -> None:
        ended_on = event.left_on or event.effective_on
        await participation.end_participation(session, event.member_id, ended_on, "membership_ended")

    @members.effect(ConsentWithdrawn)
    async def end_participation_on_withdrawn_consent(
        session: AsyncSession, event: ConsentWithdrawn, _delivery: Delivery
    ) -> None:
        if event.purpose == rules.BONUS:
            await participation.end_participation(
                session, event.member_id, event.effective_on, "consent_withdrawn"
            )

    return [organisations, cards, members]
