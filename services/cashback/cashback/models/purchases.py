"""The way to a partner, what was bought there, what came back."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import MOMENT, RECORDED, Table, one_of


class Click(Table, table=True):
    """A member's way to a partner. Only the random id leaves this service."""

    __tablename__ = "click"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["campaign_id", "campaign_version"], ["campaign_terms.campaign_id", "campaign_terms.version"]
        ),
    )
    click_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    campaign_id: UUID
    campaign_version: int
    """The terms that the member saw; purchases of this click earn by them."""
    clicked_at: datetime = Field(sa_type=MOMENT)


class Purchase(Table, table=True):
    """A purchase that a partner reported, and the cashback on it."""

    __tablename__ = "purchase"
    __table_args__ = (
        sa.UniqueConstraint("partner", "order_number", "line", name="purchase_reported_once"),
        one_of("status", "pending", "confirmed", "partly_confirmed", "declined", "refunded"),
        sa.Index("purchase_of_partner", "partner", "purchase_id"),
        sa.CheckConstraint("0 <= amount and amount <= reported", name="amount_within_reported"),
        sa.CheckConstraint("0 <= cashback and cashback <= accrued", name="cashback_within_accrued"),
    )
    purchase_id: UUID = Field(primary_key=True)
    click_id: UUID = Field(foreign_key="click.click_id", index=True)
    member_id: UUID = Field(index=True)
    partner: str = Field(foreign_key="partner.partner")
    campaign_id: UUID = Field(foreign_key="campaign.campaign_id")
    campaign_version: int
    order_number: str
    line: int
    basket: int | None = Field(sa_type=sa.BigInteger)
    reported: int = Field(sa_type=sa.BigInteger)
    """The purchase as first reported."""
    amount: int = Field(sa_type=sa.BigInteger)
    """What is left of it after partial confirmation and refunds."""
    accrued: int = Field(sa_type=sa.BigInteger)
    """The cashback on `reported`; the cashback on a part is this pro rata."""
    cashback: int = Field(sa_type=sa.BigInteger)
    """The cashback on `amount`."""
    status: str
    purchased_at: datetime = Field(sa_type=MOMENT)
    purchased_on: date
    """The day of `purchased_at` in the zone that the partner sent."""
    hold_until: date
    """The first day on which it may be confirmed."""
    resolved_on: date | None
    explanation: str
    """Russian: by which rule the cashback was counted."""
    explanation_en: str = Field(default="", sa_column_kwargs={"server_default": ""})
    recorded_at: datetime = Field(sa_type=MOMENT, sa_column_kwargs=RECORDED)
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        fields = {"purchase_id", "member_id", "partner", "campaign_id", "status", "amount", "cashback", "version"}
        return {**self.model_dump(include=fields), "effective_on": effective_on}


class Refund(Table, table=True):
    """A return of goods after confirmation, under the partner's own number for it."""

    __tablename__ = "refund"
    __table_args__ = (
        sa.UniqueConstraint("purchase_id", "reference", name="refund_taken_once"),
        sa.CheckConstraint("amount > 0 and cashback >= 0", name="amounts_in_range"),
    )
    refund_id: UUID = Field(primary_key=True)
    purchase_id: UUID = Field(foreign_key="purchase.purchase_id")
    reference: str
    amount: int = Field(sa_type=sa.BigInteger)
    cashback: int = Field(sa_type=sa.BigInteger)
    """Kopecks of cashback taken back."""
    effective_on: date


class PartnerReport(Table, table=True):
    """A message of a partner about one line of an order, taken once: its key, its content's hash, its first answer.

    Whether it came by the API, by the partner's topic or in a daily file, the key is the same.
    """

    __tablename__ = "partner_report"
    __table_args__ = (
        one_of("event", "reported", "confirmed", "declined", "refunded"),
        one_of("source", "api", "topic", "file"),
    )
    partner: str = Field(primary_key=True)
    order_number: str = Field(primary_key=True)
    line: int = Field(primary_key=True)
    event: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    """The partner's number of this message among those of its kind; a refund's is its reference."""
    input_hash: bytes
    source: str
    purchase_id: UUID = Field(foreign_key="purchase.purchase_id")
    status: str
    """This and the next three: the purchase as it stood after this message, which a replay is answered with."""
    amount: int = Field(sa_type=sa.BigInteger)
    cashback: int = Field(sa_type=sa.BigInteger)
    purchase_version: int
    taken_at: datetime = Field(sa_type=MOMENT)


class RefusedReport(Table, table=True):
    """A message of a topic or a file that a rule refused: nothing came of it, and it may be sent again."""

    __tablename__ = "refused_report"
    __table_args__ = (sa.Index("refused_report_of_partner", "partner", "refused_id"),)
    refused_id: UUID = Field(primary_key=True)
    partner: str = Field(foreign_key="partner.partner")
    order_number: str
    line: int
    event: str
    version: str
    source: str
    code: str
    detail: str
    refused_at: datetime = Field(sa_type=MOMENT, index=True)


class PurchaseFile(Table, table=True):
    """A partner's signed daily file, taken once, with what came of it."""

    __tablename__ = "purchase_file"
    partner: str = Field(primary_key=True, foreign_key="partner.partner")
    day: date = Field(primary_key=True)
    part: int = Field(primary_key=True)
    sha256: bytes
    lines: int
    taken: int
    repeated: int
    refused: int
    received_at: datetime = Field(sa_type=MOMENT)
