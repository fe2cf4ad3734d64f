"""Signing: COSE_Sign1 messages with CWT claims, as the verifier reads them."""

from typing import Any

import cbor2

from cards.keys import SigningKey
from union_card_verifier.cose import ALG, KID, TYP, bstr, to_be_signed


def sign1(claims: dict[int, Any], key: SigningKey, typ: str | None = None) -> bytes:
    """A COSE_Sign1 message (RFC 9052), tagged, in deterministic encoding."""
    protected = key.protected
    if typ is not None:
        protected = cbor2.dumps({ALG: key.algorithm, KID: key.kid, TYP: typ}, canonical=True)
    return sealed(protected, cbor2.dumps(claims, canonical=True), key)


def code(payload: bytes, key: SigningKey) -> bytes:
    """The message around a card's claims, encoded: what is the same for all of them is kept with the key."""
    claims, (opening, to_be_signed_opening) = bstr(payload), key.openings
    return b"".join((opening, claims, b"\x58\x40", key.sign(to_be_signed_opening + claims)))


def sealed(protected: bytes, payload: bytes, key: SigningKey) -> bytes:
    """The message around an encoded payload."""
    signature = key.sign(to_be_signed(protected, payload))
    return b"".join((b"\xd2\x84", bstr(protected), b"\xa0", bstr(payload), b"\x58\x40", signature))
