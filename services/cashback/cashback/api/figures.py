"""The programme as a whole."""

from typing import Annotated

from fastapi import Depends

from cashback import queries
from cashback.api.callers import Overseer
from cashback.schemas import figures as s
from common.app import router as kernel_router
from common.auth import Principal, Role, require
from common.http import ReadSessionDep

router = kernel_router(tags=["figures"])


@router.get("/ledger/trial-balance")
async def trial_balance(
    session: ReadSessionDep, principal: Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.AUDITOR))]
) -> s.TrialBalance:
    rows = await queries.trial_balance(session, principal)
    lines = [s.TrialBalanceLine(kind=kind, accounts=count, balance=total) for kind, count, total in rows]
    return s.TrialBalance(lines=lines, total=sum(line.balance for line in lines))


@router.get("/headline")
async def headline(session: ReadSessionDep, principal: Overseer) -> s.Headline:
    return s.Headline(**vars(await queries.headline(session, principal)))
