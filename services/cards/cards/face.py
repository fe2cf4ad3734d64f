"""The picture of a card, ready to print: ISO/IEC 7810 ID-1, 85.6 × 54 mm, both sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI

from cards import rules
from cards.config import CardsSettings
from cards.models import Card
from common.documents import render
from common.persons import Person, Persons

Side = Literal["front", "back"]

_TEMPLATE = Path(__file__).parent / "templates" / "card_face.typ"


def prepare(app: FastAPI, settings: CardsSettings) -> None:
    app.state.persons = Persons.at(settings.registry_url)


async def card_face(card: Card, name: Person, qr_svg: str, side: Side | None, media_type: str) -> bytes:
    """One side, or both as two pages of a PDF."""
    return await render(_TEMPLATE, _printed(card, name, qr_svg, side), media_type)


def _printed(card: Card, name: Person, qr_svg: str, side: Side | None) -> Mapping[str, Any]:
    number = card.number
    return {
        "sides": [side] if side else ["front", "back"],
        "names": [name.last_name, f"{name.first_name} {name.patronymic}".strip()],
        "number": " ".join(number[i : i + 4] for i in range(0, len(number), 4)),
        "valid_through": rules.valid_through(card.expires_on),
        "qr": qr_svg,
    }
