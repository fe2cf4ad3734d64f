"""Partners and what they offer."""

from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from cashback.models.base import Table, one_of

_NO_TIERS = {"server_default": sa.text("'[]'::jsonb"), "nullable": False}


class Partner(Table, table=True):
    """A shop or service that pays cashback."""

    __tablename__ = "partner"
    __table_args__ = (sa.CheckConstraint("hold_days >= 0", name="hold_days_not_negative"),)
    partner: str = Field(primary_key=True)
    """The code: what events, tokens and accounts call it."""
    name: str
    hold_days: int
    """How many days after a purchase it may be confirmed at the earliest: the time for returns."""
    landing_url: str
    """Where a click leads; the click's id is added to its query."""
    file_key: str | None = None
    """The Ed25519 public key (32 bytes, base64) that the partner's daily files are signed with."""


class Campaign(Table, table=True):
    """What a partner offers. `version` names the terms in force; older ones stay for what they were promised to."""

    __tablename__ = "campaign"
    __table_args__ = (one_of("status", "open", "closed"),)
    campaign_id: UUID = Field(primary_key=True)
    partner: str = Field(foreign_key="partner.partner", index=True)
    status: str
    budget: int | None = Field(sa_type=sa.BigInteger)
    """Kopecks of cashback at most, for the whole campaign; None is without a limit."""
    version: int


class CampaignTerms(Table, table=True):
    """One version of a campaign's rules; never changed."""

    __tablename__ = "campaign_terms"
    __table_args__ = (
        one_of("rounding", "floor", "half_even"),
        sa.CheckConstraint("(basis_points is null) <> (fixed is null)", name="one_kind_of_reward"),
        sa.CheckConstraint("basis_points between 1 and 10000", name="basis_points_in_range"),
        sa.CheckConstraint("fixed > 0 and cap_per_order > 0 and min_basket >= 0", name="amounts_in_range"),
        sa.CheckConstraint("from_on <= to_on", name="window_in_order"),
        sa.CheckConstraint("cap_per_member > 0 and cap_per_partner > 0", name="caps_positive"),
        one_of("cap_period", "day", "week", "month", "whole"),
    )
    campaign_id: UUID = Field(primary_key=True, foreign_key="campaign.campaign_id")
    version: int = Field(primary_key=True)
    title: str
    basis_points: int | None
    """Hundredths of a per cent of the purchase; or:"""
    fixed: int | None = Field(sa_type=sa.BigInteger)
    min_basket: int = Field(sa_type=sa.BigInteger)
    tiers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, sa_column_kwargs=_NO_TIERS)
    """Larger baskets earn otherwise: {from_basket, basis_points | fixed}, ascending; the last one reached holds."""
    cap_per_order: int | None = Field(sa_type=sa.BigInteger)
    cap_per_member: int | None = Field(default=None, sa_type=sa.BigInteger)
    """Kopecks that a member earns of this campaign in one `cap_period`."""
    cap_per_partner: int | None = Field(default=None, sa_type=sa.BigInteger)
    """Kopecks that all members earn in one `cap_period`, over those campaigns of the partner that state it."""
    cap_period: str = Field(default="whole", sa_column_kwargs={"server_default": "whole"})
    """By the day of the purchase: day, week (from Monday), month, or the whole campaign."""
    rounding: str
    from_on: date
    to_on: date
    """The last day."""
    weekdays: list[int] | None = Field(default=None, sa_type=ARRAY(sa.SmallInteger))
    """Only on these days of the week (1 is Monday); None is every day."""


class CapUse(Table, table=True):
    """How much of a cap is used: the sum of the cashback of the purchases that it counts, kept in their transaction."""

    __tablename__ = "cap_use"
    __table_args__ = (sa.CheckConstraint("used >= 0", name="used_not_negative"),)
    cap: str = Field(primary_key=True)
    """Made by `rewards.caps_of`: what it counts, for whom, in which period."""
    used: int = Field(sa_type=sa.BigInteger)
