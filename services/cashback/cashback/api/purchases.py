"""Purchases: reported and resolved by partners, read by whom they concern."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import keys, queries, rules
from cashback.api.callers import AnyPartner, PurchaseReader, now, partner_of
from cashback.commands import purchases
from cashback.commands.purchases import Resolution
from cashback.commands.reports import Report, Told
from cashback.models import Purchase
from cashback.policy import Policy
from cashback.schemas import purchases as s
from common import telemetry
from common.app import router as kernel_router
from common.auth import Role
from common.errors import BusinessError
from common.http import Page, PageDep, ReadSessionDep, etag
from common.idempotency import Claim
from common.together import ClaimDep, Together

router = kernel_router(tags=["purchases"])


def prepare(app: FastAPI, policy: Policy) -> None:
    """What partners tell at the same moment, whichever of these routes they tell it by, is taken in one transaction."""

    async def take(session: AsyncSession, wanted: Sequence[Report | Resolution]) -> Sequence[Told | BusinessError]:
        return await purchases.take_together(session, wanted, policy, now())

    app.state.told_by_partners = Together(app.state.database, take)


async def _tell(request: Request, claim: Claim, message: Report | Resolution, new: int = 200) -> Response:
    """The answer to the partner, committed; `new` is its status unless the message was taken before."""

    def answered(told: Told) -> Response:
        assert told.purchase is not None
        view = _partner_view(request, told.purchase)
        headers = {"ETag": etag(told.purchase.version)}
        content, status = view.model_dump_json(), 200 if told.repeated else new
        return Response(content, status, headers, media_type="application/json")

    together: Together[Report | Resolution, Told] = request.app.state.told_by_partners
    return await together.ask(claim, message, answered)


@router.post(
    "/purchases",
    status_code=201,
    response_model=s.PartnerPurchaseView,
    responses={200: {"description": "It was reported so before"}},
)
async def report_purchase(
    body: s.PurchaseRequest, request: Request, claim: ClaimDep, principal: AnyPartner
) -> Response:
    """Report a line of an order. The same line again gets the first answer, with status 200."""
    report = Report(partner_of(principal), **dict(body), traceparent=telemetry.traceparent())
    return await _tell(request, claim, report, new=201)


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


@router.post("/purchases/{purchase_id}/confirm", response_model=s.PartnerPurchaseView)
async def confirm_purchase(
    purchase_id: UUID, body: s.ConfirmRequest, request: Request, claim: ClaimDep, principal: AnyPartner
) -> Response:
    """In whole or in part, once, and not before the hold is over by `effective_on`. Again: the first answer."""
    partner, trace = partner_of(principal), telemetry.traceparent()
    message = Resolution(partner, purchase_id, "confirmed", body.effective_on, body.amount, traceparent=trace)
    return await _tell(request, claim, message)


@router.post("/purchases/{purchase_id}/decline", response_model=s.PartnerPurchaseView)
async def decline_purchase(
    purchase_id: UUID, body: s.DeclineRequest, request: Request, claim: ClaimDep, principal: AnyPartner
) -> Response:
    """A pending purchase earns nothing, whole. Again: the first answer."""
    partner, trace = partner_of(principal), telemetry.traceparent()
    message = Resolution(partner, purchase_id, "declined", body.effective_on, traceparent=trace)
    return await _tell(request, claim, message)


@router.post("/purchases/{purchase_id}/refund", response_model=s.PartnerPurchaseView)
async def refund_purchase(
    purchase_id: UUID, body: s.RefundRequest, request: Request, claim: ClaimDep, principal: AnyPartner
) -> Response:
    """Goods came back after confirmation, in part or in whole; the cashback is taken back pro rata."""
    partner, trace = partner_of(principal), telemetry.traceparent()
    message = Resolution(partner, purchase_id, "refunded", body.effective_on, body.amount, body.reference, trace)
    return await _tell(request, claim, message)


def _fields(purchase: Purchase, *more: str) -> dict[str, Any]:
    wanted = {*s.PurchaseFields.model_fields, *more} - {"order", "held"}
    held = purchase.review == rules.WAITING and purchase.status == rules.PENDING
    return {**purchase.model_dump(include=wanted), "order": purchase.order_number, "held": held}


def _partner_view(request: Request, purchase: Purchase) -> s.PartnerPurchaseView:
    buyer = keys.pseudonym(request.app.state.pairwise_key, purchase.partner, purchase.member_id)
    return s.PartnerPurchaseView(**_fields(purchase, "click_id"), buyer=buyer)
