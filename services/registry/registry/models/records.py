"""Records of what was done: who saw personal data."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from registry.models.base import Table, moment


class AccessLog(Table, table=True):
    """One read or change of personal data. Append-only: a trigger refuses every other statement."""

    __tablename__ = "access_log"
    __table_args__: ClassVar[Any] = (
        sa.Index("access_log_whose", "whose", postgresql_using="gin"),
        sa.Index("access_log_at", "at"),
    )

    access_id: UUID = Field(primary_key=True)
    at: datetime = moment()
    subject: str
    """`sub` of the caller's token."""
    action: str
    purpose: str | None = None
    """What the caller gave in X-Purpose."""
    whose_kind: str
    """What `whose` holds ids of: member or application."""
    whose: list[UUID] = Field(sa_column=sa.Column(ARRAY(sa.Uuid), nullable=False))
    count: int
