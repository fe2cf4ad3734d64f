"""Partners and campaigns."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from cashback import queries
from cashback import schemas as s
from cashback.api.callers import Anyone, Federal, Overseer, now
from cashback.commands import campaigns, trials
from cashback.models import CampaignTerms
from common.app import router as kernel_router
from common.auth import STAFF, Principal, Role
from common.errors import NotFound
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag

NO_CAMPAIGN = UUID(int=0)
"""Terms on trial belong to none."""

router = kernel_router(tags=["campaigns"])


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


@router.post("/campaign-trials")
async def try_terms(body: s.TrialRequest, session: SessionDep, _principal: Federal) -> s.TrialView:
    """A dry run of terms on the partner's past purchases; nothing is changed."""
    terms = body.model_dump(exclude={"partner", "budget", "purchased_from", "purchased_to"})
    trial = await trials.try_terms(
        session,
        body.partner,
        CampaignTerms(campaign_id=NO_CAMPAIGN, version=1, **terms),
        body.budget,
        body.purchased_from,
        body.purchased_to,
    )
    return s.TrialView(**vars(trial))


@router.post("/partners/{partner}/file-key")
async def set_file_key(
    partner: s.PartnerCode, body: s.FileKeyRequest, session: SessionDep, _principal: Federal
) -> s.PartnerView:
    """The key that the partner's daily files are signed with, from now on."""
    row = await campaigns.set_file_key(session, partner, body.public_key)
    return s.PartnerView(**row.model_dump())


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
