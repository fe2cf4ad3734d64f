"""What time does to cards: they expire, and proofs of devices grow too old to be remembered."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from cards import commands
from cards.config import CardsSettings
from cards.qr import card_terms
from common.rounds import Round

_EXPIRED_AT_ONCE = 1000


async def _expire_cards(session: AsyncSession, now: datetime, settings: CardsSettings) -> None:
    await commands.expire_cards(session, now.date(), _EXPIRED_AT_ONCE, card_terms(settings), "card_expiry", now)


async def _forget_used_proofs(session: AsyncSession, now: datetime, _settings: CardsSettings) -> None:
    await commands.forget_used_proofs(session, now)


ROUNDS = [
    Round("card_expiry", every=timedelta(minutes=5), run=_expire_cards),
    Round("used_proofs", every=timedelta(minutes=10), run=_forget_used_proofs),
]
