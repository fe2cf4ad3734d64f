"""Bodies about partners and their campaigns."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from cashback.schemas.base import Address, Day, PartnerCode, Request
from common.types import Line, PositiveKopecks

BasisPoints = Annotated[int, Field(ge=1, le=10_000, description="Hundredths of a per cent")]
Rounding = Literal["floor", "half_even"]
CapPeriod = Literal["day", "week", "month", "whole"]
Weekday = Annotated[int, Field(ge=1, le=7)]
PartnerMode = Literal["live", "sandbox"]


class PartnerRequest(Request):
    partner: PartnerCode
    name: Line
    hold_days: int = Field(ge=0, le=365, description="Days after a purchase before it may be confirmed")
    landing_url: Address
    mode: PartnerMode = Field(
        default="live", description="sandbox: to try with, under a code of its own; for good"
    )


class PartnerView(BaseModel):
    partner: str
    name: str
    hold_days: int
    landing_url: str
    mode: PartnerMode
    file_key: str | None = Field(description="The Ed25519 public key of the partner's daily files, base64")


class FileKeyRequest(Request):
    public_key: str = Field(
        pattern=r"^[A-Za-z0-9+/]{43}=$", description="The partner's Ed25519 public key: 32 bytes, base64"
    )


class Tier(Request):
    """What baskets from `from_basket` kopecks on earn instead; either `basis_points` or `fixed`."""

    from_basket: PositiveKopecks
    basis_points: BasisPoints | None = None
    fixed: PositiveKopecks | None = None


class CampaignRequest(Request):
    """Either `basis_points` or `fixed`. The budget is kopecks of cashback over the whole campaign."""

    partner: PartnerCode
    title: Line
    basis_points: BasisPoints | None = None
    fixed: PositiveKopecks | None = None
    min_basket: int = Field(default=0, ge=0, le=2**53)
    tiers: list[Tier] = Field(default_factory=list, max_length=10, description="Ascending; the last reached holds")
    cap_per_order: PositiveKopecks | None = None
    cap_per_member: PositiveKopecks | None = Field(default=None, description="In one cap_period")
    cap_per_partner: PositiveKopecks | None = Field(
        default=None, description="Of all members in one cap_period, over the partner's campaigns that state it"
    )
    cap_period: CapPeriod = "whole"
    budget: PositiveKopecks | None = None
    rounding: Rounding = "floor"
    from_on: Day
    to_on: Day = Field(description="The last day")
    weekdays: list[Weekday] | None = Field(
        default=None, min_length=1, max_length=7, description="1 is Monday; every day, if left out"
    )


class TrialRequest(CampaignRequest):
    """Terms to be tried on the partner's purchases of the past."""

    purchased_from: Day
    purchased_to: Day


class TrialView(BaseModel):
    """What the terms would have given on those purchases, beside what they gave. Kopecks and counts."""

    purchases: int
    bought: int
    earned: int
    would_earn: int
    below_minimum: int
    outside_window: int
    capped: int
    beyond_budget: int
    complete: bool = Field(description="False when there are more purchases than are tried")


class CampaignChange(Request):
    """What is left out stays; `null` takes a limit away."""

    status: Literal["open", "closed"] | None = None
    title: Line | None = None
    basis_points: BasisPoints | None = None
    fixed: PositiveKopecks | None = None
    min_basket: int | None = Field(default=None, ge=0, le=2**53)
    tiers: list[Tier] | None = Field(default=None, max_length=10)
    cap_per_order: PositiveKopecks | None = None
    cap_per_member: PositiveKopecks | None = None
    cap_per_partner: PositiveKopecks | None = None
    cap_period: CapPeriod | None = None
    budget: PositiveKopecks | None = None
    rounding: Rounding | None = None
    from_on: Day | None = None
    to_on: Day | None = None
    weekdays: list[Weekday] | None = Field(default=None, min_length=1, max_length=7)

    @model_validator(mode="after")
    def _not_null(self) -> Self:
        for name in ("status", "title", "min_basket", "rounding", "from_on", "to_on", "tiers", "cap_period"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out to keep it")
        return self


class CampaignView(BaseModel):
    campaign_id: UUID
    partner: str
    title: str
    status: Literal["open", "closed"]
    basis_points: int | None
    fixed: int | None
    min_basket: int
    tiers: list[Tier]
    cap_per_order: int | None
    cap_per_member: int | None
    cap_per_partner: int | None
    cap_period: CapPeriod
    rounding: Rounding
    from_on: date
    to_on: date
    weekdays: list[int] | None
    version: int
    budget: int | None = Field(description="null without a limit, and to members")
    budget_left: int | None = Field(description="null without a limit, and to members")
