"""The QR code of a card: claims without personal data, signed, as text and as a picture."""

import io
from datetime import UTC, datetime, time

import base45
import segno
from fastapi import FastAPI

from cards.commands.making import CardTerms
from cards.config import CardsSettings
from cards.cose import sign1
from cards.keys import SigningKey
from cards.models import Card
from cards.numbers import NumberScheme
from cards.status_list import StatusListPublisher
from cards.verify import CTI, EXP, PREFIX, STATUS_INDEX, TIER

BASIC_TIER = 0


def prepare(app: FastAPI, settings: CardsSettings) -> None:
    """Load the keys, once; a missing or wrong key file ends the start."""
    app.state.signing_key = SigningKey.load(settings.card_signing_key_file)
    app.state.terms = card_terms(settings)
    app.state.status_list = StatusListPublisher(
        app.state.signing_key,
        settings.card_status_list_ttl_seconds,
        settings.card_status_list_refresh_seconds,
    )


def card_terms(settings: CardsSettings) -> CardTerms:
    """What new cards are made by; reads the key of their numbers."""
    scheme = NumberScheme.load(
        settings.card_number_key_file, settings.card_number_prefix, settings.card_number_length
    )
    return CardTerms(scheme, settings.card_years)


def text(card: Card, key: SigningKey) -> str:
    """The text of the card's QR code, the same each time: `UC1:` and base45, all of QR's alphanumeric mode.

    It names a random reference, the expiry, a random place in the status list and the tier: nothing else.
    """
    expires_at = datetime.combine(card.expires_on, time(), UTC)
    claims = {
        CTI: card.reference,
        EXP: int(expires_at.timestamp()),
        STATUS_INDEX: card.status_index,
        TIER: BASIC_TIER,
    }
    return PREFIX + str(base45.b45encode(sign1(claims, key)), "ascii")


def svg(qr_text: str) -> str:
    """The picture of the code at error level M, four modules of quiet zone; no reference to anything outside."""
    # One fixed mask: trying all eight for the prettiest takes four times as long and is read no better.
    code = segno.make_qr(qr_text, error="m", mask=2, boost_error=False)
    picture = io.BytesIO()
    code.save(picture, kind="svg", border=4, scale=4, omitsize=False, xmldecl=False, nl=False)
    return picture.getvalue().decode()
