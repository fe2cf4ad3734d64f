"""Files that pass between us and the bank: payouts out, what became of them in (docs/cashback/bank.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import errors, rules
from cashback.commands import payouts
from cashback.models import BankAnswer, BankFile, Payout
from common import checked_files
from common.errors import FileInvalid, NotFound
from common.persons import Person
from common.references import reference

VERSION = "1"
MOST_PAYOUTS = 10_000
OUTCOMES = (rules.SETTLED, rules.FAILED, rules.RETURNED, rules.UNKNOWN)
PURPOSE = "Выплата кешбэка участнику бонусной программы"


@dataclass(frozen=True)
class Outcome:
    """What the bank says of one payout."""

    place: int
    bank_reference: str
    outcome: str
    amount: int
    day: date
    note: str | None


@dataclass(frozen=True)
class Answer:
    """A bank's file, read and checked against its trailer."""

    file_number: int
    number: int
    outcomes: Sequence[Outcome]
    sha256: str


async def send_payouts(session: AsyncSession, effective_on: date, actor: str, now: datetime) -> BankFile:
    """Put all that was requested until that day and is approved, up to 10,000, into one file.

    A payout is in one file only, for ever.
    """
    rules.check_not_future(effective_on, now)
    statement = (
        sa.select(Payout)
        .where(col(Payout.status) == rules.APPROVED, col(Payout.requested_on) <= effective_on)
        .order_by(col(Payout.payout_id))
        .limit(MOST_PAYOUTS)
        .with_for_update(skip_locked=True)
    )
    approved = (await session.scalars(statement)).all()
    if not approved:
        raise errors.NothingToSend
    file = BankFile(payouts=len(approved), total=sum(p.amount for p in approved), made_by=actor, made_at=now)
    session.add(file)
    await session.flush()
    for place, payout in enumerate(approved, start=1):
        payout.bank_reference = reference("PO", f"{file.file_number:06d}{place:05d}")
        payout.file_number, payout.sent_on = file.file_number, effective_on
        payouts.step(session, payout, rules.SENT, effective_on)
    return file


async def unanswered(session: AsyncSession, file_number: int) -> tuple[BankFile, Sequence[Payout]]:
    """The file, locked, and its payouts that the bank has not settled or refused."""
    file = await _locked(session, file_number)
    statement = (
        sa.select(Payout)
        .where(col(Payout.file_number) == file_number, col(Payout.status).in_((rules.SENT, rules.UNKNOWN)))
        .order_by(col(Payout.bank_reference))
    )
    return file, (await session.scalars(statement)).all()


def written(file: BankFile, sent: Sequence[Payout], persons: Mapping[UUID, Person]) -> bytes:
    """The file for the bank, not yet encrypted. Holds personal data: it lives as long as the request."""
    without_phone = [payout.payout_id for payout in sent if not persons[payout.member_id].phone]
    if without_phone:
        raise errors.PhoneMissing(without_phone)
    lines = []
    for payout in sent:
        person = persons[payout.member_id]
        names = (person.last_name, person.first_name, person.patronymic, person.phone or "")
        lines.append(["P", payout.bank_reference or "", str(payout.amount), *names, PURPOSE])
    header = [str(file.file_number), file.made_at.isoformat(timespec="seconds")]
    content, file.sha256 = checked_files.written(VERSION, header, lines, [sum(p.amount for p in sent)])
    return content


def read_answer(content: bytes) -> Answer:
    """Raises FileInvalid with the number of the line that is wrong."""
    file = checked_files.read(content, VERSION, header_fields=2, totals=1)
    outcomes = [_outcome(line) for line in file.lines]
    if sum(outcome.amount for outcome in outcomes) != file.totals[0]:
        raise FileInvalid(len(outcomes) + 2, "its total is not the sum of the amounts before it.")
    if len({outcome.bank_reference for outcome in outcomes}) < len(outcomes):
        raise FileInvalid(1, "a payout is named twice.")
    number, answer = (checked_files.whole(field, 1) for field in file.header)
    return Answer(number, answer, outcomes, file.sha256)


async def take_answer(session: AsyncSession, answer: Answer, actor: str, now: datetime) -> BankFile:
    """Take in a bank's file wholly or not at all, in its turn; one that was taken in before changes nothing."""
    file = await _locked(session, answer.file_number)
    taken = await session.get(BankAnswer, (answer.file_number, answer.number))
    if taken is not None and taken.sha256 == answer.sha256:
        return file
    count = sa.select(sa.func.count()).where(col(BankAnswer.file_number) == answer.file_number)
    expected = (await session.scalar(count) or 0) + 1
    if answer.number != expected:
        raise errors.AnswerOutOfTurn(expected)
    statement = (
        sa.select(Payout)
        .where(col(Payout.file_number) == answer.file_number)
        .order_by(col(Payout.payout_id))
        .with_for_update()
    )
    sent = {payout.bank_reference: payout for payout in await session.scalars(statement)}
    for outcome in answer.outcomes:
        await _apply(session, sent.get(outcome.bank_reference), outcome, now)
    session.add(
        BankAnswer(
            file_number=answer.file_number,
            answer_number=answer.number,
            sha256=answer.sha256,
            lines=len(answer.outcomes),
            taken_by=actor,
            taken_at=now,
        )
    )
    return file


async def _apply(session: AsyncSession, payout: Payout | None, outcome: Outcome, now: datetime) -> None:
    if payout is None:
        raise FileInvalid(outcome.place, "this payout is not of the file that it answers.")
    if payout.amount != outcome.amount:
        raise FileInvalid(outcome.place, f"the payout is of {payout.amount} kopecks.")
    try:
        if outcome.outcome == rules.SETTLED:
            await payouts.settle(session, payout, outcome.day, now)
        elif outcome.outcome == rules.FAILED:
            await payouts.fail(session, payout, outcome.note or "refused_by_bank", outcome.day, now)
        elif outcome.outcome == rules.RETURNED:
            await payouts.bring_back(session, payout, outcome.note or "returned_by_bank", outcome.day, now)
        elif payout.status != rules.UNKNOWN:
            payouts.step(session, payout, rules.UNKNOWN, outcome.day)
    except errors.PAYOUT_REFUSALS as refusal:
        raise FileInvalid(outcome.place, refusal.detail) from None


def _outcome(line: checked_files.Line) -> Outcome:
    fields = line.fields
    if len(fields) != 6 or fields[0] != "R" or fields[2] not in OUTCOMES:
        raise FileInvalid(
            line.place, f"an outcome is R;reference;{' or '.join(OUTCOMES)};kopecks;YYYY-MM-DD;note."
        )
    try:
        day = date.fromisoformat(fields[4])
    except ValueError:
        raise FileInvalid(line.place, "its day is not written YYYY-MM-DD.") from None
    amount = checked_files.whole(fields[3], line.place)
    return Outcome(line.place, fields[1], fields[2], amount, day, checked_files.note(fields[5]))


async def _locked(session: AsyncSession, file_number: int) -> BankFile:
    file = await session.get(BankFile, file_number, with_for_update=True)
    if file is None:
        raise NotFound("bank file", file_number)
    return file
