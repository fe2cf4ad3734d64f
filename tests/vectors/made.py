"""The published test vectors: fixed keys, fixed moments, every colour and reason. The same bytes each time."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cards import qr, status_list
from cards.cose import sealed, sign1
from cards.devices import Device
from cards.keys import SigningKey
from cards.models import Card
from union_card_verifier import base45
from union_card_verifier.cose import (
    ALG,
    CTI,
    EXP,
    IAT,
    KEYS,
    KEYS_TYPE,
    KID,
    STATUS_INDEX,
    TIER,
    bstr,
    to_be_signed,
)

FILE = Path(__file__).parents[2] / "docs" / "cards" / "vectors" / "vectors.json"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TTL = 43_200


def p256(secret: int) -> SigningKey:
    return SigningKey.of(ec.derive_private_key(secret, ec.SECP256R1()))


CURRENT, STRANGER, ROOT = p256(0xC0FFEE), p256(0xBAD), p256(0x5007)
EDWARDS = SigningKey.of(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
PHONE, THIEF = Device(p256(0xD0)), Device(p256(0xD1))
BLOCKED, SUSPENDED, NOT_ACTIVE = 70_001, 70_002, 70_003


@dataclass(frozen=True)
class Case:
    """A text, when it is judged, with what, and what must come of it."""

    name: str
    text: str
    colour: str
    reason: str
    now: datetime = NOW
    status_list: bool = True
    genuine: bool = False
    """The union's own signature is good: another COSE library must say so too."""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "text": self.text,
            "now": int(self.now.timestamp()),
            "with_status_list": self.status_list,
            "genuine": self.genuine,
            "expect": {"colour": self.colour, "reason": self.reason},
        }


def card(index: int = 70_000, expires_on: date = date(2031, 4, 1)) -> Card:
    return Card(
        card_id=UUID(int=1),
        member_id=UUID(int=2),
        member_version=1,
        form="plastic",
        status="active",
        number="9000000000000001",
        reference=bytes(range(16)),
        status_index=index,
        expires_on=expires_on,
        created_at=NOW,
    )


def claims(**other: Any) -> dict[int, Any]:
    made = {EXP: qr.end_of(card()), CTI: card().reference, STATUS_INDEX: 70_000, TIER: 0}
    return made | {EXP: other["exp"]} if "exp" in other else made


def text(message: bytes, prefix: str = "UC1:") -> str:
    return prefix + base45.encode(message)


def message_of(code: str) -> bytes:
    return base45.decode(code[4:])


def with_parts(protected: bytes, payload: bytes, key: SigningKey = CURRENT, unprotected: bytes = b"\xa0") -> str:
    """A message with these very parts and a signature that is right for them."""
    signature = key.sign(to_be_signed(protected, payload))
    return text(b"".join((b"\xd2\x84", bstr(protected), unprotected, bstr(payload), bstr(signature))))


