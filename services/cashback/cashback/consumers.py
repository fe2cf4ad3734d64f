"""What the bonus programme follows: the tree, the members with their consents, the cards."""

from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import rules
from cashback.commands import files, participation
from cashback.commands.intake import take_reports
from cashback.commands.reports import Report
from cashback.config import CashbackSettings
from cashback.models import Card, Member, Organisation
from cashback.policy import Policy, policy_of
from cashback.schemas.purchases import ReportLine
from common.consumers import Delivery, Subscription, Unreadable
from common.events.cards import CARD_EVENTS, CARDS
from common.events.partners import PURCHASE_REPORTS, OrderLineReported
from common.events.registry import (
    MEMBER_EVENTS,
    MEMBERS,
    ORGANISATION_EVENTS,
    ORGANISATIONS,
    ConsentWithdrawn,
    MemberErased,
    MemberEvent,
    MemberExpelled,
    MemberLeft,
    MemberMerged,
    MemberRetracted,
)
from common.projections import Projection


def subscriptions(settings: CashbackSettings) -> list[Subscription]:
    organisations = Subscription("cashback", ORGANISATIONS)
    organisations.projects(Projection(Organisation, key="organisation_id"), *ORGANISATION_EVENTS)

    cards = Subscription("cashback", CARDS)
    cards.projects(Projection(Card, key="card_id"), *CARD_EVENTS)

    members = Subscription("cashback", MEMBERS)
    members.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)

    @members.effect(MemberLeft, MemberExpelled, MemberErased, MemberRetracted)
    async def end_participation_with_membership(
        session: AsyncSession, event: MemberEvent, _delivery: Delivery
    ) -> None:
        ended_on = event.left_on or event.effective_on
        await participation.end_participation(session, event.member_id, ended_on, "membership_ended")

    @members.effect(MemberMerged)
    async def pass_balance_on_to_the_surviving_record(
        session: AsyncSession, event: MemberMerged, delivery: Delivery
    ) -> None:
        await participation.inherit(
            session, event.member_id, event.into_member_id, event.effective_on, delivery.now
        )

    @members.effect(ConsentWithdrawn)
    async def end_participation_on_withdrawn_consent(
        session: AsyncSession, event: ConsentWithdrawn, _delivery: Delivery
    ) -> None:
        if event.purpose == rules.BONUS:
            await participation.end_participation(
                session, event.member_id, event.effective_on, "consent_withdrawn"
            )

    policy = policy_of(settings) if settings.partner_topics else None
    partners = [_of_partner(partner, policy) for partner in settings.partner_topics if policy]
    return [organisations, cards, members, *partners]


def _of_partner(partner: str, policy: Policy) -> Subscription:
    """The partner's own topic. Whose word it is, the topic says: only that partner may write to it."""
    reports = Subscription("cashback", PURCHASE_REPORTS.of(partner))

    @reports.bulk_effect(OrderLineReported)
    async def take_reports_of_partner(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        reports = [
            report_of(partner, delivery.event, delivery.envelope.traceparent)
            for delivery in deliveries
            if isinstance(delivery.event, OrderLineReported)
        ]
        now = deliveries[0].now
        # A refusal is the partner's to read, not a failure of ours: the record is not parked for it.
        files.keep_refusals(session, "topic", await take_reports(session, reports, "topic", policy, now), now)

    return reports


def report_of(partner: str, event: OrderLineReported, traceparent: str | None = None) -> Report:
    """Raises Unreadable when a value is out of bounds: such a record is parked."""
    try:
        line = ReportLine.model_validate(
            event.model_dump(exclude={"version", "effective_on"})
            | {
                "version": str(event.version),
                "effective_on": None if event.what == "reported" else event.effective_on,
            }
        )
    except ValidationError as error:
        wrong = ", ".join(str(item["loc"][0]) for item in error.errors(include_input=False) if item["loc"])
        raise Unreadable(f"out of bounds: {wrong}") from None
    return Report(partner, **line.model_dump(), traceparent=traceparent)
