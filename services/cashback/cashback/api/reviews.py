"""Limits against fraud, and the queue of purchases that hit them."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Response

from cashback.api.callers import Federal, PolicyDep, now
from cashback.commands import reviews as commands
from cashback.models import FraudLimit
from cashback.queries import reviews as queries
from cashback.schemas import fraud as s
from cashback.schemas.base import PartnerCode
from common.app import router as kernel_router
from common.auth import Principal, Role, require
from common.errors import Forbidden, NotFound
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag

router = kernel_router(tags=["reviews"])

FederalOrAuditor = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.AUDITOR))]


def _whole_union(principal: Principal) -> None:
    if not principal.sees_everything and Role.FEDERAL_STAFF not in principal.roles:
        raise Forbidden("Reviews are the whole union's; this needs a token without an organisation.")


@router.post("/fraud-limits", status_code=201)
async def add_limit(
    body: s.LimitRequest, response: Response, session: SessionDep, principal: Federal
) -> s.LimitView:
    """Asked of every purchase that is reported from now on; what is beyond it waits for a review."""
    limit = await commands.add_limit(session, body.model_dump(), principal.subject, now())
    return _limit(response, limit)


@router.get("/fraud-limits")
async def list_limits(page: PageDep, session: ReadSessionDep, principal: FederalOrAuditor) -> Page[s.LimitView]:
    """The version of each that is the newest."""
    _whole_union(principal)
    rows, cursor = await queries.limits(session, page)
    return Page(items=[s.LimitView(**row.model_dump()) for row in rows], next_cursor=cursor)


@router.put("/fraud-limits/{limit_id}")
async def change_limit(
    limit_id: UUID,
    body: s.LimitChange,
    response: Response,
    session: SessionDep,
    principal: Federal,
    if_match: IfMatch = None,
) -> s.LimitView:
    """The next version of a limit, in force from now on; what was held by an earlier one stays held."""
    limit = await commands.newest_limit(session, limit_id)
    check_if_match(if_match, limit.version)
    following = await commands.change_limit(session, limit, body.model_dump(), principal.subject, now())
    await session.flush()
    return _limit(response, following)


@router.post("/partners/{partner}/related-members", status_code=201)
async def relate(
    partner: PartnerCode, body: s.RelationRequest, session: SessionDep, principal: Federal
) -> s.RelationRequest:
    """A member who is one of the partner's own people: what they buy there waits for a review."""
    await commands.relate(session, partner, body.member_id, principal.subject, now())
    return body


@router.get("/partners/{partner}/related-members")
async def list_related(
    partner: PartnerCode, page: PageDep, session: ReadSessionDep, principal: FederalOrAuditor
) -> Page[s.RelationView]:
    _whole_union(principal)
    rows, cursor = await queries.relations(session, partner, page)
    return Page(items=[s.RelationView(**row.model_dump()) for row in rows], next_cursor=cursor)


@router.delete("/partners/{partner}/related-members/{member_id}", status_code=204)
async def unrelate(partner: PartnerCode, member_id: UUID, session: SessionDep, _principal: Federal) -> None:
    """Nothing of it has a version: it is there or it is not."""
    await commands.unrelate(session, partner, member_id)


@router.get("/reviews")
async def list_reviews(
    page: PageDep,
    session: ReadSessionDep,
    principal: FederalOrAuditor,
    review: Literal["waiting", "released", "rejected"] | None = None,
) -> Page[s.ReviewView]:
    """Purchases that hit a limit, oldest first; with `waiting` those that somebody has to decide on."""
    _whole_union(principal)
    rows, cursor = await queries.reviews(session, review, page)
    return Page(items=[_review(row) for row in rows], next_cursor=cursor)


@router.post("/reviews/{purchase_id}/release")
async def release(
    purchase_id: UUID,
    body: s.ReviewDecisionRequest,
    response: Response,
    session: SessionDep,
    policy: PolicyDep,
    principal: Federal,
) -> s.ReviewView:
    """Nothing is wrong with it: the partner is told so and may confirm it."""
    await commands.release(session, purchase_id, body.reason, principal.subject, policy, now())
    return await _decided(response, session, purchase_id)


@router.post("/reviews/{purchase_id}/reject")
async def reject(
    purchase_id: UUID,
    body: s.ReviewDecisionRequest,
    response: Response,
    session: SessionDep,
    policy: PolicyDep,
    principal: Federal,
) -> s.ReviewView:
    """It earns nothing: declined by the union, and the partner is told so."""
    await commands.reject(session, purchase_id, body.reason, principal.subject, policy, now())
    return await _decided(response, session, purchase_id)


async def _decided(response: Response, session: SessionDep, purchase_id: UUID) -> s.ReviewView:
    await session.flush()
    review = await queries.review(session, purchase_id)
    if review is None:
        raise NotFound("purchase", purchase_id)
    response.headers["ETag"] = etag(review.purchase.version)
    return _review(review)


def _limit(response: Response, limit: FraudLimit) -> s.LimitView:
    response.headers["ETag"] = etag(limit.version)
    return s.LimitView(**limit.model_dump())


def _review(review: queries.Review) -> s.ReviewView:
    decision = review.decision
    return s.ReviewView(
        **review.purchase.model_dump(
            include=set(s.ReviewView.model_fields) & set(type(review.purchase).model_fields)
        ),
        order=review.purchase.order_number,
        hits=[s.HitView(**hit.model_dump()) for hit in review.hits],
        decided_by=decision and decision.decided_by,
        decided_at=decision and decision.decided_at,
        reason=decision and decision.reason,
    )