def forgeries() -> dict[str, tuple[str, str]]:
    """Codes that no verifier may take, with the reason of ours: (text, reason) by name."""
    good = qr.text(card(), CURRENT)
    message, protected, payload = message_of(good), CURRENT.protected, cbor2.dumps(claims())
    kid = cbor2.dumps(CURRENT.kid)
    middle = len(message) // 2

    def header(**labels: Any) -> bytes:
        return cbor2.dumps({ALG: labels.get("alg", -9), KID: labels.get("kid", CURRENT.kid)}, canonical=True)

    swapped = bytes((message[middle] ^ 1,))
    return {
        "one bit of a claim changed": (
            text(message[:middle] + swapped + message[middle + 1 :]),
            "signature_wrong",
        ),
        "signed by a stranger": (qr.text(card(), STRANGER), "unknown_key"),
        "signed by a stranger under a good key id": (
            with_parts(protected, payload, STRANGER),
            "signature_wrong",
        ),
        "algorithm swapped for EdDSA of the same key id": (
            with_parts(header(alg=-19), payload),
            "algorithm_refused",
        ),
        "algorithm swapped for ES384": (with_parts(header(alg=-35), payload), "algorithm_refused"),
        "algorithm swapped for HMAC": (with_parts(header(alg=5), payload), "algorithm_refused"),
        "algorithm swapped for the polymorphic ES256": (with_parts(header(alg=-7), payload), "algorithm_refused"),
        "algorithm given as a text": (with_parts(header(alg="ESP256"), payload), "algorithm_refused"),
        "algorithm given as a float": (with_parts(header(alg=-9.0), payload), "unreadable"),
        "key id in the unprotected header": (
            with_parts(protected, payload, unprotected=cbor2.dumps({KID: STRANGER.kid})),
            "unreadable",
        ),
        "key id in the unprotected header alone": (
            with_parts(cbor2.dumps({ALG: -9}), payload, unprotected=cbor2.dumps({KID: CURRENT.kid})),
            "unreadable",
        ),
        "key id of a wrong kind": (with_parts(header(kid=1), payload), "unreadable"),
        "a key in the header (jwk injection)": (
            with_parts(cbor2.dumps({ALG: -9, KID: CURRENT.kid, -1: b"x"}, canonical=True), payload),
            "unreadable",
        ),
        "doubled algorithm in the header": (with_parts(b"\xa3\x01\x28\x01\x26\x04" + kid, payload), "unreadable"),
        "doubled claim": (with_parts(protected, b"\xa5" + payload[1:] + b"\x04\x00"), "unreadable"),
        "indefinite length": (with_parts(b"\xbf" + protected[1:] + b"\xff", payload), "unreadable"),
        "a length in a longer spelling": (with_parts(b"\xb8\x02" + protected[1:], payload), "unreadable"),
        "a trailing byte": (text(message + b"\x00"), "unreadable"),
        "truncated": (text(message[:-1]), "unreadable"),
        "a huge length": (text(b"\xd2\x84\x5b" + b"\xff" * 8), "unreadable"),
        "a length past the end": (text(b"\xd2\x84\x5a\x00\x0f\xff\xff" + message[4:]), "unreadable"),
        "deep nesting": (with_parts(protected, b"\x81" * 150 + b"\x00"), "unreadable"),
        "a payload of another kind": (with_parts(protected, cbor2.dumps([1, 2])), "unreadable"),
        "claims missing": (with_parts(protected, cbor2.dumps({EXP: 1_999_999_999})), "unreadable"),
        "expiry as a float": (with_parts(protected, cbor2.dumps(claims(exp=1.9e9))), "unreadable"),
        "expiry beyond all clocks": (with_parts(protected, cbor2.dumps(claims(exp=2**63))), "unreadable"),
        "a signature cut short": (text(message[:-66] + b"\x58\x20" + message[-64:-32]), "signature_wrong"),
        "a signature of zeros": (text(message[:-64] + bytes(64)), "signature_wrong"),
        "no tag": (text(message[1:]), "unreadable"),
        "another tag (COSE_Mac0)": (text(b"\xd1" + message[1:]), "unreadable"),
        "the prefix of a health certificate": ("HC1:" + good[4:], "not_a_card"),
        "in lower case": (good.lower(), "not_a_card"),
        "a letter outside the alphabet": (good[:-1] + "_", "unreadable"),
        "a number above 65535": ("UC1:" + ":::" * 40, "unreadable"),
        "too long to be a card": ("UC1:" + "0" * 900, "not_a_card"),
        "nothing": ("", "not_a_card"),
        "a status list": (text(statuses()), "unreadable"),
    }


def statuses(at: datetime = NOW) -> bytes:
    bits = status_list.build(131_071, [(BLOCKED, 1), (SUSPENDED, 2), (NOT_ACTIVE, 3)])
    return status_list.signed(bits, CURRENT, TTL, at)


