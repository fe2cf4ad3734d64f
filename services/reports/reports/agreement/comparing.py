"""The comparison: active members of every organisation, as registry, cards and reports count them.

Checksums of 256 buckets of organisations first; only buckets that differ are opened. A difference is looked at twice,
with a pause between: what is gone or has changed by then was on its way. What stands is drift if all have heard the
same events (`heard` is alike) and count otherwise all the same. Where they have not, events may be on their way, or
lost: that is drift when the very same difference has stood for `agreement_patience_minutes`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.counts import CountBuckets, MembersCounted
from common.credentials import ServiceToken
from common.jobs import Job, Running
from reports import metrics
from reports.agreement.sources import OfBucket, OverHttp, Own, Source
from reports.config import ReportsSettings
from reports.records import Agreement, Disagreement

KIND, SUBJECT = "agreement", "members"
_ONE_AT_A_TIME = sa.text("select pg_advisory_xact_lock(0x61677265)")

Sources = Mapping[str, Source]
"""By the services' names; the registry first, so what the others know beside it is never older."""
Figures = dict[str, MembersCounted]


@dataclass(frozen=True)
class Outcome:
    agreement: Agreement
    disagreements: list[Disagreement]

    @property
    def drift(self) -> int:
        return sum(found.drift for found in self.disagreements)


async def compare(session: AsyncSession, sources: Sources, now: datetime, settings: ReportsSettings) -> Outcome:
    """Compare and keep what was found. Raises NotComparable, and then keeps what was known before."""
    await session.execute(_ONE_AT_A_TIME)
    told = {name: await source.buckets() for name, source in sources.items()}
    first = await _differing(sources, _suspicious(told))
    second: dict[UUID, Figures] = {}
    if first:
        await asyncio.sleep(settings.agreement_settle_seconds)
        second = await _differing(sources, {organisation_id.hex[-2:] for organisation_id in first})
    patience = timedelta(minutes=settings.agreement_patience_minutes)
    before = {row.organisation_id: row for row in await session.scalars(sa.select(Disagreement))}
    found = [
        _disagreement(organisation_id, figures, before.get(organisation_id), now, patience)
        for organisation_id, figures in sorted(second.items())
        if first.get(organisation_id) == figures
    ]
    agreement = Agreement(
        subject=SUBJECT,
        ran_at=now,
        organisations=sum(bucket.organisations for bucket in told["registry"].items),
        members={name: sum(bucket.members for bucket in buckets.items) for name, buckets in told.items()},
        unsent=told["registry"].unsent or 0,
        parked=sum(buckets.parked or 0 for buckets in told.values()),
    )
    await _keep(session, agreement, found)
    return Outcome(agreement, found)


def _suspicious(told: Mapping[str, CountBuckets]) -> set[str]:
    """Buckets whose checksums are not all alike."""
    digests = [{item.bucket: item.digest for item in buckets.items} for buckets in told.values()]
    names = {name for of in digests for name in of}
    return {name for name in names if len({of.get(name) for of in digests}) > 1}


async def _differing(sources: Sources, buckets: Iterable[str]) -> dict[UUID, Figures]:
    """The organisations of these buckets that are not counted alike."""
    found: dict[UUID, Figures] = {}
    for bucket in sorted(buckets):
        told: dict[str, OfBucket] = {name: await source.of_bucket(bucket) for name, source in sources.items()}
        for organisation_id in {key for of in told.values() for key in of}:
            unknown = MembersCounted(organisation_id=organisation_id, members=0, heard="")
            figures = {name: of.get(organisation_id, unknown) for name, of in told.items()}
            if len({figure.members for figure in figures.values()}) > 1:
                found[organisation_id] = figures
    return found


def _disagreement(
    organisation_id: UUID, figures: Figures, before: Disagreement | None, now: datetime, patience: timedelta
) -> Disagreement:
    members = {name: figure.members for name, figure in figures.items()}
    since = before.since if before is not None and before.members == members else now
    all_heard = len({figure.heard for figure in figures.values()}) == 1
    drift = all_heard or now - since >= patience
    return Disagreement(organisation_id=organisation_id, members=members, drift=drift, since=since)


async def _keep(session: AsyncSession, agreement: Agreement, found: list[Disagreement]) -> None:
    values = agreement.model_dump()
    await session.execute(
        insert(Agreement).values(values).on_conflict_do_update(index_elements=["subject"], set_=values)
    )
    await session.execute(sa.delete(Disagreement))
    session.expunge_all()
    session.add_all(found)
    await session.flush()


async def run(session: AsyncSession, now: datetime, settings: ReportsSettings) -> None:
    """The round `agreement`. Without a token of its own the service cannot ask, and compares nothing."""
    if ServiceToken(settings).configured:
        await _compare_over_http(session, now, settings)


async def _compare_over_http(session: AsyncSession, now: datetime, settings: ReportsSettings) -> Outcome:
    token = ServiceToken(settings)
    async with (
        httpx.AsyncClient(base_url=settings.registry_url, timeout=30) as registry,
        httpx.AsyncClient(base_url=settings.cards_url, timeout=30) as cards,
    ):
        sources: Sources = {
            "registry": OverHttp("registry", registry, token),
            "cards": OverHttp("cards", cards, token),
            "reports": Own(session),
        }
        return await compare(session, sources, now, settings)


async def _asked_for(job: Running) -> dict[str, Any]:
    async with job.database.sessions.begin() as session:
        now = (await session.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
        outcome = await _compare_over_http(session, now, job.settings)
        await job.hold(session)
    drift = outcome.drift
    return {
        "organisations": outcome.agreement.organisations,
        "members": outcome.agreement.members,
        "drift": drift,
        "waiting": len(outcome.disagreements) - drift,
    }


job = Job(KIND, _asked_for)


async def tell(session: AsyncSession) -> None:
    """Set the metrics from the last comparison, whoever made it."""
    last = await session.scalar(sa.select(col(Agreement.ran_at)).where(col(Agreement.subject) == SUBJECT))
    drift = col(Disagreement.drift)
    rows = await session.execute(sa.select(drift, sa.func.count()).group_by(drift))
    counts = {row[0]: row[1] for row in rows}
    metrics.DRIFT.set(counts.get(True, 0))
    metrics.WAITING.set(counts.get(False, 0))
    metrics.LAST_COMPARISON.set(last.timestamp() if last else 0)
