"""Bodies of requests and answers. Money is whole kopecks; days are ISO dates."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from common.types import Int32, Line, PositiveKopecks

_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)


def _sensible_day(day: date) -> date:
    if not _EARLIEST <= day <= _LATEST:
        raise ValueError(f"a day must be from {_EARLIEST} to {_LATEST}")
    return day


def _sensible_moment(moment: datetime) -> datetime:
    if not _EARLIEST <= moment.astimezone(UTC).date() <= _LATEST:
        raise ValueError(f"a moment must be from {_EARLIEST} to {_LATEST}")
    return moment


def _no_overflow(moment: datetime) -> datetime:
    # The first and the last years cannot be brought to UTC at all.
    if not _EARLIEST.year <= moment.year <= _LATEST.year:
        raise ValueError(f"a moment must be from {_EARLIEST} to {_LATEST}")
    return moment


Day = Annotated[date, AfterValidator(_sensible_day)]
Moment = Annotated[AwareDatetime, AfterValidator(_no_overflow), AfterValidator(_sensible_moment)]
PartnerCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://[!-~]{3,500}$")]
BasisPoints = Annotated[int, Field(ge=1, le=10_000, description="Hundredths of a per cent")]
Rounding = Literal["floor", "half_even"]
CapPeriod = Literal["day", "week", "month", "whole"]
Weekday = Annotated[int, Field(ge=1, le=7)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PartnerRequest(Request):
    partner: PartnerCode
    name: Line
    hold_days: int = Field(ge=0, le=365, description="Days after a purchase before it may be confirmed")
    landing_url: Address


class PartnerView(BaseModel):
    partner: str
    name: str
    hold_days: int
    landing_url: str
    file_key: str | None = Field(description="The Ed25519 public key of the partner's daily files, base64")


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


class EnrolRequest(Request):
    effective_on: Day


class ParticipantView(BaseModel):
    member_id: UUID
    status: Literal["enrolled", "ended"]
    enrolled_on: date
    ended_on: date | None
    version: int


class ClickRequest(Request):
    campaign_id: UUID


class RecordedClickRequest(Request):
    """A click that another system of the union recorded by its own clock."""

    member_id: UUID
    campaign_id: UUID
    clicked_at: Moment


class ClickView(BaseModel):
    click_id: UUID
    url: str = Field(description="Where to go; it carries the click's id and nothing else")


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


class FileKeyRequest(Request):
    public_key: str = Field(
        pattern=r"^[A-Za-z0-9+/]{43}=$", description="The partner's Ed25519 public key: 32 bytes, base64"
    )


class ConfirmRequest(Request):
    effective_on: Day
    amount: PositiveKopecks | None = Field(default=None, description="All of it, if left out")


class DeclineRequest(Request):
    effective_on: Day


class RefundRequest(Request):
    reference: Line = Field(description="The partner's own number of this return: taken once")
    amount: PositiveKopecks
    effective_on: Day


PurchaseStatus = Literal["pending", "confirmed", "partly_confirmed", "declined", "refunded"]


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


class PayoutRequest(Request):
    amount: PositiveKopecks
    effective_on: Day


class SettleRequest(Request):
    effective_on: Day


class FailRequest(Request):
    reason: Line
    effective_on: Day


class PayoutView(BaseModel):
    payout_id: UUID
    member_id: UUID
    amount: int
    status: Literal["requested", "settled", "failed"]
    requested_on: date
    resolved_on: date | None
    reason: str | None
    version: int


class BalanceView(BaseModel):
    member_id: UUID
    pending: int
    available: int
    in_payout: int
    owed: int = Field(description="After refunds of what was paid out; netted from what comes next")
    payable_until: date | None = Field(description="The last day of payouts once participation has ended")


class TrialBalanceLine(BaseModel):
    kind: str
    accounts: int
    balance: int


class TrialBalance(BaseModel):
    """All accounts by kind. Positive: owed by the union; negative: owed to it. The total is zero."""

    lines: list[TrialBalanceLine]
    total: int


class Headline(BaseModel):
    participants: Int32
    purchases: int = Field(description="Reported and not declined")
    returned: int = Field(description="Kopecks of confirmed cashback, less what refunds took back")
    paid_out: int = Field(description="Kopecks of settled payouts")