def statement(days: int = 90) -> bytes:
    """The root key's word for the two keys that are trusted."""
    numbers = CURRENT.private.public_key().public_numbers()  # type: ignore[union-attr]
    listed = [
        {1: 2, 2: CURRENT.kid, 3: -9, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")},
        {1: 1, 2: EDWARDS.kid, 3: -19, -1: 6, -2: EDWARDS.private.public_key().public_bytes_raw()},  # type: ignore[union-attr]
    ]
    expires = NOW + timedelta(days=days)
    return sign1({IAT: int(NOW.timestamp()), EXP: int(expires.timestamp()), KEYS: listed}, ROOT, KEYS_TYPE)


def bundle() -> bytes:
    return cbor2.dumps([statement(), statuses()])


def cases() -> list[Case]:
    good = qr.text(card(), CURRENT)
    bound = qr.text(card(), CURRENT, qr.end_of(card()), point(PHONE))
    shown: Callable[[int], str] = lambda age: PHONE.show(bound, NOW - timedelta(seconds=age))  # noqa: E731
    last = datetime(2031, 3, 31, 23, 59, 59, tzinfo=UTC)
    made = [
        Case("good", good, "green", "valid"),
        Case("good, Ed25519", qr.text(card(), EDWARDS), "green", "valid"),
        Case("good, without a list", good, "amber", "status_unknown", status_list=False),
        Case("good, with a list past its ttl", good, "amber", "status_stale", NOW + timedelta(hours=13)),
        Case("newer than the list", qr.text(card(131_072), CURRENT), "amber", "status_unknown"),
        Case("expired", qr.text(card(expires_on=date(2026, 3, 1)), CURRENT), "red", "expired"),
        Case("in its last second", good, "amber", "status_stale", last),
        Case("revoked", qr.text(card(BLOCKED), CURRENT), "red", "blocked"),
        Case("revoked, by an old list", qr.text(card(BLOCKED), CURRENT), "red", "blocked", last),
        Case("suspended", qr.text(card(SUSPENDED), CURRENT), "red", "suspended"),
        Case("not in hand yet", qr.text(card(NOT_ACTIVE), CURRENT), "red", "not_active"),
        Case("device: proof of this second", shown(0), "green", "valid"),
        Case("device: proof 60 s old", shown(60), "green", "valid"),
        Case("device: proof 61 s old", shown(61), "red", "screenshot"),
        Case("device: its clock 30 s ahead", shown(-30), "green", "valid"),
        Case("device: its clock 31 s ahead", shown(-31), "red", "clock_ahead"),
        Case("device: far in the future", shown(-(10**8)), "red", "clock_ahead"),
        Case("device: code without a proof", bound, "red", "proof_missing"),
        Case("device: proof of another device", THIEF.show(bound, NOW), "red", "proof_wrong"),
        Case("device: proof around a code without a device", PHONE.show(good, NOW), "red", "proof_wrong"),
        Case("device: proof of zeros", _unsigned(shown(0)), "red", "proof_wrong"),
        Case("device: proof under another algorithm", _proof_under(-7, bound), "red", "algorithm_refused"),
        Case("device: proof with an unprotected header", _proof_unprotected(shown(0)), "red", "unreadable"),
    ]
    genuine = [replace(case, genuine=True) for case in made]
    return genuine + [Case(name, code, "red", reason) for name, (code, reason) in forgeries().items()]


def point(device: Device) -> bytes:
    numbers = device.key.private.public_key().public_numbers()  # type: ignore[union-attr]
    return bytes((2 + numbers.y % 2,)) + numbers.x.to_bytes(32, "big")


def _unsigned(shown: str) -> str:
    return text(message_of(shown)[:-64] + bytes(64), "UP1:")


def _proof_under(algorithm: int, bound: str) -> str:
    payload = cbor2.dumps({IAT: int(NOW.timestamp()), -65539: message_of(bound)})
    return text(sealed(cbor2.dumps({ALG: algorithm}), payload, PHONE.key), "UP1:")


def _proof_unprotected(shown: str) -> str:
    message = message_of(shown)
    return text(message[:6] + cbor2.dumps({KID: b"x"}) + message[7:], "UP1:")


def document() -> str:
    """The file's text."""
    good = message_of(qr.text(card(), CURRENT))
    made = {
        "about": "Test vectors of docs/cards/format.md; the keys are published and worth nothing.",
        "private_keys": {"current": f"{0xC0FFEE:064x}", "root": f"{0x5007:064x}", "device": f"{0xD0:064x}"},
        "jwks": {"keys": [CURRENT.jwk, EDWARDS.jwk]},
        "root_jwks": ROOT.jwks(),
        "status_list": statuses().hex(),
        "bundle": bundle().hex(),
        "good_step_by_step": {
            "claims": {str(k): v.hex() if isinstance(v, bytes) else v for k, v in claims().items()},
            "protected": CURRENT.protected.hex(),
            "payload": cbor2.dumps(claims()).hex(),
            "signed": to_be_signed(CURRENT.protected, cbor2.dumps(claims())).hex(),
            "message": good.hex(),
        },
        "cases": [case.as_json() for case in cases()],
    }
    return json.dumps(made, indent=1) + "\n"
