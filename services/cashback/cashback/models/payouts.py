"""Money on its way to a member, and the files that pass between us and the bank."""

from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import MOMENT, Table, one_of
from common.events.cashback import PayoutStatus


class Payout(Table, table=True):
    """Money on its way to a member. Set aside from the request until the bank has paid or refused."""

    __tablename__ = "payout"
    __table_args__ = (
        one_of("status", *get_args(PayoutStatus)),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
        sa.CheckConstraint("taxable between 0 and amount", name="taxable_within_amount"),
        sa.CheckConstraint("first_approved_by <> approved_by", name="approved_by_two"),
        sa.Index("payout_waiting", "status", "payout_id", postgresql_where=sa.text("resolved_on is null")),
    )
    payout_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    amount: int = Field(sa_type=sa.BigInteger)
    taxable: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Kopecks of it above what a person may be given in a year without tax."""
    status: str
    requested_on: date
    first_approved_by: str | None = None
    """Above the limit of four eyes: the first of the two."""
    approved_by: str | None = None
    bank_reference: str | None = Field(default=None, unique=True)
    """What the bank calls it: given once, with the file that it was sent in."""
    file_number: int | None = Field(default=None, index=True, foreign_key="bank_file.file_number")
    sent_on: date | None = None
    resolved_on: date | None = None
    reason: str | None = None
    """Why it was declined, failed or came back."""
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        fields = {"payout_id", "member_id", "status", "amount", "version"}
        return {**self.model_dump(include=fields), "effective_on": effective_on}


class BankFile(Table, table=True):
    """Payouts that were sent to the bank together. The file itself has names and is kept nowhere."""

    __tablename__ = "bank_file"
    file_number: int = Field(
        default=None, sa_column=sa.Column(sa.Integer, sa.Identity(always=True), primary_key=True)
    )
    payouts: int
    total: int = Field(sa_type=sa.BigInteger)
    """Kopecks."""
    made_by: str
    made_at: datetime = Field(sa_type=MOMENT)
    sha256: str | None = None
    """Of the newest copy before it was encrypted."""


class BankAnswer(Table, table=True):
    """A file of the bank that was taken in, wholly."""

    __tablename__ = "bank_answer"
    file_number: int = Field(primary_key=True, foreign_key="bank_file.file_number")
    answer_number: int = Field(primary_key=True)
    sha256: str
    lines: int
    taken_by: str
    taken_at: datetime = Field(sa_type=MOMENT)
