"""What the cards service does with the registry's events."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from cards import commands, rules
from cards.commands import Cause
from cards.config import CardsSettings
from cards.models import Member, Organisation
from cards.qr import card_terms
from common.consumers import Delivery, Subscription
from common.events.registry import (
    MEMBER_EVENTS,
    MEMBERS,
    ORGANISATION_EVENTS,
    ORGANISATIONS,
    ConsentGiven,
    ConsentWithdrawn,
    MemberAdmitted,
    MemberErased,
    MemberEvent,
    MemberExpelled,
    MemberLeft,
    MemberMerged,
    MemberReinstated,
    MemberRetracted,
)
from common.projections import Projection


def subscriptions(settings: CardsSettings) -> list[Subscription]:
    """Reads the key of card numbers, once."""
    terms = card_terms(settings)

    organisations = Subscription("cards", ORGANISATIONS)
    organisations.projects(Projection(Organisation, key="organisation_id"), *ORGANISATION_EVENTS)

    members = Subscription("cards", MEMBERS)
    members.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)

    # Ending comes before issuing. Issuing asks for the member's newest state and ending only for cards made
    # before its event, so a batch with a leaving and a return in it ends with one card, the new one.
    @members.effect(MemberLeft, MemberExpelled, MemberMerged, MemberErased, MemberRetracted)
    async def end_cards_with_membership(session: AsyncSession, event: MemberEvent, delivery: Delivery) -> None:
        reason = {MemberMerged: "merged", MemberErased: "erased"}.get(type(event), "membership_ended")
        await commands.end_cards(
            session, event.member_id, event.version, reason, _cause_of(delivery), delivery.now
        )
        if isinstance(event, MemberErased):
            await commands.forget_devices(session, event.member_id)

    @members.effect(ConsentWithdrawn)
    async def end_cards_without_consent(
        session: AsyncSession, event: ConsentWithdrawn, delivery: Delivery
    ) -> None:
        if event.purpose == "cards":
            await commands.end_cards(
                session, event.member_id, event.version, "consent_withdrawn", _cause_of(delivery), delivery.now
            )

    @members.bulk_effect(MemberAdmitted, ConsentGiven, MemberReinstated)
    async def issue_virtual_card_by_consent(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        causes = {
            delivery.event.member_id: _cause_of(delivery)
            for delivery in deliveries
            # Who was not entitled even then is heard of again when that changes.
            if isinstance(delivery.event, MemberEvent)
            and rules.is_entitled(delivery.event.status, delivery.event.consents)
        }
        await commands.issue_virtual_cards(session, causes, terms, deliveries[0].now)

    return [organisations, members]


def _cause_of(delivery: Delivery) -> Cause:
    return Cause(delivery.envelope.type, delivery.envelope.id, delivery.envelope.traceparent)
