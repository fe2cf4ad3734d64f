"""Decisions without a session, a clock or an await. Money is integer kopecks; a rate is in basis points."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta

from cashback import errors
from cashback.models import (
    Campaign,
    CampaignTerms,
    Member,
    Participant,
    Participation,
    Payout,
    Purchase,
)
from cashback.rules.rewards import check_window, roubles

__all__ = ["roubles"]

BONUS = "bonus"
ENROLLED, ENDED = "enrolled", "ended"
PENDING, CONFIRMED, DECLINED, REFUNDED = "pending", "confirmed", "declined", "refunded"
PARTLY_CONFIRMED = "partly_confirmed"
HELD = frozenset({CONFIRMED, PARTLY_CONFIRMED})
"""The states of a purchase whose cashback is the member's."""
REQUESTED, SETTLED, FAILED = "requested", "settled", "failed"


def check_not_future(day: date, now: datetime) -> None:
    """Tomorrow in UTC is today in Kamchatka."""
    if day > now.date() + timedelta(days=1):
        raise errors.DateInFuture


def check_moment_not_future(instant: datetime, now: datetime) -> None:
    """A partner's clock may be some minutes fast."""
    if instant > now + timedelta(minutes=10):
        raise errors.DateInFuture


def check_not_before(day: date, earliest: date | None) -> None:
    if earliest is not None and day < earliest:
        raise errors.DateBeforeCause(earliest)


def moment(day: date) -> datetime:
    """A business day as the instant that the journal keeps."""
    return datetime.combine(day, time(), UTC)


def check_can_enrol(
    member: Member | None, card_statuses: Collection[str], participant: Participant | None, day: date
) -> None:
    """Membership, consent and an active card; the card matters at enrolment only, it may be replaced later."""
    if member is None or member.status != "member":
        raise errors.NotAMember
    if BONUS not in member.consents:
        raise errors.ConsentMissing
    if "active" not in card_statuses:
        raise errors.CardMissing
    if participant is not None:
        if participant.status == ENROLLED:
            raise errors.AlreadyEnrolled
        check_not_before(day, participant.ended_on)


def takes_part(spans: Iterable[Participation], day: date) -> bool:
    """Whether one of the spans holds the day; the day of an end does not earn any more."""
    return any(span.enrolled_on <= day and (span.ended_on is None or day < span.ended_on) for span in spans)


def check_open(campaign: Campaign, terms: CampaignTerms, day: date) -> None:
    """For a click: a closed campaign takes none, whatever its window."""
    if campaign.status != "open":
        raise errors.CampaignClosed(day)
    check_window(terms, day)


def check_click_valid(clicked_at: datetime, purchased_at: datetime, click_days: int) -> None:
    if not clicked_at <= purchased_at <= clicked_at + timedelta(days=click_days):
        raise errors.ClickTooOld(click_days)


def check_can_confirm(purchase: Purchase, amount: int, day: date) -> None:
    if purchase.status != PENDING:
        raise errors.NotPending(purchase.status)
    if amount > purchase.amount:
        raise errors.AmountTooLarge(purchase.amount)
    if day < purchase.hold_until:
        raise errors.HoldNotOver(purchase.hold_until)


def check_can_decline(purchase: Purchase, day: date) -> None:
    if purchase.status != PENDING:
        raise errors.NotPending(purchase.status)
    check_not_before(day, purchase.purchased_on)


def check_can_refund(purchase: Purchase, amount: int, day: date) -> None:
    if purchase.status not in HELD:
        raise errors.NotConfirmed(purchase.status)
    if amount > purchase.amount:
        raise errors.AmountTooLarge(purchase.amount)
    check_not_before(day, purchase.resolved_on)


def payable_until(participant: Participant | None, payable_days: int) -> date | None:
    """The last day of payouts after an end of participation; None while it lasts."""
    if participant is None or participant.ended_on is None:
        return None
    return participant.ended_on + timedelta(days=payable_days)


def check_can_pay_out(amount: int, available: int, minimum: int, until: date | None, day: date) -> None:
    if until is not None and day > until:
        raise errors.NoLongerPayable(until)
    if amount < minimum:
        raise errors.PayoutTooSmall(minimum)
    if amount > available:
        raise errors.BalanceTooSmall(available)


def check_can_resolve(payout: Payout, day: date) -> None:
    if payout.status != REQUESTED:
        raise errors.PayoutResolved(payout.status)
    check_not_before(day, payout.requested_on)
