"""`union card expire`: the daily expiry."""

import asyncio
from datetime import UTC, datetime

import typer

from cards import commands
from cards.config import CardsSettings
from cards.qr import card_terms
from common.db import Database

_EXPIRY_BATCH = 1000


def expire_cards() -> None:
    """End the cards whose day has come and renew the virtual ones of entitled members; a worker does it too.

    Reads the service's settings from the environment. May be run again at any time.
    """
    expired, renewed = asyncio.run(_expire(CardsSettings()))
    typer.echo(f"{expired} expired, {renewed} renewed")


async def _expire(settings: CardsSettings) -> tuple[int, int]:
    terms, database = card_terms(settings), Database.connect(settings)
    all_expired = all_renewed = 0
    try:
        while True:
            now = datetime.now(UTC)
            async with database.sessions.begin() as session:
                expired, renewed = await commands.expire_cards(
                    session, now.date(), _EXPIRY_BATCH, terms, "union card expire", now
                )
            all_expired, all_renewed = all_expired + expired, all_renewed + renewed
            if expired < _EXPIRY_BATCH:
                return all_expired, all_renewed
    finally:
        await database.close()
