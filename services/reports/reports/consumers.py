"""What reports does with events: last states for lists and scopes, facts for statistics. No effects."""

from common.consumers import Subscription
from common.events.cards import CARD_EVENTS, CARDS
from common.events.cashback import PARTICIPANT_EVENTS, PARTICIPANTS
from common.events.registry import (
    MEMBER_EVENTS,
    MEMBERS,
    OFFICE_EVENTS,
    OFFICES,
    ORGANISATION_EVENTS,
    ORGANISATIONS,
)
from common.projections import Facts, Projection
from reports.config import ReportsSettings
from reports.models import Card, Member, MemberFact, OfficeFact, Organisation, OrganisationFact, Participant


def subscriptions(_settings: ReportsSettings) -> list[Subscription]:
    organisations = Subscription("reports", ORGANISATIONS)
    organisations.projects(Projection(Organisation, key="organisation_id"), *ORGANISATION_EVENTS)
    organisations.records(Facts(OrganisationFact, key="organisation_id"), *ORGANISATION_EVENTS)

    members = Subscription("reports", MEMBERS)
    members.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)
    members.records(Facts(MemberFact, key="member_id"), *MEMBER_EVENTS)

    offices = Subscription("reports", OFFICES)
    offices.records(Facts(OfficeFact, key="term_id"), *OFFICE_EVENTS)

    cards = Subscription("reports", CARDS)
    cards.projects(Projection(Card, key="card_id"), *CARD_EVENTS)

    participants = Subscription("reports", PARTICIPANTS)
    participants.projects(Projection(Participant, key="member_id"), *PARTICIPANT_EVENTS)

    return [organisations, members, offices, cards, participants]
