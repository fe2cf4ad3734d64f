"""Judge a union card's QR code without a network: `verify(text, keys, now, status_list)`.

Keys and list come from the union: as a `Bundle` certified by the root key that you pinned, or as a JWKS and a
list fetched from its addresses.
"""

from union_card_verifier.bundle import BUNDLE_TYPE, Bundle
from union_card_verifier.cose import KeySet, NotTrusted
from union_card_verifier.status import StatusList
from union_card_verifier.verifying import SeenProofs, Verdict, verify

__all__ = ["BUNDLE_TYPE", "Bundle", "KeySet", "NotTrusted", "SeenProofs", "StatusList", "Verdict", "verify"]
