"""What became of every piece of plastic of a batch: ordered = accounted for, or the report says which is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cards.models import LIVE, Card, FactoryResponse, PersonalisationFile, PlasticBatch, PlasticCard

WITHOUT_ANSWER, NOT_DISPATCHED, NOT_HANDED_OVER = "without_answer", "not_dispatched", "not_handed_over"
SPOILED, MISSING, TO_DESTROY = "spoiled", "missing", "to_destroy"


@dataclass(frozen=True)
class Finding:
    """A piece of plastic that is not simply where it should be."""

    card_id: UUID
    serial: str
    finding: str
    note: str | None


@dataclass(frozen=True)
class Reconciliation:
    ordered: int
    withdrawn: int
    """Ended before the order was sent: no plastic was ever made."""
    produced: int
    spoiled: int
    dispatched: int
    delivered: int
    missing: int
    handed_over: int
    files: Sequence[PersonalisationFile]
    responses: Sequence[FactoryResponse]
    findings: Sequence[Finding]
    difference: int
    """Ordered less what is withdrawn, spoiled, missing, handed over or to be destroyed: 0 when the batch is done."""


async def reconcile(session: AsyncSession, batch: PlasticBatch) -> Reconciliation:
    statement = (
        sa.select(PlasticCard, col(Card.status))
        .join(Card, col(Card.card_id) == col(PlasticCard.card_id))
        .where(col(PlasticCard.batch_id) == batch.batch_id)
        .order_by(col(PlasticCard.serial))
    )
    rows = (await session.execute(statement)).all()
    stages = [row[0].stage for row in rows]
    findings = [found for plastic, status in rows if (found := _finding(plastic, status))]
    ended = sum(finding.finding == TO_DESTROY for finding in findings)

    def reached(*names: str) -> int:
        return sum(stage in names for stage in stages)

    closed = reached("withdrawn", "spoiled", "missing", "handed_over") + ended
    return Reconciliation(
        ordered=batch.cards,
        withdrawn=reached("withdrawn"),
        produced=reached("produced", "dispatched", "delivered", "missing", "handed_over"),
        spoiled=reached("spoiled"),
        dispatched=reached("dispatched", "delivered", "missing", "handed_over"),
        delivered=reached("delivered", "handed_over"),
        missing=reached("missing"),
        handed_over=reached("handed_over"),
        files=await _of(session, PersonalisationFile, batch, PersonalisationFile.file_number),
        responses=await _of(session, FactoryResponse, batch, FactoryResponse.response_number),
        findings=findings,
        difference=batch.cards - closed,
    )


def _finding(plastic: PlasticCard, card_status: str) -> Finding | None:
    finding = _name_of(plastic.stage, card_status in LIVE)
    return Finding(plastic.card_id, plastic.serial, finding, plastic.note) if finding else None


def _name_of(stage: str, live: bool) -> str | None:
    if stage in ("spoiled", "missing"):
        return stage
    if stage in ("withdrawn", "handed_over"):
        return None
    if not live:
        # Its card ended on the way: whoever has the plastic cuts it up.
        return TO_DESTROY
    return {"ordered": WITHOUT_ANSWER, "produced": NOT_DISPATCHED}.get(stage, NOT_HANDED_OVER)


async def _of(session: AsyncSession, table: Any, batch: PlasticBatch, order: Any) -> Sequence[Any]:
    return (await session.scalars(sa.select(table).where(table.batch_id == batch.batch_id).order_by(order))).all()
