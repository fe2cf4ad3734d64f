"""A card's life: where it may go, and where it may never go."""

from datetime import date

import pytest

from cards import rules
from cards.errors import CardNotLive, MemberNotEntitled, PlasticNotReplaceable, StepNotAllowed
from cards.models import LIVE, Card, Member

ENDED = set(rules.FOLLOWERS) - set(LIVE)


def test_no_way_leads_from_an_ended_card_to_a_live_one() -> None:
    for status in ENDED:
        reached: set[str] = set()
        found = {status}
        while found - reached:
            reached |= found
            found = {follower for one in reached for follower in rules.FOLLOWERS[one]}
        assert not reached & set(LIVE)


@pytest.mark.parametrize("status", sorted(ENDED))
@pytest.mark.parametrize("wanted", LIVE)
def test_an_ended_card_is_refused_life(card: Card, status: str, wanted: str) -> None:
    card.status = status
    with pytest.raises(StepNotAllowed):
        rules.check_can_become(card, wanted)


@pytest.mark.parametrize("status", LIVE)
def test_every_live_card_can_be_blocked_and_can_expire(card: Card, status: str) -> None:
    card.status = status
    rules.check_can_become(card, "blocked")
    rules.check_can_become(card, "expired")


@pytest.mark.parametrize("reason", ["membership_ended", "consent_withdrawn", "spoiled"])
def test_only_a_lost_or_stolen_card_is_replaced_once_blocked(card: Card, reason: str) -> None:
    card.status, card.reason = "blocked", reason
    with pytest.raises(StepNotAllowed):
        rules.check_can_replace(card)
    card.reason = "lost"
    rules.check_can_replace(card)


def test_a_plastic_card_is_not_replaced_by_a_virtual_one(card: Card) -> None:
    card.form = "plastic"
    with pytest.raises(PlasticNotReplaceable):
        rules.check_can_replace(card)


def test_an_ended_card_has_no_qr_code(card: Card) -> None:
    rules.check_has_qr(card)
    card.status = "blocked"
    with pytest.raises(CardNotLive):
        rules.check_has_qr(card)


@pytest.mark.parametrize(
    ("status", "consents"), [("left", ["cards"]), ("expelled", ["cards"]), ("member", ["bonus"])]
)
def test_only_a_member_with_a_consent_to_cards_is_entitled(
    member: Member, status: str, consents: list[str]
) -> None:
    rules.check_entitled(member)
    member.status, member.consents = status, consents
    with pytest.raises(MemberNotEntitled):
        rules.check_entitled(member)


def test_nobody_is_not_entitled() -> None:
    with pytest.raises(MemberNotEntitled):
        rules.check_entitled(None)


@pytest.mark.parametrize(
    ("issued", "expires"),
    [
        (date(2026, 3, 1), date(2031, 4, 1)),
        (date(2026, 3, 31), date(2031, 4, 1)),
        (date(2026, 12, 5), date(2032, 1, 1)),
        (date(2028, 2, 29), date(2033, 3, 1)),
    ],
)
def test_a_card_ends_with_a_whole_month(issued: date, expires: date) -> None:
    assert rules.expiry(issued, 5) == expires


def test_the_status_list_calls_only_an_active_card_valid() -> None:
    bits = {status: rules.status_bits(status) for status in rules.FOLLOWERS}
    ended = {"blocked": 1, "replaced": 1, "expired": 1}
    assert bits == {"requested": 3, "issued": 3, "active": 0, "suspended": 2, **ended}
