"""The routes: authorise, call one command or query, shape the answer."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from cashback import keys, queries
from cashback import schemas as s
from cashback.commands import campaigns, participation, payouts, purchases
from cashback.config import CashbackSettings
from cashback.models import Purchase
from common.app import router as kernel_router
from common.auth import STAFF, Principal, Role, require
from common.errors import Forbidden, NotFound
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag

router = kernel_router(tags=["cashback"])

Federal = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF))]
AnyMember = Annotated[Principal, Depends(require(Role.MEMBER))]
AnyPartner = Annotated[Principal, Depends(require(Role.PARTNER))]
Overseer = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP))]
MemberOrOverseer = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP, Role.MEMBER))]
Anyone = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP, Role.MEMBER, Role.PARTNER))]


def now() -> datetime:
    return datetime.now(UTC)


def settings_of(request: Request) -> CashbackSettings:
    settings = request.app.state.settings
    assert isinstance(settings, CashbackSettings)
    return settings


SettingsDep = Annotated[CashbackSettings, Depends(settings_of)]


def member_of(principal: Principal) -> UUID:
    if principal.member_id is None:
        raise Forbidden("The token names no member; get one with the claim member_id.")
    return principal.member_id


def partner_of(principal: Principal) -> str:
    if principal.partner is None:
        raise Forbidden("The token names no partner; get one with the claim partner.")
    return principal.partner


@router.post("/partners", status_code=201)
async def add_partner(body: s.PartnerRequest, session: SessionDep, _principal: Federal) -> s.PartnerView:
    partner = await campaigns.add_partner(session, **body.model_dump())
    return s.PartnerView(**partner.model_dump())


@router.get("/partners")
async def list_partners(session: ReadSessionDep, _principal: Overseer) -> list[s.PartnerView]:
    return [s.PartnerView(**partner.model_dump()) for partner in await queries.partners(session)]


@router.post("/campaigns", status_code=201)
async def add_campaign(
    body: s.CampaignRequest, response: Response, session: SessionDep, _principal: Federal
) -> s.CampaignView:
    terms = body.model_dump(exclude={"partner", "budget"})
    campaign, first = await campaigns.add_campaign(session, body.partner, terms, body.budget, now())
    response.headers["ETag"] = etag(campaign.version)
    return _campaign(queries.Offer(campaign, first, campaign.budget))


@router.get("/campaigns")
async def list_campaigns(
    page: PageDep,
    session: ReadSessionDep,
    principal: Anyone,
    on: Annotated[date | None, Query(description="Only those that take clicks on this day")] = None,
) -> Page[s.CampaignView]:
    offers, cursor = await queries.campaigns(session, principal, on, page)
    return Page(items=[_campaign(offer, principal) for offer in offers], next_cursor=cursor)


@router.get("/campaigns/{campaign_id}")
async def read_campaign(
    campaign_id: UUID, response: Response, session: ReadSessionDep, principal: Anyone
) -> s.CampaignView:
    offer = await queries.campaign(session, principal, campaign_id)
    if offer is None:
        raise NotFound("campaign", campaign_id)
    response.headers["ETag"] = etag(offer.campaign.version)
    return _campaign(offer, principal)


@router.patch("/campaigns/{campaign_id}")
async def change_campaign(
    campaign_id: UUID,
    body: s.CampaignChange,
    response: Response,
    session: SessionDep,
    principal: Federal,
    if_match: IfMatch = None,
) -> s.CampaignView:
    """The next version of the terms. Clicks made before keep the terms that they were made under."""
    campaign = await campaigns.lock_campaign(session, campaign_id)
    check_if_match(if_match, campaign.version)
    await campaigns.change_campaign(session, campaign, body.model_dump(exclude_unset=True), now())
    await session.flush()
    offer = await queries.campaign(session, principal, campaign_id)
    assert offer is not None
    response.headers["ETag"] = etag(campaign.version)
    return _campaign(offer, principal)


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
    """Go to a partner: purchases there earn by the campaign's present terms."""
    moment = now()
    row, landing_url = await participation.record_click(
        session, member_of(principal), body.campaign_id, body.clicked_at or moment, moment
    )
    address = urlsplit(landing_url)
    query = urlencode([*parse_qsl(address.query, keep_blank_values=True), ("click_id", str(row.click_id))])
    return s.ClickView(click_id=row.click_id, url=urlunsplit(address._replace(query=query)))


