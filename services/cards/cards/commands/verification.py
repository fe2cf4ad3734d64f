"""The online check of a code: against the cards themselves, not a list."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cards import rules
from cards.models import Card, CardDevice, UsedProof
from union_card_verifier.cose import KeySet
from union_card_verifier.verifying import Code, Refused, Verdict, examine, judge

_KEPT = timedelta(minutes=10)


@dataclass(frozen=True)
class _Now:
    """What the database knows of one card at this moment."""

    bits: int

    def status(self, _index: int, /) -> int | None:
        return self.bits

    def is_fresh(self, _now: datetime, /) -> bool:
        return True


async def verify_online(session: AsyncSession, qr_text: str, keys: KeySet, now: datetime) -> Verdict:
    """Green or red, never amber. A device's proof is taken once."""
    try:
        code = examine(qr_text, keys, now)
    except Refused as refused:
        return Verdict("red", refused.reason)
    card = (
        await session.scalars(sa.select(Card).where(col(Card.status_index) == code.status_index))
    ).one_or_none()
    if card is None or card.reference != code.reference:
        return Verdict("red", "unknown_card")
    if code.device is not None and (reason := await _refused_device(session, card, code, now)):
        return Verdict("red", reason)
    return judge(code, keys, now, _Now(rules.status_bits(card.status)))


async def _refused_device(session: AsyncSession, card: Card, code: Code, now: datetime) -> str | None:
    registered = await session.scalar(
        sa.select(col(CardDevice.device_id)).where(
            col(CardDevice.card_id) == card.card_id,
            col(CardDevice.point) == code.device,
            col(CardDevice.revoked_at).is_(None),
        )
    )
    if registered is None:
        return "device_revoked"
    proof = {"point": code.device, "proved_at": code.proved_at, "taken_at": now}
    first = await session.scalar(
        insert(UsedProof).values(proof).on_conflict_do_nothing().returning(col(UsedProof.proved_at))
    )
    return "replayed" if first is None else None


async def forget_used_proofs(session: AsyncSession, now: datetime) -> None:
    """Proofs that are too old to be taken need not be remembered."""
    await session.execute(sa.delete(UsedProof).where(col(UsedProof.taken_at) < now - _KEPT))
