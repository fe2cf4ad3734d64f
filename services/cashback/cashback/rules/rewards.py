"""How much cashback a purchase earns, by which caps, and the sentences that explain it. Money is integer kopecks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from cashback import errors
from cashback.models import CampaignTerms, Purchase

NO_LIMIT = 2**62


def divide(numerator: int, denominator: int, rounding: str) -> int:
    """Whole kopecks of a fraction ≥ 0: `floor` drops the rest, `half_even` is the banker's rounding."""
    whole, rest = divmod(numerator, denominator)
    if rounding == "half_even" and (rest * 2 > denominator or (rest * 2 == denominator and whole % 2)):
        return whole + 1
    return whole


@dataclass(frozen=True)
class Reward:
    """What a basket earns: a share or a fixed sum, never both."""

    basis_points: int | None
    fixed: int | None
    from_basket: int = 0


@dataclass(frozen=True)
class Cap:
    """A limit of kopecks over all purchases with this `key`. `over`: order, member or partner."""

    key: str
    limit: int
    over: str


@dataclass(frozen=True)
class Accrual:
    """What a purchase earns, by which reward, and the cap that made it less than that, if one did."""

    earned: int
    reward: Reward
    capped_by: Cap | None


def check_terms(terms: CampaignTerms) -> None:
    if (terms.basis_points is None) == (terms.fixed is None):
        raise errors.TermsInvalid("Give either basis_points or fixed: a campaign has one kind of reward.")
    if terms.from_on > terms.to_on:
        raise errors.TermsInvalid("The window ends before it begins; swap from_on and to_on.")
    edges = [tier["from_basket"] for tier in terms.tiers]
    if edges != sorted(set(edges)):
        raise errors.TermsInvalid("Tiers begin at baskets of different sizes; list them from the smallest on.")
    if any((tier.get("basis_points") is None) == (tier.get("fixed") is None) for tier in terms.tiers):
        raise errors.TermsInvalid("Give each tier either basis_points or fixed.")
    if terms.weekdays is not None and sorted(set(terms.weekdays)) != terms.weekdays:
        raise errors.TermsInvalid("List each day of the week once, from Monday (1) to Sunday (7).")


def check_window(terms: CampaignTerms, day: date) -> None:
    if not terms.from_on <= day <= terms.to_on:
        raise errors.CampaignClosed(day)
    if terms.weekdays is not None and day.isoweekday() not in terms.weekdays:
        raise errors.CampaignClosed(day)


def reward_of(terms: CampaignTerms, basket: int) -> Reward:
    """That of the last tier which the basket reaches, else the campaign's own."""
    reached: dict[str, Any] | None = None
    for tier in terms.tiers:
        if tier["from_basket"] <= basket:
            reached = tier
    if reached is None:
        return Reward(terms.basis_points, terms.fixed)
    return Reward(reached.get("basis_points"), reached.get("fixed"), reached["from_basket"])


def caps_of(terms: CampaignTerms, partner: str, member_id: UUID, order: str, day: date) -> list[Cap]:
    """The caps that count a purchase; a fixed reward is for the order, so it caps it too."""
    caps = []
    if terms.cap_per_order is not None or _pays_by_order(terms):
        caps.append(Cap(f"order:{terms.campaign_id}:{order}", terms.cap_per_order or NO_LIMIT, "order"))
    period = period_of(terms.cap_period, day)
    if terms.cap_per_member is not None:
        key = f"member:{terms.campaign_id}:{member_id}:{period}"
        caps.append(Cap(key, terms.cap_per_member, "member"))
    if terms.cap_per_partner is not None:
        caps.append(Cap(f"partner:{partner}:{period}", terms.cap_per_partner, "partner"))
    return caps


def _pays_by_order(terms: CampaignTerms) -> bool:
    return terms.fixed is not None or any(tier.get("fixed") is not None for tier in terms.tiers)


def period_of(kind: str, day: date) -> str:
    if kind == "day":
        return day.isoformat()
    if kind == "week":
        return f"week of {day - timedelta(day.weekday())}"
    return f"{day:%Y-%m}" if kind == "month" else "whole"


