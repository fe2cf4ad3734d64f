"""The published test vectors are what the code makes, and our verifier says of each what they say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import zxingcpp

from cards import qr
from tests.vectors import made
from union_card_verifier import Bundle, KeySet, NotTrusted, SeenProofs, StatusList, verify

DOCUMENT: dict[str, Any] = json.loads(made.FILE.read_text())


def test_the_vectors_are_what_the_code_makes() -> None:
    assert made.FILE.read_text() == made.document(), "run `make vectors`"


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["name"])
def test_each_vector_is_judged_as_it_says(case: dict[str, Any]) -> None:
    keys = KeySet.read(DOCUMENT["jwks"])
    listed = StatusList.read(bytes.fromhex(DOCUMENT["status_list"]), keys) if case["with_status_list"] else None
    verdict = verify(case["text"], keys, datetime.fromtimestamp(case["now"], UTC), listed)
    assert {"colour": verdict.colour, "reason": verdict.reason} == case["expect"]


def test_the_bundle_opens_with_the_root_key_alone_and_until_its_word_is_old() -> None:
    data, root = bytes.fromhex(DOCUMENT["bundle"]), KeySet.read(DOCUMENT["root_jwks"])
    bundle = Bundle.read(data, root, made.NOW)
    assert set(bundle.keys.keys) == {made.CURRENT.kid, made.EDWARDS.kid}
    good = qr.text(made.card(), made.CURRENT)
    assert verify(good, bundle.keys, made.NOW, bundle.status_list).colour == "green"
    with pytest.raises(NotTrusted, match="unknown_key"):
        Bundle.read(data, KeySet.read(DOCUMENT["jwks"]), made.NOW)
    late = datetime(2026, 6, 1, tzinfo=UTC)
    with pytest.raises(NotTrusted, match="keys_expired"):
        Bundle.read(data, root, late)
    # A till that has kept it in memory says so too.
    assert verify(good, bundle.keys, late, bundle.status_list).reason == "keys_expired"


@pytest.mark.parametrize("place", range(0, len(made.bundle()), 7))
def test_a_changed_byte_of_the_bundle_is_noticed(place: int) -> None:
    data = bytearray(made.bundle())
    data[place] ^= 1
    with pytest.raises(NotTrusted):
        Bundle.read(bytes(data), KeySet.read(made.ROOT.jwks()), made.NOW)


def test_every_genuine_code_is_read_back_from_its_picture() -> None:
    for case in made.cases():
        if case.genuine:
            side, modules = qr.matrix(case.text)
            assert (side - 17) % 4 == 0
            quiet = 4
            rows = [b"\xff" * (side + 2 * quiet)] * quiet
            rows += [
                b"\xff" * quiet + modules[y * side : (y + 1) * side] + b"\xff" * quiet for y in range(side)
            ] + rows[:quiet]
            scale = 3
            wide = [bytes(value for value in row for _ in range(scale)) for row in rows for _ in range(scale)]
            width = len(wide[0])
            image = memoryview(b"".join(wide)).cast("B", (len(wide), width))
            assert [found.text for found in zxingcpp.read_barcodes(image)] == [case.text], case.name


def test_a_picture_draws_exactly_the_dark_modules() -> None:
    code = qr.text(made.card(), made.CURRENT)
    side, modules = qr.matrix(code)
    picture = qr.svg(code)
    drawn = set()
    path = picture.split('stroke="#000" d="')[1].split('"')[0]
    for row in path.split("M")[1:]:
        start, _, strokes = row.partition(".5")
        x, y = (int(part) for part in start.split())
        at = x
        for stroke in strokes.replace("h", " h").replace("m", " m").split(" "):
            if stroke.startswith("h"):
                drawn |= {(at + step, y) for step in range(int(stroke[1:]))}
                at += int(stroke[1:])
            elif stroke.startswith("m"):
                at += int(stroke[1:])
    assert drawn == {(x + 4, y + 4) for y in range(side) for x in range(side) if modules[y * side + x] == 0}
    assert picture.startswith("<svg")
    assert "href" not in picture


def test_a_proof_is_taken_once_by_a_till_even_when_its_signature_is_spelt_anew() -> None:
    keys = KeySet.read(DOCUMENT["jwks"])
    listed = StatusList.read(made.statuses(), keys)
    shown = next(case.text for case in made.cases() if case.name == "device: proof of this second")
    seen = SeenProofs()
    assert verify(shown, keys, made.NOW, listed, seen).colour == "green"
    assert verify(shown, keys, made.NOW, listed, seen).reason == "replayed"
    message = made.message_of(shown)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = order - int.from_bytes(message[-32:], "big")
    twin = made.text(message[:-32] + other.to_bytes(32, "big"), "UP1:")
    assert verify(twin, keys, made.NOW, listed).colour == "green"
    assert verify(twin, keys, made.NOW, listed, seen).reason == "replayed"


def test_a_till_remembers_a_bounded_number_of_proofs_for_a_bounded_time() -> None:
    keys = KeySet.read(DOCUMENT["jwks"])
    listed = StatusList.read(made.statuses(), keys)
    bound = next(case.text for case in made.cases() if case.name == "device: code without a proof")
    seen = SeenProofs(most=2)
    for second in range(50):
        now = datetime.fromtimestamp(made.NOW.timestamp() + second, UTC)
        assert verify(made.PHONE.show(bound, now), keys, now, listed, seen).colour == "green"
    assert len(seen._seen) == 2
