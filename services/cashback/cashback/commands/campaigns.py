"""Partners and their campaigns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import ledger, rules
from cashback.errors import BudgetBelowReserved, PartnerExists, TermsInvalid
from cashback.ledger import Entry, Kind, Ref
from cashback.models import Campaign, CampaignTerms, Partner
from cashback.rules import rewards
from common.errors import NotFound


async def add_partner(session: AsyncSession, partner: str, name: str, hold_days: int, landing_url: str) -> Partner:
    row = Partner(partner=partner, name=name, hold_days=hold_days, landing_url=landing_url)
    added = await session.execute(
        insert(Partner).values(row.model_dump()).on_conflict_do_nothing().returning(col(Partner.partner))
    )
    if added.first() is None:
        raise PartnerExists(partner)
    return row


async def set_file_key(session: AsyncSession, partner: str, public_key: str) -> Partner:
    """What the partner's files are signed with from now on (32 bytes, base64)."""
    row = await session.get(Partner, partner, with_for_update={"key_share": True})
    if row is None:
        raise NotFound("partner", partner)
    row.file_key = public_key
    return row


async def add_campaign(
    session: AsyncSession, partner: str, terms: dict[str, Any], budget: int | None, now: datetime
) -> tuple[Campaign, CampaignTerms]:
    """Open a campaign under its first terms and set its budget aside."""
    if await session.get(Partner, partner) is None:
        raise NotFound("partner", partner)
    campaign = Campaign(campaign_id=uuid7(), partner=partner, status="open", budget=budget, version=1)
    first = CampaignTerms(campaign_id=campaign.campaign_id, version=1, **terms)
    rewards.check_terms(first)
    session.add(campaign)
    await session.flush()
    session.add(first)
    await ledger.post(session, _budget_entry(campaign, budget or 0, now))
    return campaign, first


async def lock_campaign(session: AsyncSession, campaign_id: UUID) -> Campaign:
    # Not against foreign keys: who reports a purchase under it holds accounts that a new budget waits for.
    campaign = await session.get(Campaign, campaign_id, with_for_update={"key_share": True})
    if campaign is None:
        raise NotFound("campaign", campaign_id)
    return campaign


async def change_campaign(
    session: AsyncSession, campaign: Campaign, changes: dict[str, Any], now: datetime
) -> CampaignTerms:
    """The next version of a locked campaign. Clicks made before keep the terms that they were made under."""
    present = await session.get_one(CampaignTerms, (campaign.campaign_id, campaign.version))
    budget = changes.pop("budget", campaign.budget)
    campaign.status = changes.pop("status", campaign.status)
    campaign.version += 1
    following = CampaignTerms(**{**present.model_dump(), **changes, "version": campaign.version})
    rewards.check_terms(following)
    await session.flush()
    session.add(following)
    await _change_budget(session, campaign, budget, now)
    return following


async def _change_budget(session: AsyncSession, campaign: Campaign, budget: int | None, now: datetime) -> None:
    if budget == campaign.budget:
        return
    if budget is None or campaign.budget is None:
        raise TermsInvalid("A campaign has a budget from its beginning or never; make a new campaign instead.")
    left, allocation = _budget_accounts(campaign.campaign_id)
    balances = await ledger.hold(session, (left, allocation))
    reserved = campaign.budget - balances[left]
    if budget < reserved:
        raise BudgetBelowReserved(reserved)
    entry = _budget_entry(campaign, budget - campaign.budget, now)
    campaign.budget = budget
    await ledger.post(session, entry)


def _budget_accounts(campaign_id: UUID) -> tuple[Ref, Ref]:
    return Ref(Kind.CAMPAIGN_BUDGET, str(campaign_id)), Ref(Kind.CAMPAIGN_ALLOCATION, str(campaign_id))


def _budget_entry(campaign: Campaign, amount: int, now: datetime) -> Entry:
    left, allocation = _budget_accounts(campaign.campaign_id)
    return Entry(
        "budget",
        f"campaign:{campaign.campaign_id}:budget:{campaign.version}",
        now,
        f"Бюджет акции изменён на {rules.roubles(amount)}.",
        [(left, amount), (allocation, -amount)],
    )
