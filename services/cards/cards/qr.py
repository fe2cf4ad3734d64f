"""The QR code of a card: claims without personal data, signed, as text and as a picture."""

from datetime import UTC, datetime, time, timedelta

import cbor2
import zxingcpp
from fastapi import FastAPI

from cards import cose
from cards.commands.making import CardTerms
from cards.config import CardsSettings
from cards.keyring import KeyRing
from cards.keys import SigningKey
from cards.models import Card
from cards.numbers import NumberScheme
from cards.status_list import StatusListPublisher
from union_card_verifier import base45
from union_card_verifier.cose import CNF, CTI, EXP, STATUS_INDEX, TIER, cnf_of
from union_card_verifier.verifying import PREFIX

BASIC_TIER = 0


def prepare(app: FastAPI, settings: CardsSettings) -> None:
    """Load the keys, once; a missing or wrong key file ends the start."""
    app.state.keys = KeyRing(settings.card_signing_key_file, settings.card_keys_refresh_seconds)
    app.state.terms = card_terms(settings)
    app.state.status_list = StatusListPublisher(
        app.state.keys,
        settings.card_status_list_ttl_seconds,
        settings.card_status_list_refresh_seconds,
    )


def card_terms(settings: CardsSettings) -> CardTerms:
    """What new cards are made by; reads the key of their numbers."""
    scheme = NumberScheme.load(
        settings.card_number_key_file, settings.card_number_prefix, settings.card_number_length
    )
    return CardTerms(scheme, settings.card_years)


def end_of(card: Card, now: datetime | None = None, seconds: float | None = None) -> int:
    """When the card's code ends, in Unix seconds: with the card, or `seconds` after `now` if that is sooner."""
    end = datetime.combine(card.expires_on, time(), UTC)
    if now is not None and seconds is not None:
        end = min(end, now + timedelta(seconds=seconds))
    return int(end.timestamp())


def text(card: Card, key: SigningKey, ends_at: int | None = None, device: bytes | None = None) -> str:
    """The text of the card's QR code: `UC1:` and base45, all of QR's alphanumeric mode.

    It names a random reference, the expiry, a random place in the status list and the tier; for a virtual
    card in an app also the device (33 bytes, a compressed point), without whose proof it is worth nothing.
    The same arguments give the same text.
    """
    # In the order of deterministic encoding, which the encoder then need not sort for.
    claims: dict[int, object] = {EXP: end_of(card) if ends_at is None else ends_at, CTI: card.reference}
    if device is not None:
        claims[CNF] = cnf_of(device)
    claims[STATUS_INDEX], claims[TIER] = card.status_index, BASIC_TIER
    return PREFIX + base45.encode(cose.code(cbor2.dumps(claims), key))


def unbound_text(card: Card, key: SigningKey, plain_seconds: float, now: datetime) -> str:
    """The code of a card without a device: a plastic card's lives with the card, a virtual one's for seconds."""
    if card.form == "plastic":
        return text(card, key)
    return text(card, key, end_of(card, now, plain_seconds))


_CHUNK = 7
"""Modules that are drawn at a time: a table has what each of the 128 patterns looks like."""
_QUIET_ZONE = 4


def _drawn(pattern: int) -> bytes:
    """Lines and gaps of seven modules, from the left; the pen ends behind the seventh."""
    path, modules = b"", f"{pattern:07b}"
    while modules:
        run = len(modules) - len(modules.lstrip(modules[0]))
        path += (b"h%d" if modules[0] == "1" else b"m%d 0") % run
        modules = modules[run:]
    return path


_DARK, _LIGHT = b"\x00", b"\xff"
_STROKES = {
    b"".join(_DARK if bit == "1" else _LIGHT for bit in f"{pattern:07b}"): _drawn(pattern)
    for pattern in range(128)
}


def matrix(qr_text: str) -> tuple[int, bytes]:
    """(side, modules row by row: 0 is dark, 255 light) of the code at error level M, without a quiet zone."""
    code = zxingcpp.create_barcode(qr_text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    image = code.to_image(scale=1, add_quiet_zones=False)
    return image.shape[0], bytes(memoryview(image))  # type: ignore[arg-type]  # a buffer; its stub does not say so


def svg(qr_text: str) -> str:
    """The picture of the code with four modules of quiet zone; no reference to anything outside."""
    side, modules = matrix(qr_text)
    rows = []
    for y in range(side):
        row = modules[y * side : (y + 1) * side]
        # The side of a QR code is 4n + 17; what lacks to a whole number of chunks is light.
        row += _LIGHT * (-side % _CHUNK)
        strokes = b"".join([_STROKES[row[x : x + _CHUNK]] for x in range(0, side, _CHUNK)])
        rows.append(b"M%d %d.5%s" % (_QUIET_ZONE, y + _QUIET_ZONE, strokes))
    whole = side + 2 * _QUIET_ZONE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{4 * whole}" height="{4 * whole}"'
        f' viewBox="0 0 {whole} {whole}"><path fill="#fff" d="M0 0h{whole}v{whole}H0z"/>'
        f'<path stroke="#000" d="{b"".join(rows).decode()}"/></svg>'
    )
