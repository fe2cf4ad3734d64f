"""Bodies about partners' books beside ours. Money is whole kopecks."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from cashback.schemas.base import Day, Request
from common.types import Line

Outcome = Literal["matched", "amount_differs", "status_differs", "missing_ours", "missing_theirs"]
ItemState = Literal["none", "proposed", "accepted", "dismissed"]


class OutcomeSum(BaseModel):
    """The lines of one outcome, with both sides' sums."""

    outcome: Outcome
    lines: int
    our_amount: int
    our_cashback: int
    their_amount: int
    their_cashback: int


class Ageing(BaseModel):
    """Lines that differ, by the whole days since a comparison first found them so."""

    today: int
    to_7_days: int
    to_30_days: int
    older: int


class ReconciliationView(BaseModel):
    reconciliation_id: UUID
    partner: str
    from_on: date
    to_on: date = Field(description="The last day of purchases that it is about")
    lines: int
    their_amount: int = Field(description="This and the next: the file's control totals")
    their_cashback: int
    our_lines: int
    our_amount: int
    our_cashback: int
    compared_by: str
    compared_at: datetime


class ReconciliationResult(ReconciliationView):
    outcomes: list[OutcomeSum]
    ageing: Ageing
    waiting: int = Field(description="Proposed corrections that nobody has answered")


class ReconciliationItemView(BaseModel):
    item_id: UUID
    order: str
    line: int
    outcome: Outcome
    purchase_id: UUID | None
    purchased_on: date
    our_status: str | None
    our_amount: int | None
    our_cashback: int | None
    their_status: str | None
    their_amount: int | None
    their_cashback: int | None
    differs_since: datetime | None
    age_days: int | None
    proposed: Literal["reported", "confirmed", "declined", "refunded"] | None = Field(
        description="The partner's message that would put it right; null: the two must talk"
    )
    proposed_amount: int | None
    state: ItemState
    decided_at: datetime | None
    reason: str | None


class AcceptRequest(Request):
    effective_on: Day


class DismissRequest(Request):
    reason: Line
