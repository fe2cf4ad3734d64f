"""Money on its way to a member."""

from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import Table, one_of


class Payout(Table, table=True):
    """Money on its way to a member."""

    __tablename__ = "payout"
    __table_args__ = (
        one_of("status", "requested", "settled", "failed"),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
    )
    payout_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    amount: int = Field(sa_type=sa.BigInteger)
    status: str
    requested_on: date
    resolved_on: date | None
    reason: str | None
    """Why it failed."""
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        fields = {"payout_id", "member_id", "status", "amount", "version"}
        return {**self.model_dump(include=fields), "effective_on": effective_on}
