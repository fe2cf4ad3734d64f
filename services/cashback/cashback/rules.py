"""Decisions without a session, a clock or an await. Money is integer kopecks; a rate is in basis points."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from cashback import errors
from cashback.models import Campaign, CampaignTerms, Click, Member, Participant, Payout, Purchase

BONUS = "bonus"
ENROLLED, ENDED = "enrolled", "ended"
PENDING, CONFIRMED, DECLINED, REFUNDED = "pending", "confirmed", "declined", "refunded"
REQUESTED, SETTLED, FAILED = "requested", "settled", "failed"


def divide(numerator: int, denominator: int, rounding: str) -> int:
    """Whole kopecks of a fraction ≥ 0: `floor` drops the rest, `half_even` is the banker's rounding."""
    whole, rest = divmod(numerator, denominator)
    if rounding == "half_even" and (rest * 2 > denominator or (rest * 2 == denominator and whole % 2)):
        return whole + 1
    return whole


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


def check_participates(participant: Participant | None, day: date) -> None:
    if (
        participant is None
        or day < participant.enrolled_on
        or (participant.ended_on is not None and day >= participant.ended_on)
    ):
        raise errors.NotParticipating(day)


def check_open(campaign: Campaign, terms: CampaignTerms, day: date) -> None:
    """For a click: a closed campaign takes none, whatever its window."""
    if campaign.status != "open":
        raise errors.CampaignClosed(day)
    check_window(terms, day)


def check_window(terms: CampaignTerms, day: date) -> None:
    if not terms.from_on <= day <= terms.to_on:
        raise errors.CampaignClosed(day)


def check_click_valid(click: Click, purchased_at: datetime, click_days: int) -> None:
    if not click.clicked_at <= purchased_at <= click.clicked_at + timedelta(days=click_days):
        raise errors.ClickTooOld(click_days)


def check_terms(terms: CampaignTerms) -> None:
    if (terms.basis_points is None) == (terms.fixed is None):
        raise errors.TermsInvalid("Give either basis_points or fixed: a campaign has one kind of reward.")
    if terms.from_on > terms.to_on:
        raise errors.TermsInvalid("The window ends before it begins; swap from_on and to_on.")


def order_cap(terms: CampaignTerms) -> int | None:
    """Kopecks that one order earns at most over all its lines. A fixed reward is per order, so it caps it too."""
    caps = [cap for cap in (terms.cap_per_order, terms.fixed) if cap is not None]
    return min(caps) if caps else None


def accrual(terms: CampaignTerms, amount: int, basket: int | None, earned_by_order: int) -> int:
    """Kopecks of cashback on a line of `amount`, when its order's other lines have earned `earned_by_order`.

    The minimum is asked of the whole basket where the partner names it, else of the line.
    """
    if max(amount, basket or 0) < terms.min_basket:
        raise errors.BasketTooSmall(terms.min_basket)
    if terms.fixed is not None:
        earned = min(terms.fixed, amount)
    else:
        earned = divide(amount * (terms.basis_points or 0), 10_000, terms.rounding)
    cap = order_cap(terms)
    return earned if cap is None else max(0, min(earned, cap - earned_by_order))


def cashback_on(purchase: Purchase, amount: int, rounding: str) -> int:
    """The cashback on what is left of a purchase, pro rata of what was accrued on the whole.

    Counted from the whole each time, so that returns in any number of parts take back exactly the accrual.
    """
    return divide(purchase.accrued * amount, purchase.reported, rounding)


def roubles(kopecks: int) -> str:
    whole, rest = divmod(abs(kopecks), 100)
    return ("−" if kopecks < 0 else "") + f"{whole:,}".replace(",", " ") + f",{rest:02d} ₽"


def explain(terms: CampaignTerms, amount: int, earned: int) -> str:
    """The sentence that tells the member by which rule the cashback was counted."""
    if terms.fixed is not None:
        reward = f"{roubles(terms.fixed)} за заказ"
    else:
        whole, rest = divmod(terms.basis_points or 0, 100)
        reward = f"{whole},{rest:02d} % от {roubles(amount)}"
    parts = [f"Кешбэк {roubles(earned)}: {reward} по акции «{terms.title}» (условия № {terms.version})"]
    if terms.min_basket:
        parts.append(f"при покупке от {roubles(terms.min_basket)}")
    if terms.cap_per_order is not None:
        parts.append(f"не более {roubles(terms.cap_per_order)} за заказ")
    parts.append("до копейки вниз" if terms.rounding == "floor" else "до копейки, половина к чётной")
    return ", ".join(parts) + "."


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
    if purchase.status != CONFIRMED:
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
