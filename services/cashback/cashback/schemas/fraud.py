"""Bodies about limits against fraud and their reviews."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from cashback.schemas.base import PartnerCode, Request
from common.types import Line, PositiveKopecks

LimitKind = Literal["member", "card", "partner", "device", "click_to_purchase"]
_WEEK = 604_800


class LimitMeasures(Request):
    """Beyond it a purchase waits for a review. Purchases are counted by the moment of the purchase."""

    window_seconds: int | None = Field(default=None, ge=60, le=_WEEK, description="Of a limit that counts")
    most_purchases: int | None = Field(default=None, ge=1, le=1_000_000)
    most_cashback: PositiveKopecks | None = None
    least_seconds: int | None = Field(
        default=None, ge=1, le=86_400, description="Of click_to_purchase: what is sooner after its click is held"
    )


class LimitRequest(LimitMeasures):
    kind: LimitKind
    partner: PartnerCode | None = Field(default=None, description="Only purchases at it; all, if left out")


class LimitChange(LimitMeasures):
    """The whole of the next version; what is left out is not measured any more."""

    active: bool


class LimitView(BaseModel):
    limit_id: UUID
    version: int
    kind: LimitKind
    partner: str | None
    window_seconds: int | None
    most_purchases: int | None
    most_cashback: int | None
    least_seconds: int | None
    active: bool
    made_by: str
    made_at: datetime


class RelationRequest(Request):
    member_id: UUID


class RelationView(BaseModel):
    partner: str
    member_id: UUID
    listed_by: str
    listed_at: datetime


class HitView(BaseModel):
    kind: Literal["member", "card", "partner", "device", "click_to_purchase", "self_dealing"]
    limit_id: UUID | None
    limit_version: int | None
    measured: int | None = Field(description="Purchases, kopecks or seconds, as the threshold")
    threshold: int | None
    hit_at: datetime


class ReviewView(BaseModel):
    purchase_id: UUID
    member_id: UUID
    partner: str
    order: str
    line: int
    amount: int
    cashback: int
    purchased_at: datetime
    status: str
    review: Literal["waiting", "released", "rejected"]
    hits: list[HitView]
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


class ReviewDecisionRequest(Request):
    reason: Line
