"""Limits against fraud, who is near to a partner, and what hit a limit."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import MOMENT, Table, one_of

VELOCITIES = ("member", "card", "partner", "device")
"""What purchases are counted by."""


class FraudLimit(Table, table=True):
    """One version of a limit; never changed. The newest of a limit is in force, from then on."""

    __tablename__ = "fraud_limit"
    __table_args__ = (
        one_of("kind", *VELOCITIES, "click_to_purchase"),
        sa.CheckConstraint(
            "case kind when 'click_to_purchase' then least_seconds is not null and window_seconds is null"
            " and most_purchases is null and most_cashback is null"
            " else least_seconds is null and window_seconds is not null"
            " and num_nonnulls(most_purchases, most_cashback) >= 1 end",
            name="kind_has_its_measures",
        ),
        sa.CheckConstraint(
            "window_seconds > 0 and most_purchases > 0 and most_cashback > 0 and least_seconds > 0",
            name="measures_positive",
        ),
    )
    limit_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    kind: str
    partner: str | None = Field(default=None, foreign_key="partner.partner")
    """Only purchases at this partner are counted; None: at all, of the partner's mode."""
    window_seconds: int | None = None
    most_purchases: int | None = None
    most_cashback: int | None = Field(default=None, sa_type=sa.BigInteger)
    """Kopecks accrued."""
    least_seconds: int | None = None
    """A purchase sooner after its click is no person's."""
    active: bool
    made_by: str
    made_at: datetime = Field(sa_type=MOMENT)


class PartnerRelation(Table, table=True):
    """A member who belongs to the partner: its owner, its staff. Such a member's purchases there are looked at."""

    __tablename__ = "partner_relation"
    partner: str = Field(primary_key=True, foreign_key="partner.partner")
    member_id: UUID = Field(primary_key=True)
    listed_by: str
    listed_at: datetime = Field(sa_type=MOMENT)


class FraudHit(Table, table=True):
    """What a purchase hit, by which version of which limit, and by how much. Appended only."""

    __tablename__ = "fraud_hit"
    hit_id: UUID = Field(primary_key=True)
    purchase_id: UUID = Field(foreign_key="purchase.purchase_id", index=True)
    kind: str
    limit_id: UUID | None = None
    """None of self_dealing, which has no measure."""
    limit_version: int | None = None
    measured: int | None = Field(default=None, sa_type=sa.BigInteger)
    """Purchases, kopecks or seconds, in the unit of `threshold`."""
    threshold: int | None = Field(default=None, sa_type=sa.BigInteger)
    hit_at: datetime = Field(sa_type=MOMENT)


class ReviewDecision(Table, table=True):
    """What somebody decided about a purchase that had hit a limit. Once."""

    __tablename__ = "review_decision"
    __table_args__ = (one_of("outcome", "released", "rejected"),)
    purchase_id: UUID = Field(primary_key=True, foreign_key="purchase.purchase_id")
    outcome: str
    reason: str
    decided_by: str
    decided_at: datetime = Field(sa_type=MOMENT)
