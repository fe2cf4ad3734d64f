"""Partners' books beside ours."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import MOMENT, Table, one_of

OUTCOMES = ("matched", "amount_differs", "status_differs", "missing_ours", "missing_theirs")


class Reconciliation(Table, table=True):
    """A partner's file of all that was bought in some days, as it stands, compared with ours once."""

    __tablename__ = "reconciliation"
    __table_args__ = (
        sa.UniqueConstraint("partner", "sha256", name="file_compared_once"),
        sa.CheckConstraint("from_on <= to_on", name="days_in_order"),
    )
    reconciliation_id: UUID = Field(primary_key=True)
    partner: str = Field(foreign_key="partner.partner", index=True)
    from_on: date
    to_on: date
    """The last day of purchases that it is about."""
    sha256: str
    lines: int
    their_amount: int = Field(sa_type=sa.BigInteger)
    """This and the next: the file's control totals, in kopecks; then our own of the same days."""
    their_cashback: int = Field(sa_type=sa.BigInteger)
    our_lines: int
    our_amount: int = Field(sa_type=sa.BigInteger)
    our_cashback: int = Field(sa_type=sa.BigInteger)
    compared_by: str
    compared_at: datetime = Field(sa_type=MOMENT)


class ReconciliationItem(Table, table=True):
    """A line of an order on either side, as both had it at the comparison, and what may put it right."""

    __tablename__ = "reconciliation_item"
    __table_args__ = (
        one_of("outcome", *OUTCOMES),
        one_of("proposed", "reported", "confirmed", "declined", "refunded"),
        one_of("state", "none", "proposed", "accepted", "dismissed"),
        sa.UniqueConstraint("reconciliation_id", "order_number", "line", name="line_compared_once"),
        sa.Index("reconciliation_item_of_line", "partner", "order_number", "line"),
        sa.Index("reconciliation_item_outcome", "reconciliation_id", "outcome", "item_id"),
    )
    item_id: UUID = Field(primary_key=True)
    reconciliation_id: UUID = Field(foreign_key="reconciliation.reconciliation_id")
    partner: str
    order_number: str
    line: int
    outcome: str
    purchase_id: UUID | None = None
    purchased_on: date
    our_status: str | None = None
    our_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    our_cashback: int | None = Field(default=None, sa_type=sa.BigInteger)
    their_status: str | None = None
    their_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    their_cashback: int | None = Field(default=None, sa_type=sa.BigInteger)
    click_id: UUID | None = None
    """This and the next: told by the partner, so that what is missing here may be taken in."""
    told_at: str | None = None
    """The moment of the purchase as the partner wrote it, with the zone of the shop."""
    differs_since: datetime | None = Field(default=None, sa_type=MOMENT)
    """When a comparison first found this line to differ and none has found it matched since."""
    proposed: str | None = None
    """The message of a partner that would put it right, if there is one; null: the two must talk."""
    proposed_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    state: str
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=MOMENT)
    reason: str | None = None
