"""A card's QR code before a verifier that has no network: green, amber or red, and never a crash."""

import base64
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from cards import keys, qr, status_list
from cards.cose import sign1
from cards.keys import SigningKey
from cards.models import Card
from tests.extent import tries
from union_card_verifier import KeySet, NotTrusted, StatusList, Verdict, base45, cose, verify

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TTL = 3600


@pytest.fixture
def trusted(signing_key: SigningKey) -> KeySet:
    return KeySet.read(signing_key.jwks())


@pytest.fixture
def text(card: Card, signing_key: SigningKey) -> str:
    return qr.text(card, signing_key)


def statuses(key: SigningKey, *not_valid: tuple[int, int], at: datetime = NOW) -> StatusList:
    bits = status_list.build(100_000, not_valid)
    return StatusList.read(status_list.signed(bits, key, TTL, at), KeySet.read(key.jwks()))


def message_of(text: str) -> bytes:
    return base45.decode(text.removeprefix("UC1:"))


def text_of(message: bytes) -> str:
    return "UC1:" + base45.encode(message)


def claims_of(card: Card) -> dict[int, Any]:
    return {
        cose.CTI: card.reference,
        cose.EXP: int(datetime(2031, 4, 1, tzinfo=UTC).timestamp()),
        cose.STATUS_INDEX: card.status_index,
        cose.TIER: 0,
    }


def resigned(
    key: SigningKey,
    header: bytes,
    payload: bytes,
    unprotected: dict[Any, Any] | None = None,
    sign: Any = None,
) -> str:
    """A message with these very parts and a signature that is right for them."""
    signature = (sign or key.sign)(cose.to_be_signed(header, payload))
    return text_of(b"\xd2" + cbor2.dumps([header, unprotected or {}, payload, signature]))


def colour(verdict: Verdict) -> tuple[str, str]:
    return verdict.colour, verdict.reason


def test_a_good_card_is_green_with_keys_and_list_alone(
    text: str, trusted: KeySet, signing_key: SigningKey
) -> None:
    verdict = verify(text, trusted, NOW, statuses(signing_key))
    assert verdict == Verdict("green", "valid", bytes(range(16)).hex(), 0, datetime(2031, 4, 1, tzinfo=UTC))


def test_the_code_tells_nothing_but_reference_expiry_index_and_tier(text: str, card: Card) -> None:
    _, unprotected, payload, _ = cbor2.loads(message_of(text)[1:])
    assert cbor2.loads(payload) == claims_of(card)
    assert unprotected == {}
    for secret in (card.number.encode(), card.member_id.bytes, card.card_id.bytes):
        assert secret not in message_of(text)


def test_the_code_fits_version_8_at_level_m_in_alphanumeric_mode(text: str) -> None:
    side, _ = qr.matrix(text)
    assert side == 49  # version 8; in another mode it would need more
    assert len(message_of(text)) <= 136


def test_a_card_has_the_same_code_each_time(text: str, card: Card, signing_key: SigningKey) -> None:
    assert qr.text(card, signing_key) == text


def test_without_a_list_or_with_a_stale_one_a_card_is_amber(
    text: str, trusted: KeySet, signing_key: SigningKey
) -> None:
    assert colour(verify(text, trusted, NOW, None)) == ("amber", "status_unknown")
    fresh = statuses(signing_key, at=NOW - timedelta(seconds=TTL))
    assert verify(text, trusted, NOW, fresh).colour == "green"
    stale = statuses(signing_key, at=NOW - timedelta(seconds=TTL + 1))
    assert colour(verify(text, trusted, NOW, stale)) == ("amber", "status_stale")
    from_the_future = statuses(signing_key, at=NOW + timedelta(hours=1))
    assert colour(verify(text, trusted, NOW, from_the_future)) == ("amber", "status_stale")


def test_a_card_that_is_newer_than_the_list_is_amber(text: str, trusted: KeySet, signing_key: SigningKey) -> None:
    short = dataclasses.replace(statuses(signing_key), bits=b"")
    assert colour(verify(text, trusted, NOW, short)) == ("amber", "status_unknown")


def test_a_blocked_card_is_red_even_by_a_stale_list(
    text: str, trusted: KeySet, signing_key: SigningKey, card: Card
) -> None:
    for at in (NOW, NOW - timedelta(days=30)):
        blocked = statuses(signing_key, (card.status_index, 1), at=at)
        assert colour(verify(text, trusted, NOW, blocked)) == ("red", "blocked")
    for status, reason in ((2, "suspended"), (3, "not_active")):
        listed = statuses(signing_key, (card.status_index, status))
        assert colour(verify(text, trusted, NOW, listed)) == ("red", reason)


