"""Signing: COSE_Sign1 messages with CWT claims, as `verify` reads them."""

from typing import Any

import cbor2

from cards.keys import SigningKey
from cards.verify import ALG, ESP256, KID, TYP, to_be_signed

_SIGN1_TAG = 18


def sign1(claims: dict[int, Any], key: SigningKey, typ: str | None = None) -> bytes:
    """A COSE_Sign1 message (RFC 9052), tagged, in the deterministic encoding that `verify` insists on."""
    header: dict[int, Any] = {ALG: ESP256, KID: key.kid} | ({} if typ is None else {TYP: typ})
    protected, payload = cbor2.dumps(header, canonical=True), cbor2.dumps(claims, canonical=True)
    signature = key.sign(to_be_signed(protected, payload))
    return cbor2.dumps(cbor2.CBORTag(_SIGN1_TAG, [protected, {}, payload, signature]))
