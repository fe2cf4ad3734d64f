"""Bodies about members in the programme."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from cashback.schemas.base import Day, Moment, Request

DeviceId = Annotated[str, StringConstraints(pattern=r"^[!-~]{8,200}$")]


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
    device: DeviceId | None = Field(default=None, description="What the app calls the device; only a hash is kept")


class RecordedClickRequest(Request):
    """A click that another system of the union recorded by its own clock."""

    member_id: UUID
    campaign_id: UUID
    clicked_at: Moment
    device: DeviceId | None = None


class SandboxClickRequest(Request):
    """A click of a made-up buyer, for a partner in the sandbox."""

    campaign_id: UUID
    buyer: int = Field(default=1, ge=1, le=1_000_000, description="The same number is the same buyer")
    clicked_at: Moment | None = Field(default=None, description="Now, if left out")


class ClickView(BaseModel):
    click_id: UUID
    url: str = Field(description="Where to go; it carries the click's id and nothing else")


class BalanceView(BaseModel):
    member_id: UUID
    pending: int
    available: int
    in_payout: int
    owed: int = Field(description="After refunds of what was paid out; netted from what comes next")
    payable_until: date | None = Field(description="The last day of payouts once participation has ended")
