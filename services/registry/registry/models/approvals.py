"""What one person asks for and another must allow."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from registry.models.base import Table, moment, one_of
from registry.states import ApprovalStatus


class Approval(Table, table=True):
    """A request that needs a second person. `arguments` hold ids and choices, never personal data."""

    __tablename__ = "approval"
    __table_args__: ClassVar[Any] = (
        one_of("status", ApprovalStatus),
        sa.CheckConstraint("(decided_at is null) = (status = 'waiting')", name="decided_when_ended"),
        # By the database too: whoever asked does not allow it.
        sa.CheckConstraint(
            "status <> 'approved' or decided_by is distinct from requested_by", name="second_person"
        ),
        sa.Index("approval_waiting", "expires_at", postgresql_where=sa.text("status = 'waiting'")),
    )

    approval_id: UUID = Field(primary_key=True)
    action: str
    arguments: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    organisation_ids: list[UUID] = Field(sa_column=sa.Column(ARRAY(sa.Uuid), nullable=False))
    """Who decides has every one of these within reach."""
    reason: str
    status: str = "waiting"
    requested_by: str
    """`sub` of the token of who asked."""
    requested_at: datetime = moment()
    expires_at: datetime = moment()
    decided_by: str | None = None
    decided_at: datetime | None = moment(nullable=True)
    refusal: str | None = None
    result: dict[str, Any] | None = Field(default=None, sa_column=sa.Column(JSONB(none_as_null=True)))
    """What the approved action made: ids."""
    version: int = 1
