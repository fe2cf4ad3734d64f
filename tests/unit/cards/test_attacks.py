"""Forgeries and fuzz: none is green or amber, none crashes, whatever bytes come."""

import random
import zlib
from datetime import UTC, datetime

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cards import qr
from cards.cose import sign1
from tests.extent import tries
from tests.vectors import made
from union_card_verifier import Bundle, KeySet, NotTrusted, StatusList, base45, verify
from union_card_verifier.cose import CARD_CODE, IAT, STATUS_LIST_TYPE, bstr, split

KEYS = KeySet.read({"keys": [made.CURRENT.jwk, made.EDWARDS.jwk]})
LISTED = StatusList.read(made.statuses(), KEYS)
ROOT = KeySet.read(made.ROOT.jwks())
GOOD = next(case.text for case in made.cases() if case.name == "good")
SHOWN = next(case.text for case in made.cases() if case.name == "device: proof of this second")
LETTERS = st.text(base45.ALPHABET, max_size=500)
CBOR = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=40)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.integers(), st.text(max_size=5)), inner, max_size=5),
    ),
    max_leaves=12,
)


def judged(text: str) -> str:
    return verify(text, KEYS, made.NOW, LISTED).colour


@pytest.mark.parametrize("name", made.forgeries())
def test_a_forgery_is_red_for_its_reason(name: str) -> None:
    text, reason = made.forgeries()[name]
    verdict = verify(text, KEYS, made.NOW, LISTED)
    assert (verdict.colour, verdict.reason) == ("red", reason)


@pytest.mark.parametrize("text", [GOOD, SHOWN], ids=["plain", "shown by a device"])
def test_every_bit_counts(text: str) -> None:
    message = made.message_of(text)
    for place in range(len(message)):
        for bit in range(8):
            changed = bytearray(message)
            changed[place] ^= 1 << bit
            assert judged(made.text(bytes(changed), text[:4])) == "red", (place, bit)


@pytest.mark.parametrize("text", [GOOD, SHOWN], ids=["plain", "shown by a device"])
def test_every_cut_is_noticed(text: str) -> None:
    message = made.message_of(text)
    for length in range(len(message)):
        assert judged(made.text(message[:length], text[:4])) == "red"
        assert judged(made.text(message[length + 1 :], text[:4])) == "red"
    for length in range(len(text)):
        assert judged(text[:length]) == "red"


def test_the_parts_of_two_codes_do_not_make_a_third() -> None:
    mine, other = (made.message_of(qr.text(made.card(index), made.CURRENT)) for index in (1, made.BLOCKED))
    (header, claims, _), (_, _, signature) = split(mine), split(other)
    mixed = b"".join((b"\xd2\x84", bstr(header), b"\xa0", bstr(claims), bstr(signature)))
    assert judged(made.text(mixed)) == "red"


def test_a_replayed_proof_is_worth_nothing_on_another_card_or_later() -> None:
    bound = next(case.text for case in made.cases() if case.name == "device: code without a proof")
    other = qr.text(made.card(12), made.CURRENT, None, made.point(made.PHONE))
    header, claims, signature = split(made.message_of(made.PHONE.show(bound, made.NOW)))
    moved = cbor2.dumps({IAT: cbor2.loads(claims)[IAT], CARD_CODE: made.message_of(other)})
    later = cbor2.dumps({IAT: cbor2.loads(claims)[IAT] + 30, CARD_CODE: made.message_of(bound)})
    for payload in (moved, later):
        forged = b"".join((b"\xd2\x84", bstr(header), b"\xa0", bstr(payload), bstr(signature)))
        verdict = verify(made.text(forged, "UP1:"), KEYS, made.NOW, LISTED)
        assert (verdict.colour, verdict.reason) == ("red", "proof_wrong")


def test_a_proof_around_a_proof_is_not_a_card() -> None:
    twice = made.PHONE.show("UC1:" + SHOWN[4:], made.NOW)
    assert judged(twice) == "red"


def test_a_list_that_swells_when_unpacked_is_refused() -> None:
    bomb = zlib.compress(bytes(80 * 2**20), 9)
    claims = {6: int(made.NOW.timestamp()), 65534: 60, 65533: {"bits": 2, "lst": bomb}}
    with pytest.raises(NotTrusted):
        StatusList.read(sign1(claims, made.CURRENT, STATUS_LIST_TYPE), KEYS)


@settings(max_examples=tries(300, long=3000), deadline=None)
@given(st.sampled_from(["", "UC1:", "UP1:"]), st.one_of(st.text(max_size=300), LETTERS))
def test_any_text_is_red(prefix: str, garbage: str) -> None:
    assert judged(prefix + garbage) == "red"


@settings(max_examples=tries(300, long=3000), deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\xd2", b"\xd2\x84", b"\xd2\x84\x43\xa1\x01\x28\xa0"]))
def test_any_bytes_are_red_and_open_nothing(garbage: bytes, start: bytes) -> None:
    for prefix in ("UC1:", "UP1:"):
        assert judged(made.text(start + garbage, prefix)) == "red"
    for read in (lambda data: StatusList.read(data, KEYS), lambda data: Bundle.read(data, ROOT, made.NOW)):
        with pytest.raises(NotTrusted):
            read(start + garbage)


@settings(max_examples=tries(250, long=2500), deadline=None)
@given(CBOR, CBOR)
def test_any_signed_structure_of_another_shape_is_red(header: object, payload: object) -> None:
    """Even with a good signature: the decoder meets every shape that CBOR has."""
    protected, body = cbor2.dumps(header), cbor2.dumps(payload)
    assert judged(made.with_parts(protected, body)) == "red"
    assert judged(made.with_parts(made.CURRENT.protected, body)) == "red"
    assert judged(made.text(made.message_of(made.with_parts(protected, body, made.PHONE.key)), "UP1:")) == "red"


@settings(max_examples=tries(150, long=1500), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_good_code_with_some_letters_changed_is_red(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    for text in (GOOD, SHOWN):
        letters = list(text)
        for _ in range(changes):
            letters[chance.randrange(len(letters))] = chance.choice(base45.ALPHABET)
        if (changed := "".join(letters)) != text:
            assert judged(changed) == "red"


@given(st.binary(max_size=200))
def test_base45_goes_there_and_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


def test_base45_agrees_with_its_rfc() -> None:
    for plain, text in (
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ):
        assert (base45.encode(plain), base45.decode(text)) == (text, plain)


@settings(max_examples=tries(150, long=1500), deadline=None)
@given(LETTERS)
def test_base45_has_one_spelling(text: str) -> None:
    try:
        data = base45.decode(text)
    except ValueError:
        return
    assert base45.encode(data) == text


def test_moments_at_the_edges_of_time_do_not_crash() -> None:
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert verify(GOOD, KEYS, moment, LISTED).colour in ("red", "amber")
