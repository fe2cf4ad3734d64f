"""Taking partners' reports in sets: one look-up, one lock, one write of each kind for a whole batch.

Behind the API, the partners' topics and the daily files. Locks are taken in one order by everybody: purchases,
caps, devices, accounts, each of them sorted; so batches that meet wait for each other and never crosswise.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from cashback import ledger
from cashback.commands import rows, watching
from cashback.commands.decisions import Decisions
from cashback.commands.reports import Key, Line, Report, Source, Told
from cashback.commands.subjects import Taken, as_it_stood
from cashback.errors import ReportOvertaken, ReportTakenOtherwise
from cashback.models import Purchase
from cashback.policy import Policy
from common.errors import BusinessError

_ATTEMPTS = 5


class Overtaken(Exception):
    """Another transaction took one of the messages between our look and our write: look again."""


async def take_reports(
    session: AsyncSession, reports: Sequence[Report], source: Source, policy: Policy, now: datetime
) -> list[Told]:
    """Take each report that the rules allow, in their order; a refused one changes nothing and stops no other.

    A repeated message gets its first answer; the same key with another content is refused.
    """
    if not reports:
        return []
    for _ in range(_ATTEMPTS):
        try:
            if len(reports) == 1:
                # One message writes nothing before it is overtaken, so there is nothing to undo.
                return await _take(session, reports, source, policy, now)
            async with session.begin_nested():
                return await _take(session, reports, source, policy, now)
        except Overtaken:
            continue
    raise ReportOvertaken


async def take_or_undo(
    session: AsyncSession, reports: Sequence[Report], source: Source, policy: Policy, now: datetime
) -> list[Told]:
    """As `take_reports`, once, and without a savepoint: the caller rolls all back when it raises Overtaken."""
    if len(reports) > 1:
        return await _take(session, reports, source, policy, now)
    return await take_reports(session, reports, source, policy, now)


async def _take(
    session: AsyncSession, reports: Sequence[Report], source: Source, policy: Policy, now: datetime
) -> list[Told]:
    await session.flush()
    purchases = await rows.locked_purchases(session, {report.of for report in reports})
    # After the lock: a twin that held it has taken its message by now.
    known = await rows.known_reports(session, [report.key for report in reports if report.of in purchases])
    fresh = [report for report in reports if report.key not in known]
    subjects = await rows.subjects(session, fresh, purchases)
    caps = await rows.locked_caps(
        session, {cap.key for candidates in subjects.values() for subject in candidates for cap in subject.caps}
    )
    touched = {
        ref
        for report in fresh
        for subject in subjects.get(report.of, ())
        for ref in subject.accounts.touched_by(report.what)
    }
    first = [
        (report.purchased_at, subject)
        for report in fresh
        if report.what == "reported" and report.purchased_at is not None
        for subject in subjects.get(report.of, ())
        if subject.clicked is not None
    ]
    limits = await watching.limits_of(session, sorted({one.partner for _, one in first})) if first else []
    await watching.hold_devices(session, limits, first)
    balances = await ledger.hold(session, touched)
    watch = await watching.counted(session, limits, first)
    accruals = await rows.accrual_entries(session, fresh, purchases)
    decisions = Decisions(source, policy, now, subjects, purchases, caps, balances, accruals, watch)
    # A purchase that other messages of the batch are about too is told of as it stood after each.
    often = {of for of, count in Counter(report.of for report in reports).items() if count > 1}
    told = [_answer(decisions, report, known, purchases, report.of in often) for report in reports]
    if not await rows.write(session, decisions):
        raise Overtaken
    return told


def _answer(
    decisions: Decisions,
    report: Report,
    known: Mapping[Key, Taken],
    purchases: Mapping[Line, Purchase],
    copied: bool,
) -> Told:
    taken = decisions.taken.get(report.key) or known.get(report.key)
    if taken is not None:
        if taken.input_hash != report.digest():
            return Told(report, None, ReportTakenOtherwise(report.what, taken.purchase_id))
        return Told(report, as_it_stood(purchases[report.of], taken), repeated=True)
    try:
        purchase = decisions.take(report)
    except BusinessError as refusal:
        return Told(report, None, refusal)
    return Told(report, as_it_stood(purchase, decisions.taken[report.key]) if copied else purchase)
