"""Bodies about payouts, the bank's files, statements and invoices. Money is whole kopecks."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from cashback.schemas.base import Day, Request
from common.events.cashback import PayoutStatus
from common.types import Line, PositiveKopecks


class PayoutRequest(Request):
    amount: PositiveKopecks
    effective_on: Day


class SendRequest(Request):
    effective_on: Day


class SettleRequest(Request):
    effective_on: Day


class FailRequest(Request):
    reason: Line
    effective_on: Day


class PayoutDeclineRequest(Request):
    reason: Line


class PayoutView(BaseModel):
    payout_id: UUID
    member_id: UUID
    amount: int
    taxable: int = Field(description="Kopecks of it above what a person may be given in a year without tax")
    status: PayoutStatus
    requested_on: date
    first_approved_by: str | None = Field(description="Above the limit two people approve: the first of them")
    approved_by: str | None
    bank_reference: str | None
    file_number: int | None
    sent_on: date | None
    resolved_on: date | None
    reason: str | None
    version: int


class BankFileView(BaseModel):
    file_number: int
    payouts: int
    total: int
    made_by: str
    made_at: datetime
    sha256: str | None = Field(description="Of the newest copy before it was encrypted; null before the first")


class StandingView(BaseModel):
    pending: int
    available: int
    in_payout: int
    owed: int


class StatementLineView(BaseModel):
    entry_id: UUID
    occurred_at: datetime
    kind: str
    explained: str
    pending: int = Field(description="This and the next three: the change")
    available: int
    in_payout: int
    owed: int
    available_after: int


class StatementView(BaseModel):
    member_id: UUID
    since: date
    until: date = Field(description="The last day")
    opening: StandingView
    closing: StandingView
    lines: list[StatementLineView]
    complete: bool = Field(description="False: there are more lines, ask for a shorter span")


class InvoiceLineView(BaseModel):
    kind: str = Field(description="confirmation (owed) or refund (given back)")
    occurred_on: date
    order: str
    line: int
    campaign_id: UUID
    amount: int


class InvoiceView(BaseModel):
    partner: str
    name: str
    month: str
    confirmed: int
    refunded: int
    due: int
    lines: list[InvoiceLineView]
