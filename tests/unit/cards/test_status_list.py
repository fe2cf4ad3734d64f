"""The status list: each card's two bits at its place, small, signed."""

import random
from datetime import UTC, datetime

import pytest

from cards import status_list
from cards.keys import SigningKey
from cards.numbers import SEGMENT
from union_card_verifier import KeySet, NotTrusted, StatusList

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_each_card_has_its_bits_at_its_place(signing_key: SigningKey) -> None:
    chance = random.Random(7)
    expected = {index: chance.choice([1, 2]) for index in chance.sample(range(2 * SEGMENT), 5000)}
    bits = status_list.build(2 * SEGMENT - 1, expected.items())
    message = status_list.signed(bits, signing_key, 600, NOW)
    read = StatusList.read(message, KeySet.read(signing_key.jwks()))
    assert [read.status(index) for index in range(2 * SEGMENT)] == [
        expected.get(index, 0) for index in range(2 * SEGMENT)
    ]
    assert read.status(2 * SEGMENT) is None
    assert (read.issued_at, read.ttl) == (int(NOW.timestamp()), 600)


def test_its_length_is_whole_segments() -> None:
    assert len(status_list.build(None, [])) == 0
    assert len(status_list.build(0, [])) == SEGMENT // 4
    assert len(status_list.build(SEGMENT, [])) == SEGMENT // 2


def test_the_list_of_all_cards_with_a_twentieth_blocked_is_below_sixty_kilobytes(signing_key: SigningKey) -> None:
    count = 1_316_573
    blocked = random.Random(7).sample(range(count), count // 20)
    message = status_list.signed(
        status_list.build(count - 1, ((index, 1) for index in blocked)), signing_key, 600, NOW
    )
    assert len(message) <= 60_000


def test_a_list_of_another_key_is_not_trusted(signing_key: SigningKey) -> None:
    message = status_list.signed(b"", signing_key, 600, NOW)
    with pytest.raises(NotTrusted, match="unknown_key"):
        StatusList.read(message, KeySet({}))
    changed = message[:-1] + bytes([message[-1] ^ 1])
    with pytest.raises(NotTrusted, match="signature_wrong"):
        StatusList.read(changed, KeySet.read(signing_key.jwks()))
