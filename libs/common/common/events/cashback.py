"""Events of the bonus programme. Amounts are kopecks; a partner's name is its code."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from common.events.base import Event, Topic

SOURCE = "urn:union:cashback"

PARTICIPANTS = Topic("cashback.participant.v1", owner="cashback")
PURCHASES = Topic("cashback.purchase.v1", owner="cashback")
PAYOUTS = Topic("cashback.payout.v1", owner="cashback")
TO_PARTNER = Topic("partner.{partner}.cashback.v1", owner="cashback")
"""A template; `TO_PARTNER.of("books")` is what one partner is told, and nobody else may read."""
LEDGER = Topic("cashback.ledger.v1", owner="cashback", compacted=False, retention_days=3650)


class ParticipantEvent(Event):
    """A member's enrolment in the bonus programme."""

    topic: ClassVar[Topic] = PARTICIPANTS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "member_id"

    member_id: UUID
    status: Literal["enrolled", "ended"]
    enrolled_on: date


class ParticipantEnrolled(ParticipantEvent):
    """A member joined the bonus programme."""

    event_type: ClassVar[str] = "cashback.participant_enrolled.v1"


class ParticipationEnded(ParticipantEvent):
    """A member is no longer in the bonus programme."""

    event_type: ClassVar[str] = "cashback.participation_ended.v1"


class CashbackExpired(ParticipantEvent):
    """Cashback that was not paid out in time is no longer the member's."""

    event_type: ClassVar[str] = "cashback.cashback_expired.v1"

    amount: int
    """Kopecks that expired."""
    reason: Literal["participation_ended", "unused"]


PARTICIPANT_EVENTS: tuple[type[ParticipantEvent], ...] = (
    ParticipantEnrolled,
    ParticipationEnded,
    CashbackExpired,
)


class PurchaseEvent(Event):
    """A purchase and the cashback on it, as they stand now."""

    topic: ClassVar[Topic] = PURCHASES
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "purchase_id"

    purchase_id: UUID
    member_id: UUID
    partner: str
    campaign_id: UUID
    status: Literal["pending", "confirmed", "partly_confirmed", "declined", "refunded"]
    amount: int
    """Kopecks paid to the partner, less what was refunded."""
    cashback: int
    """Kopecks of cashback on that amount."""


class PurchaseReported(PurchaseEvent):
    """A partner reported a purchase; its cashback is pending."""

    event_type: ClassVar[str] = "cashback.purchase_reported.v1"


class PurchaseConfirmed(PurchaseEvent):
    """The partner confirmed the purchase; its cashback is the member's."""

    event_type: ClassVar[str] = "cashback.purchase_confirmed.v1"


class PurchasePartlyConfirmed(PurchaseEvent):
    """The partner confirmed a part of the purchase; the cashback on it is the member's, the rest went back."""

    event_type: ClassVar[str] = "cashback.purchase_partly_confirmed.v1"


class PurchaseDeclined(PurchaseEvent):
    """The partner declined the purchase; it earns nothing."""

    event_type: ClassVar[str] = "cashback.purchase_declined.v1"


class PurchaseRefunded(PurchaseEvent):
    """In part or in whole."""

    event_type: ClassVar[str] = "cashback.purchase_refunded.v1"


PURCHASE_EVENTS: tuple[type[PurchaseEvent], ...] = (
    PurchaseReported,
    PurchaseConfirmed,
    PurchasePartlyConfirmed,
    PurchaseDeclined,
    PurchaseRefunded,
)


class PartnerPurchaseChanged(Event):
    """To its partner: a purchase was reported, resolved, refunded, held or released; its buyer is a pseudonym."""

    event_type: ClassVar[str] = "cashback.partner_purchase_changed.v1"
    topic: ClassVar[Topic] = TO_PARTNER
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "purchase_id"

    purchase_id: UUID
    order: str
    line: int
    click_id: UUID
    buyer: str
    campaign_id: UUID
    status: Literal["pending", "confirmed", "partly_confirmed", "declined", "refunded"]
    held: bool
    """It waits for a review, and a confirmation is refused until then."""
    amount: int
    """Kopecks paid to the partner, less what was refunded."""
    cashback: int
    """Kopecks of cashback on that amount, which the partner owes once it is confirmed."""


PayoutStatus = Literal["requested", "approved", "declined", "sent", "unknown", "settled", "failed", "returned"]


class PayoutEvent(Event):
    """A payout to a member."""

    topic: ClassVar[Topic] = PAYOUTS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "payout_id"

    payout_id: UUID
    member_id: UUID
    status: PayoutStatus
    amount: int
    """Kopecks."""


class PayoutRequested(PayoutEvent):
    """A member asked for a payout; its amount is held."""

    event_type: ClassVar[str] = "cashback.payout_requested.v1"


class PayoutApproved(PayoutEvent):
    """It may be sent to the bank; above a limit two people have said so."""

    event_type: ClassVar[str] = "cashback.payout_approved.v1"


class PayoutDeclined(PayoutEvent):
    """It was not approved, or its member called it off: the money is the member's available balance again."""

    event_type: ClassVar[str] = "cashback.payout_declined.v1"


class PayoutSent(PayoutEvent):
    """It is in a file for the bank."""

    event_type: ClassVar[str] = "cashback.payout_sent.v1"


class PayoutUnknown(PayoutEvent):
    """The bank has not said what became of it: it is neither paid again nor given back before the bank has."""

    event_type: ClassVar[str] = "cashback.payout_unknown.v1"


class PayoutSettled(PayoutEvent):
    """The payout reached the member."""

    event_type: ClassVar[str] = "cashback.payout_settled.v1"


class PayoutFailed(PayoutEvent):
    """The bank has refused: the money is the member's available balance again."""

    event_type: ClassVar[str] = "cashback.payout_failed.v1"


class PayoutReturned(PayoutEvent):
    """The bank brought back what it had paid: the money is the member's available balance again."""

    event_type: ClassVar[str] = "cashback.payout_returned.v1"


PAYOUT_EVENTS: tuple[type[PayoutEvent], ...] = (
    PayoutRequested,
    PayoutApproved,
    PayoutDeclined,
    PayoutSent,
    PayoutUnknown,
    PayoutSettled,
    PayoutFailed,
    PayoutReturned,
)


class LedgerSealed(Event):
    """The ledger was sealed at the end of a day: keep it, and a journal rewritten later can be told from this one."""

    event_type: ClassVar[str] = "cashback.ledger_sealed.v1"
    topic: ClassVar[Topic] = LEDGER
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "ledger"

    ledger: Literal["cashback"]
    sequence: int
    """Links of the hash chain that the seal covers; the day is `effective_on`."""
    digest: str
    """Hexadecimal SHA-256 of the last of them."""
    key_id: str
    seal: str
    """Hexadecimal Ed25519 over `union-ledger-checkpoint`, day, sequence and digest, each with a line feed behind it."""


EVENTS: tuple[type[Event], ...] = (
    *PARTICIPANT_EVENTS,
    *PURCHASE_EVENTS,
    *PAYOUT_EVENTS,
    PartnerPurchaseChanged,
    LedgerSealed,
)
