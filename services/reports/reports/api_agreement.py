"""Routes of the proof that registry, cards and reports know the same members."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends
from pydantic import BaseModel, Field
from sqlmodel import col

from common import jobs
from common.app import router as kernel_router
from common.auth import Principal, Role, in_scope, require
from common.counts import counts_router
from common.http import Page, PageDep, ReadSessionDep, SessionDep, paginate
from reports.agreement import comparing, sources
from reports.api import Reader
from reports.models import Organisation
from reports.records import Agreement, Disagreement

router = kernel_router(tags=["agreement"])
counts_router(router, sources.COUNTS, lambda principal, column: in_scope(principal, column, Organisation))


class Members(BaseModel):
    """Active members, by each service."""

    registry: int
    cards: int
    reports: int


class AgreementView(BaseModel):
    """The last comparison. Organisations below you that differ are counted; the whole's figures are the centre's."""

    ran_at: datetime | None = Field(description="Null: nothing was compared yet")
    drift: int = Field(description="Organisations that the services count differently, with nothing on its way")
    waiting: int = Field(description="Organisations that differ while events about them may be on their way")
    organisations: int | None = Field(description="With active members, in the whole union")
    members: Members | None = Field(description="Of the whole union")
    unsent: int | None = Field(description="Events that waited in the registry's outbox")
    parked: int | None = Field(description="Records that cards and reports had set aside")


class DisagreementView(BaseModel):
    organisation_id: UUID
    members: Members
    drift: bool = Field(description="False: events about it may be on their way still")
    since: datetime = Field(description="When these very figures were seen first")


class ComparisonAccepted(BaseModel):
    job_id: UUID = Field(description="GET /v1/jobs/{job_id}, then GET /v1/agreement")


@router.get("/agreement")
async def get_agreement(session: ReadSessionDep, principal: Reader) -> AgreementView:
    """Whether registry, cards and reports count the same active members in every organisation."""
    last = await session.get(Agreement, comparing.SUBJECT)
    visible = in_scope(principal, Disagreement.organisation_id, Organisation)
    drift = col(Disagreement.drift)
    counts = (
        await session.execute(
            sa.select(
                sa.func.count().filter(drift).label("drift"), sa.func.count().filter(~drift).label("waiting")
            ).where(visible)
        )
    ).one()
    whole = last if principal.sees_everything else None
    return AgreementView(
        ran_at=last.ran_at if last else None,
        drift=counts.drift,
        waiting=counts.waiting,
        organisations=whole.organisations if whole else None,
        members=Members(**whole.members) if whole else None,
        unsent=whole.unsent if whole else None,
        parked=whole.parked if whole else None,
    )


@router.get("/agreement/differences")
async def list_disagreements(
    session: ReadSessionDep, principal: Reader, page: PageDep, drift: bool | None = None
) -> Page[DisagreementView]:
    """The organisations that differed at the last comparison, with what each service counts."""
    statement = sa.select(Disagreement).where(in_scope(principal, Disagreement.organisation_id, Organisation))
    if drift is not None:
        statement = statement.where(col(Disagreement.drift) == drift)
    rows, cursor = await paginate(session, statement, Disagreement.organisation_id, page)
    items = [
        DisagreementView(
            organisation_id=row.organisation_id,
            members=Members(**row.members),
            drift=row.drift,
            since=row.since,
        )
        for row in rows
    ]
    return Page(items=items, next_cursor=cursor)


@router.post("/agreement/runs", status_code=202)
async def ask_for_comparison(
    session: SessionDep,
    principal: Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.INTERNAL_APP))],
) -> ComparisonAccepted:
    """Compare now, not only when it is due."""
    return ComparisonAccepted(job_id=await jobs.enqueue(session, comparing.KIND, {}, principal))
