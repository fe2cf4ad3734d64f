"""Purchases: reported and resolved by partners, read by whom they concern."""

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from cashback import keys, queries
from cashback import schemas as s
from cashback.api.callers import AnyPartner, PurchaseReader, SettingsDep, now, partner_of
from cashback.commands import purchases
from cashback.commands.reports import Report
from cashback.models import Purchase
from common.app import router as kernel_router
from common.auth import Role
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag

router = kernel_router(tags=["purchases"])


@router.post("/purchases", status_code=201, responses={200: {"description": "It was reported so before"}})
async def report_purchase(
    body: s.PurchaseRequest,
    request: Request,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: AnyPartner,
) -> s.PartnerPurchaseView:
    """Report a line of an order. The same line again gets the first answer, with status 200."""
    report = Report(**body.model_dump())
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
    principal: PurchaseReader,
    status: s.PurchaseStatus | None = None,
) -> Page[s.PurchaseView] | Page[s.PartnerPurchaseView]:
    """A member's own, a partner's own (by pseudonym), or those of the members within the scope.

    What one member buys is nobody's business at the member's own workplace: staff below a region sees sums
    only (GET /v1/headline).
    """
    rows, cursor = await queries.purchases(session, principal, status, page)
    if Role.PARTNER in principal.roles:
        return Page[s.PartnerPurchaseView](items=[_partner_view(request, row) for row in rows], next_cursor=cursor)
    return Page[s.PurchaseView](
        items=[s.PurchaseView(**_fields(row, "member_id", "explanation", "explanation_en")) for row in rows],
        next_cursor=cursor,
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
    """In whole or in part, once, and not before the hold is over by `effective_on`. Again: the first answer."""
    purchase = await purchases.resolve_purchase(
        session, partner_of(principal), purchase_id, "confirmed", body.effective_on, now(), body.amount
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
    """A pending purchase earns nothing, whole. Again: the first answer."""
    purchase = await purchases.resolve_purchase(
        session, partner_of(principal), purchase_id, "declined", body.effective_on, now()
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
    purchase = await purchases.resolve_purchase(
        session,
        partner_of(principal),
        purchase_id,
        "refunded",
        body.effective_on,
        now(),
        body.amount,
        body.reference,
    )
    return _to_partner(request, response, purchase)


def _fields(purchase: Purchase, *more: str) -> dict[str, Any]:
    wanted = {*s.PurchaseFields.model_fields, *more} - {"order"}
    return {**purchase.model_dump(include=wanted), "order": purchase.order_number}


def _partner_view(request: Request, purchase: Purchase) -> s.PartnerPurchaseView:
    buyer = keys.pseudonym(request.app.state.pairwise_key, purchase.partner, purchase.member_id)
    return s.PartnerPurchaseView(**_fields(purchase, "click_id"), buyer=buyer)


def _to_partner(request: Request, response: Response, purchase: Purchase) -> s.PartnerPurchaseView:
    response.headers["ETag"] = etag(purchase.version)
    return _partner_view(request, purchase)