@router.post("/purchases", status_code=201, responses={200: {"description": "It was reported so before"}})
async def report_purchase(
    body: s.PurchaseRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: AnyPartner,
) -> s.PartnerPurchaseView:
    """Report a line of an order. The same line again gets the purchase as it stands, with status 200."""
    report = purchases.Report(**body.model_dump())
    purchase, is_new = await purchases.report_purchase(
        session, partner_of(principal), report, settings.click_days, now()
    )
    if not is_new:
        response.status_code = 200
    return _to_partner(request, response, purchase)


@router.get("/purchases")
async def list_purchases(
    page: PageDep,
    request: Request,
    session: ReadSessionDep,
    principal: Anyone,
    status: s.PurchaseStatus | None = None,
) -> Page[s.PurchaseView] | Page[s.PartnerPurchaseView]:
    """A member's own, a partner's own (by pseudonym), or those of the members within the scope."""
    rows, cursor = await queries.purchases(session, principal, status, page)
    if Role.PARTNER in principal.roles:
        return Page[s.PartnerPurchaseView](items=[_partner_view(request, row) for row in rows], next_cursor=cursor)
    return Page[s.PurchaseView](
        items=[s.PurchaseView(**_fields(row, "member_id", "explanation")) for row in rows], next_cursor=cursor
    )


@router.post("/purchases/{purchase_id}/confirm")
async def confirm_purchase(
    purchase_id: UUID,
    body: s.ConfirmRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: AnyPartner,
) -> s.PartnerPurchaseView:
    """In whole or in part, once, and not before the hold is over by `effective_on`."""
    purchase = await purchases.confirm_purchase(
        session, partner_of(principal), purchase_id, body.amount, body.effective_on, now()
    )
    return _to_partner(request, response, purchase)


@router.post("/purchases/{purchase_id}/decline")
async def decline_purchase(
    purchase_id: UUID,
    body: s.DeclineRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: AnyPartner,
) -> s.PartnerPurchaseView:
    purchase = await purchases.decline_purchase(
        session, partner_of(principal), purchase_id, body.effective_on, now()
    )
    return _to_partner(request, response, purchase)


@router.post("/purchases/{purchase_id}/refund")
async def refund_purchase(
    purchase_id: UUID,
    body: s.RefundRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: AnyPartner,
) -> s.PartnerPurchaseView:
    """Goods came back after confirmation, in part or in whole; the cashback is taken back pro rata."""
    purchase = await purchases.refund_purchase(
        session, partner_of(principal), purchase_id, body.reference, body.amount, body.effective_on, now()
    )
    return _to_partner(request, response, purchase)


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


def _campaign(offer: queries.Offer, reader: Principal | None = None) -> s.CampaignView:
    money = reader is None or bool(reader.roles & {*STAFF, Role.AUDITOR, Role.INTERNAL_APP, Role.PARTNER})
    return s.CampaignView(
        **offer.terms.model_dump(exclude={"version"}),
        partner=offer.campaign.partner,
        status=offer.campaign.status,
        version=offer.campaign.version,
        budget=offer.campaign.budget if money else None,
        budget_left=offer.budget_left if money and offer.campaign.budget is not None else None,
    )


def _fields(purchase: Purchase, *more: str) -> dict[str, Any]:
    wanted = {*s.PurchaseFields.model_fields, *more} - {"order"}
    return {**purchase.model_dump(include=wanted), "order": purchase.order_number}


def _partner_view(request: Request, purchase: Purchase) -> s.PartnerPurchaseView:
    buyer = keys.pseudonym(request.app.state.pairwise_key, purchase.partner, purchase.member_id)
    return s.PartnerPurchaseView(**_fields(purchase, "click_id"), buyer=buyer)


def _to_partner(request: Request, response: Response, purchase: Purchase) -> s.PartnerPurchaseView:
    response.headers["ETag"] = etag(purchase.version)
    return _partner_view(request, purchase)


def _payout(response: Response, payout: Any) -> s.PayoutView:
    response.headers["ETag"] = etag(payout.version)
    return s.PayoutView(**payout.model_dump())