def accrue(
    terms: CampaignTerms, amount: int, basket: int | None, caps: Sequence[Cap], used: Mapping[str, int]
) -> Accrual:
    """Cashback on a line of `amount` when `used` kopecks of each cap (by key) are gone.

    Minimum and tier are asked of the whole basket where the partner names it, else of the line.
    """
    size = max(amount, basket or 0)
    if size < terms.min_basket:
        raise errors.BasketTooSmall(terms.min_basket)
    reward = reward_of(terms, size)
    if reward.fixed is not None:
        earned = min(reward.fixed, amount)
    else:
        earned = divide(amount * (reward.basis_points or 0), 10_000, terms.rounding)
    capped_by = None
    for cap in caps:
        limit = cap.limit
        if cap.over == "order" and reward.fixed is not None:
            limit = min(limit, reward.fixed)
        left = max(0, limit - used.get(cap.key, 0))
        if left < earned:
            earned, capped_by = left, replace(cap, limit=limit)
    return Accrual(earned, reward, capped_by)


def cashback_on(purchase: Purchase, amount: int, rounding: str) -> int:
    """The cashback on what is left of a purchase, pro rata of what was accrued on the whole.

    Counted from the whole each time, so that returns in any number of parts take back exactly the accrual.
    """
    return divide(purchase.accrued * amount, purchase.reported, rounding)


def roubles(kopecks: int) -> str:
    whole, rest = divmod(abs(kopecks), 100)
    return ("−" if kopecks < 0 else "") + f"{whole:,}".replace(",", " ") + f",{rest:02d} ₽"


def rub(kopecks: int) -> str:
    whole, rest = divmod(abs(kopecks), 100)
    return ("−" if kopecks < 0 else "") + f"RUB {whole:,}.{rest:02d}"


_RU = {"order": "за заказ", "member": "на участника", "partner": "на всех участников у партнёра"}
_EN = {"order": "an order", "member": "a member", "partner": "all members at the partner"}
_RU_PERIODS = {"day": " в день", "week": " в неделю", "month": " в месяц", "whole": " за всю акцию"}
_EN_PERIODS = {"day": " a day", "week": " a week", "month": " a month", "whole": " in the whole campaign"}


def explain(terms: CampaignTerms, amount: int, accrual: Accrual) -> tuple[str, str]:
    """The sentence, in Russian and in English, that tells the member by which rule the cashback was counted."""
    reward, cap = accrual.reward, accrual.capped_by
    if reward.fixed is not None:
        ru, en = f"{roubles(reward.fixed)} за заказ", f"{rub(reward.fixed)} for the order"
    else:
        whole, rest = divmod(reward.basis_points or 0, 100)
        ru, en = f"{whole},{rest:02d} % от {roubles(amount)}", f"{whole}.{rest:02d} % of {rub(amount)}"
    russian = [f"Кешбэк {roubles(accrual.earned)}: {ru} по акции «{terms.title}» (условия № {terms.version})"]
    english = [f"Cashback {rub(accrual.earned)}: {en} by the campaign “{terms.title}” (terms {terms.version})"]
    if reward.from_basket:
        russian.append(f"ступень для заказа от {roubles(reward.from_basket)}")
        english.append(f"tier of baskets from {rub(reward.from_basket)}")
    if terms.min_basket:
        russian.append(f"при покупке от {roubles(terms.min_basket)}")
        english.append(f"for purchases from {rub(terms.min_basket)}")
    if terms.cap_per_order is not None:
        russian.append(f"не более {roubles(terms.cap_per_order)} за заказ")
        english.append(f"at most {rub(terms.cap_per_order)} an order")
    if cap is not None:
        period = "" if cap.over == "order" else terms.cap_period
        russian.append(
            f"уменьшен до остатка лимита {roubles(cap.limit)} {_RU[cap.over]}{_RU_PERIODS.get(period, '')}"
        )
        english.append(
            f"reduced to what was left of the limit of {rub(cap.limit)} for {_EN[cap.over]}"
            f"{_EN_PERIODS.get(period, '')}"
        )
    down = terms.rounding == "floor"
    russian.append("до копейки вниз" if down else "до копейки, половина к чётной")
    english.append("down to the kopeck" if down else "to the kopeck, halves to the even one")
    return ", ".join(russian) + ".", ", ".join(english) + "."