def test_a_neighbours_block_is_not_ones_own(
    text: str, trusted: KeySet, signing_key: SigningKey, card: Card
) -> None:
    around = [(card.status_index + step, 1) for step in (-4, -3, -2, -1, 1, 2, 3, 4)]
    assert verify(text, trusted, NOW, statuses(signing_key, *around)).colour == "green"


def test_an_expired_card_is_red_from_its_day_on(text: str, trusted: KeySet, signing_key: SigningKey) -> None:
    last = datetime(2031, 3, 31, 23, 59, 59, tzinfo=UTC)
    assert verify(text, trusted, last, statuses(signing_key, at=last)).colour == "green"
    then = last + timedelta(seconds=1)
    assert colour(verify(text, trusted, then, statuses(signing_key, at=then))) == ("red", "expired")


def test_every_changed_byte_is_noticed(text: str, trusted: KeySet) -> None:
    message = message_of(text)
    for place in range(len(message)):
        for flip in (1, 0x80):
            changed = bytearray(message)
            changed[place] ^= flip
            assert verify(text_of(bytes(changed)), trusted, NOW, None).colour == "red"


def test_every_truncation_and_every_addition_is_noticed(text: str, trusted: KeySet) -> None:
    message = message_of(text)
    for length in range(len(message)):
        assert verify(text_of(message[:length]), trusted, NOW, None).colour == "red"
        assert verify(text[: length + 1], trusted, NOW, None).colour == "red"
    assert colour(verify(text_of(message + b"\x00"), trusted, NOW, None)) == ("red", "unreadable")


def test_another_key_is_unknown_and_its_forged_kid_does_not_help(
    card: Card, trusted: KeySet, signing_key: SigningKey, tmp_path: Path
) -> None:
    other = SigningKey.of(keys.new_private(cose.ESP256))
    assert colour(verify(qr.text(card, other), trusted, NOW, None)) == ("red", "unknown_key")
    forged = dataclasses.replace(other, kid=signing_key.kid)
    assert colour(verify(qr.text(card, forged), trusted, NOW, None)) == ("red", "signature_wrong")


@pytest.mark.parametrize("algorithm", [-7, -8, -19, -35, 5, 0, None, "ESP256", [-9], 2**70])
def test_only_the_algorithm_that_is_bound_to_the_key_is_taken(
    algorithm: Any, card: Card, trusted: KeySet, signing_key: SigningKey
) -> None:
    header = cbor2.dumps({cose.ALG: algorithm, cose.KID: signing_key.kid}, canonical=True)
    forged = resigned(signing_key, header, cbor2.dumps(claims_of(card), canonical=True))
    assert colour(verify(forged, trusted, NOW, None)) == ("red", "algorithm_refused")


def test_ed25519_is_on_the_allow_list(card: Card, signing_key: SigningKey) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "AAEC",
        "x": base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).decode(),
    }
    header = cbor2.dumps({cose.ALG: cose.ED25519, cose.KID: b"\x00\x01\x02"}, canonical=True)
    good = resigned(signing_key, header, cbor2.dumps(claims_of(card), canonical=True), sign=private.sign)
    trusted = KeySet.read({"keys": [jwk, *signing_key.jwks()["keys"]]})
    assert colour(verify(good, trusted, NOW, None)) == ("amber", "status_unknown")
    assert verify(qr.text(card, signing_key), trusted, NOW, None).colour == "amber"


def test_only_one_encoding_of_a_signed_message_is_taken(
    card: Card, trusted: KeySet, signing_key: SigningKey
) -> None:
    header = cbor2.dumps({cose.ALG: cose.ESP256, cose.KID: signing_key.kid}, canonical=True)
    payload = cbor2.dumps(claims_of(card), canonical=True)
    kid = cbor2.dumps(signing_key.kid)
    variants = {
        "doubled key in the header": (b"\xa3\x01\x28\x01\x26\x04" + kid, payload),
        "another order": (b"\xa2\x04" + kid + b"\x01\x28", payload),
        "a longer length": (b"\xb8\x02" + header[1:], payload),
        "indefinite length": (b"\xbf" + header[1:] + b"\xff", payload),
        "a trailing byte": (header + b"\x00", payload),
        "a third header": (cbor2.dumps({1: -9, 3: 0, 4: signing_key.kid}, canonical=True), payload),
        "doubled claim": (header, b"\xa5" + payload[1:] + b"\x04\x00"),
        "no map": (header, cbor2.dumps([1])),
        "nothing": (header, b""),
    }
    for name, parts in variants.items():
        assert colour(verify(resigned(signing_key, *parts), trusted, NOW, None)) == ("red", "unreadable"), name
    good = resigned(signing_key, header, payload)
    assert verify(good, trusted, NOW, None).colour == "amber"
    injected = resigned(signing_key, header, payload, unprotected={cose.KID: b"other"})
    assert colour(verify(injected, trusted, NOW, None)) == ("red", "unreadable")


