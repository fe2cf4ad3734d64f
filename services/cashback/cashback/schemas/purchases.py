"""Bodies about purchases, however they are reported."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from cashback.schemas.base import Day, Moment, Request
from common.types import Line, PositiveKopecks

PurchaseStatus = Literal["pending", "confirmed", "partly_confirmed", "declined", "refunded"]


class PurchaseRequest(Request):
    click_id: UUID
    order: Line
    line: int = Field(default=1, ge=1, le=10_000)
    amount: PositiveKopecks
    basket: PositiveKopecks | None = Field(
        default=None, description="The whole order's amount, when this line is a part of it"
    )
    purchased_at: Moment


class ReportLine(Request):
    """A message about a line of an order, as a file or a topic tells it."""

    what: Literal["reported", "confirmed", "declined", "refunded"]
    order: Line
    line: int = Field(default=1, ge=1, le=10_000)
    version: Line = "1"
    click_id: UUID | None = None
    amount: PositiveKopecks | None = None
    basket: PositiveKopecks | None = None
    purchased_at: Moment | None = None
    effective_on: Day | None = None


class PurchaseFileView(BaseModel):
    """What came of a file: each line is taken, repeated (known before) or refused."""

    partner: str
    day: date
    part: int
    lines: int
    taken: int
    repeated: int
    refused: int
    received_at: datetime


class RefusedReportView(BaseModel):
    refused_id: UUID
    order: str
    line: int
    what: str
    version: str
    source: Literal["topic", "file"]
    code: str
    detail: str
    refused_at: datetime


class ConfirmRequest(Request):
    effective_on: Day
    amount: PositiveKopecks | None = Field(default=None, description="All of it, if left out")


class DeclineRequest(Request):
    effective_on: Day


class RefundRequest(Request):
    reference: Line = Field(description="The partner's own number of this return: taken once")
    amount: PositiveKopecks
    effective_on: Day


class PurchaseFields(BaseModel):
    purchase_id: UUID
    partner: str
    campaign_id: UUID
    campaign_version: int
    order: str
    line: int
    reported: int = Field(description="The amount as first reported")
    amount: int = Field(description="What is left after partial confirmation and refunds")
    cashback: int = Field(description="On that amount")
    status: PurchaseStatus
    purchased_at: datetime
    hold_until: date = Field(description="The first day on which it may be confirmed")
    held: bool = Field(description="It is being looked at, and a confirmation is refused until then")
    version: int


class PurchaseView(PurchaseFields):
    """To the member and to the union's staff."""

    member_id: UUID
    explanation: str
    explanation_en: str


class PartnerPurchaseView(PurchaseFields):
    """To the partner: its click's id and its own pseudonym of the buyer, nothing else of a person."""

    click_id: UUID
    buyer: str
