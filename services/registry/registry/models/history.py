"""What was true of a member when, and when the registry learnt it."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from registry.models.base import Table, learnt, moment

MEMBER_DATED = ("organisation_id", "status", "category", "pedagogical")
"""What a member's periods keep of it."""


class MemberPeriod(Table, table=True):
    """One member's state from `valid_from` up to, not including, `valid_to`; null: still so.

    Known from `recorded_at` up to `superseded_at`; null: still believed. Nothing but `superseded_at` ever changes.
    The first period is written by a trigger on `member`, the others by the function record_members, which every
    change goes through (commands.membership.publish_member, publish_members). The periods believed at one moment
    follow each other without a gap from the first day on.
    """

    __tablename__ = "member_period"
    __table_args__: ClassVar[Any] = (
        sa.CheckConstraint("valid_to > valid_from", name="not_empty"),
        sa.Index(
            "member_period_believed",
            "member_id",
            "valid_from",
            unique=True,
            postgresql_where=sa.text("superseded_at is null"),
        ),
        sa.Index("member_period_organisation", "organisation_id", "valid_from"),
    )

    member_id: UUID = Field(primary_key=True)
    """No foreign key: both writers take the ids from `member`, and a check for each row would slow imports."""
    valid_from: date = Field(primary_key=True)
    recorded_at: datetime = learnt()
    valid_to: date | None = None
    superseded_at: datetime | None = moment(nullable=True)
    organisation_id: UUID
    status: str
    category: str | None = None
    pedagogical: bool | None = None