@pytest.mark.parametrize("claim", [cose.CTI, cose.EXP, cose.STATUS_INDEX, cose.TIER])
@pytest.mark.parametrize("value", [None, True, -1, 1.5, 2**39, 2**64, "text", [], {}])
def test_a_signed_claim_of_a_wrong_kind_is_red_not_a_crash(
    claim: int, value: Any, card: Card, trusted: KeySet, signing_key: SigningKey
) -> None:
    odd = text_of(sign1({**claims_of(card), claim: value}, signing_key))
    expected = "amber" if value == 2**39 and claim in (cose.STATUS_INDEX, cose.TIER) else "red"
    assert verify(odd, trusted, NOW, None).colour == expected


def test_a_status_list_is_no_card_and_a_card_is_no_status_list(
    text: str, trusted: KeySet, signing_key: SigningKey
) -> None:
    token = status_list.signed(b"\x00" * 16, signing_key, TTL, NOW)
    assert colour(verify(text_of(token), trusted, NOW, None)) == ("red", "unreadable")
    with pytest.raises(NotTrusted, match="unreadable"):
        StatusList.read(message_of(text), trusted)


@pytest.mark.parametrize("wrong", ["", "UC1:", "uc1:6BF", "HC1:6BF", "UC2:6BF", "UC1:é", "UC1:\x00", "U" * 10**6])
def test_what_is_not_a_card_is_red(wrong: str, trusted: KeySet) -> None:
    assert verify(wrong, trusted, NOW, None).colour == "red"


def test_lower_case_or_odd_base45_is_not_taken_for_the_same_card(text: str, trusted: KeySet) -> None:
    assert verify(text.lower(), trusted, NOW, None).colour == "red"
    assert verify(text + " ", trusted, NOW, None).colour == "red"


@settings(max_examples=tries(200, long=4000), deadline=None)
@given(st.one_of(st.text(max_size=300), st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=300)))
def test_random_text_never_crashes_the_verifier(signing_key: SigningKey, garbage: str) -> None:
    trusted = KeySet.read(signing_key.jwks())
    assert verify(garbage, trusted, NOW, None).colour == "red"
    assert verify("UC1:" + garbage, trusted, NOW, None).colour == "red"


@settings(max_examples=tries(200, long=4000), deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xd2", b"\xd2\x84", b"\xd2\x84\x43\xa1\x01\x28\xa0"]))
def test_random_bytes_never_crash_the_verifier(signing_key: SigningKey, garbage: bytes, start: bytes) -> None:
    trusted = KeySet.read(signing_key.jwks())
    assert verify(text_of(start + garbage), trusted, NOW, None).colour == "red"
    with pytest.raises(NotTrusted):
        StatusList.read(start + garbage, trusted)


@settings(max_examples=tries(150, long=3000), deadline=None)
@given(st.binary(max_size=120))
def test_a_signed_payload_of_random_bytes_never_crashes_the_verifier(
    signing_key: SigningKey, payload: bytes
) -> None:
    header = cbor2.dumps({cose.ALG: cose.ESP256, cose.KID: signing_key.kid}, canonical=True)
    trusted = KeySet.read(signing_key.jwks())
    assert verify(resigned(signing_key, header, payload), trusted, NOW, None).colour == "red"


@pytest.mark.parametrize(
    "jwks", [None, [], {}, {"keys": 1}, {"keys": [1]}, {"keys": [{"kty": "EC", "crv": "P-256", "kid": "a"}]}]
)
def test_a_document_that_is_no_jwks_is_refused_in_words(jwks: Any) -> None:
    with pytest.raises(ValueError, match="JWKS"):
        KeySet.read(jwks)


def test_keys_of_other_kinds_are_left_out(signing_key: SigningKey) -> None:
    rsa = {"kty": "RSA", "crv": "none", "kid": "AAAA", "n": "AQAB", "e": "AQAB"}
    assert KeySet.read({"keys": [rsa, signing_key.jwk]}).keys.keys() == {signing_key.kid}
