"""What the app on a member's device does, as its makers may read it; the demonstration and the tests use it."""

from dataclasses import dataclass
from datetime import datetime

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from cards.cose import sealed
from cards.keys import SigningKey
from union_card_verifier import base45
from union_card_verifier.cose import ALG, CARD_CODE, ESP256, IAT
from union_card_verifier.verifying import PREFIX, PROOF_PREFIX

_PROTECTED = cbor2.dumps({ALG: ESP256})


@dataclass(frozen=True)
class Device:
    """A device with its key pair; on a phone the private half is in its secure hardware."""

    key: SigningKey

    @classmethod
    def new(cls) -> "Device":
        return cls(SigningKey.of(ec.generate_private_key(ec.SECP256R1())))

    @property
    def public_key(self) -> dict[str, str]:
        """As the registration takes it."""
        return {name: self.key.jwk[name] for name in ("kty", "crv", "x", "y")}

    def show(self, code: str, now: datetime) -> str:
        """The text of the QR code to show now: the union's code with a proof that this device is here."""
        card = base45.decode(code.removeprefix(PREFIX))
        payload = cbor2.dumps({IAT: int(now.timestamp()), CARD_CODE: card})
        return PROOF_PREFIX + base45.encode(sealed(_PROTECTED, payload, self.key))
