"""Members in the programme: enrolment, clicks, balances, payouts."""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import keys, queries
from cashback.api.callers import (
    AnyMember,
    AnyPartner,
    App,
    MemberOrOverseer,
    PolicyDep,
    SettingsDep,
    member_of,
    now,
    partner_of,
)
from cashback.commands import participation
from cashback.models import Click
from cashback.policy import Policy
from cashback.schemas import participants as s
from common.app import router as kernel_router
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag

router = kernel_router(tags=["participants"])


@router.post("/participants", status_code=201)
async def enrol(
    body: s.EnrolRequest, response: Response, session: SessionDep, principal: AnyMember
) -> s.ParticipantView:
    """Take part: needs a membership in force, the consent to the bonus programme and an active card."""
    row = await participation.enrol_participant(session, member_of(principal), body.effective_on, now())
    response.headers["ETag"] = etag(row.version)
    return s.ParticipantView(**row.model_dump(exclude={"end_reason"}))


@router.get("/participants")
async def list_participants(
    page: PageDep, session: ReadSessionDep, principal: MemberOrOverseer
) -> Page[s.ParticipantView]:
    rows, cursor = await queries.participants(session, principal, page)
    items = [s.ParticipantView(**row.model_dump(exclude={"end_reason"})) for row in rows]
    return Page(items=items, next_cursor=cursor)


@router.post("/clicks", status_code=201)
async def click(body: s.ClickRequest, session: SessionDep, policy: PolicyDep, principal: AnyMember) -> s.ClickView:
    """Go to a partner: purchases there earn by the campaign's present terms. The time is ours, not the caller's."""
    moment = now()
    return await _clicked(session, member_of(principal), body, moment, moment, policy)


@router.post("/recorded-clicks", status_code=201)
async def record_click(
    body: s.RecordedClickRequest, session: SessionDep, policy: PolicyDep, _principal: App
) -> s.ClickView:
    """A member's way to a partner that another system of the union recorded, when it did: of a past year, say."""
    return await _clicked(session, body.member_id, body, body.clicked_at, now(), policy)


@router.post("/sandbox-clicks", status_code=201)
async def sandbox_click(body: s.SandboxClickRequest, session: SessionDep, principal: AnyPartner) -> s.ClickView:
    """The way of a made-up buyer to a partner in the sandbox: what follows goes as with a member, for no money."""
    moment = now()
    row, landing_url = await participation.record_sandbox_click(
        session, partner_of(principal), body.campaign_id, body.buyer, body.clicked_at or moment, moment
    )
    return _way(row, landing_url)


async def _clicked(
    session: AsyncSession,
    member_id: UUID,
    body: s.ClickRequest | s.RecordedClickRequest,
    clicked_at: datetime,
    moment: datetime,
    policy: Policy,
) -> s.ClickView:
    device = keys.device(policy.pairwise_key, body.device) if body.device else None
    row, landing_url = await participation.record_click(
        session, member_id, body.campaign_id, clicked_at, moment, device
    )
    return _way(row, landing_url)


def _way(row: Click, landing_url: str) -> s.ClickView:
    address = urlsplit(landing_url)
    query = urlencode([*parse_qsl(address.query, keep_blank_values=True), ("click_id", str(row.click_id))])
    return s.ClickView(click_id=row.click_id, url=urlunsplit(address._replace(query=query)))


@router.get("/balance")
async def read_balance(session: ReadSessionDep, settings: SettingsDep, principal: AnyMember) -> s.BalanceView:
    member_id = member_of(principal)
    balance = await queries.balance(session, member_id, settings.payable_days)
    return s.BalanceView(member_id=member_id, **vars(balance))
