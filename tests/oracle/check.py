"""Another library's word on the test vectors: `cwt` opens every code that is genuine, and none that is not.

Runs in an environment of its own (`make test-vectors`), which has nothing of the platform in it: this file says
what COSE says, not what our verifier says. The pictures of the codes are read back by `zxing-cpp`.
"""

import base64
import json
import sys
from pathlib import Path

import cbor2
import cwt
import zxingcpp

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
# Labels of docs/cards/format.md.
CARD_CODE, EXP, CTI, STATUS_INDEX, TIER = -65539, 4, 7, -65537, -65538


def base45(text: str) -> bytes:
    """RFC 9285 as it is written there."""
    data = b""
    for at in range(0, len(text), 3):
        values = [ALPHABET.index(letter) for letter in text[at : at + 3]]
        number = sum(value * 45**place for place, value in enumerate(values))
        data += number.to_bytes(2 if len(values) == 3 else 1, "big")
    return data


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def keys(jwks: dict) -> list[cwt.COSEKey]:
    """As COSE_Keys with the fully specified algorithms of RFC 9864, which their JWK names cannot say."""
    return [
        cwt.COSEKey.new(
            {1: 2, 2: raw(jwk["kid"]), 3: -9, -1: 1, -2: raw(jwk["x"]), -3: raw(jwk["y"])}
            if jwk["kty"] == "EC"
            else {1: 1, 2: raw(jwk["kid"]), 3: -19, -1: 6, -2: raw(jwk["x"])}
        )
        for jwk in jwks["keys"]
    ]


def opened(message: bytes, trusted: list[cwt.COSEKey]) -> dict | None:
    """The claims of a message as the library reads them, or None where it refuses."""
    try:
        return cbor2.loads(cwt.COSE.new(verify_kid=True).decode(message, trusted))
    except Exception:  # a library refuses in its own way
        return None


def main(file: Path) -> int:
    document = json.loads(file.read_text())
    trusted, wrong, read = keys(document["jwks"]), [], 0
    for case in document["cases"]:
        code = case["text"]
        try:
            message = base45(code[4:])
            if code.startswith("UP1:"):
                message = cbor2.loads(cbor2.loads(message).value[2])[CARD_CODE]
        except (ValueError, OverflowError, AttributeError, cbor2.CBORError):
            message = b""
        claims = opened(message, trusted) if message else None
        if case["genuine"] and (claims is None or not {EXP, CTI, STATUS_INDEX, TIER} <= claims.keys()):
            wrong.append(f"{case['name']}: the library does not open it")
        if case["genuine"]:
            picture = zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
            if [found.text for found in zxingcpp.read_barcodes(picture.to_image(scale=4))] != [code]:
                wrong.append(f"{case['name']}: its picture is read otherwise")
            read += 1
        signature_fails = case["expect"]["reason"] in ("signature_wrong", "unknown_key")
        if signature_fails and claims is not None:
            wrong.append(f"{case['name']}: the library opens it")
    step = document["good_step_by_step"]
    if opened(bytes.fromhex(step["message"]), trusted) != cbor2.loads(bytes.fromhex(step["payload"])):
        wrong.append("the good code step by step: the library reads other claims")
    for name, message, root in (
        ("status list", bytes.fromhex(document["status_list"]), trusted),
        ("root statement", cbor2.loads(bytes.fromhex(document["bundle"]))[0], keys(document["root_jwks"])),
    ):
        if opened(message, root) is None:
            wrong.append(f"{name}: the library does not open it")
    print("\n".join(wrong) or f"{len(document['cases'])} vectors, {read} genuine: cwt {cwt.__version__} agrees")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
