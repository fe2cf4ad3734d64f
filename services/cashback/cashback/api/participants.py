"""Members in the programme: enrolment, clicks, balances, payouts."""

from datetime import datetime
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import queries
from cashback import schemas as s
from cashback.api.callers import AnyMember, App, Federal, MemberOrOverseer, SettingsDep, member_of, now
from cashback.commands import participation, payouts
from cashback.models import Payout
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
async def click(body: s.ClickRequest, session: SessionDep, principal: AnyMember) -> s.ClickView:
    """Go to a partner: purchases there earn by the campaign's present terms. The time is ours, not the caller's."""
    moment = now()
    return await _clicked(session, member_of(principal), body.campaign_id, moment, moment)


@router.post("/recorded-clicks", status_code=201)
async def record_click(body: s.RecordedClickRequest, session: SessionDep, _principal: App) -> s.ClickView:
    """A member's way to a partner that another system of the union recorded, when it did: of a past year, say."""
    return await _clicked(session, body.member_id, body.campaign_id, body.clicked_at, now())


async def _clicked(
    session: AsyncSession, member_id: UUID, campaign_id: UUID, clicked_at: datetime, moment: datetime
) -> s.ClickView:
    row, landing_url = await participation.record_click(session, member_id, campaign_id, clicked_at, moment)
    address = urlsplit(landing_url)
    query = urlencode([*parse_qsl(address.query, keep_blank_values=True), ("click_id", str(row.click_id))])
    return s.ClickView(click_id=row.click_id, url=urlunsplit(address._replace(query=query)))


@router.post("/payouts", status_code=201)
async def request_payout(
    body: s.PayoutRequest,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: AnyMember,
) -> s.PayoutView:
    payout = await payouts.request_payout(
        session,
        member_of(principal),
        body.amount,
        body.effective_on,
        settings.payout_minimum,
        settings.payable_days,
        now(),
    )
    return _payout(response, payout)


@router.get("/payouts")
async def list_payouts(
    page: PageDep,
    session: ReadSessionDep,
    principal: MemberOrOverseer,
    status: Literal["requested", "settled", "failed"] | None = None,
) -> Page[s.PayoutView]:
    rows, cursor = await queries.payouts(session, principal, status, page)
    return Page(items=[s.PayoutView(**row.model_dump()) for row in rows], next_cursor=cursor)


@router.post("/payouts/{payout_id}/settle")
async def settle_payout(
    payout_id: UUID, body: s.SettleRequest, response: Response, session: SessionDep, _principal: Federal
) -> s.PayoutView:
    return _payout(response, await payouts.settle_payout(session, payout_id, body.effective_on, now()))


@router.post("/payouts/{payout_id}/fail")
async def fail_payout(
    payout_id: UUID, body: s.FailRequest, response: Response, session: SessionDep, _principal: Federal
) -> s.PayoutView:
    payout = await payouts.fail_payout(session, payout_id, body.reason, body.effective_on, now())
    return _payout(response, payout)


@router.get("/balance")
async def read_balance(session: ReadSessionDep, settings: SettingsDep, principal: AnyMember) -> s.BalanceView:
    member_id = member_of(principal)
    balance = await queries.balance(session, member_id, settings.payable_days)
    return s.BalanceView(member_id=member_id, **vars(balance))


def _payout(response: Response, payout: Payout) -> s.PayoutView:
    response.headers["ETag"] = etag(payout.version)
    return s.PayoutView(**payout.model_dump())
