"""Records of what was done: who saw personal data."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from registry.models.base import Table, moment


class AccessLog(Table, table=True):
    """One answer that showed personal data, or one change of them, with the ids of everybody concerned.

    A row an answer, not a row a person: a page of 500 people is one insert, and the index on `whose` finds
    who saw one of them as fast. A trigger refuses every change but two: the removal of rows older than three
    years, and the erasure of what the row says of an erased person.
    """

    __tablename__ = "access_log"
    __table_args__: ClassVar[Any] = (
        sa.Index("access_log_whose", "whose", postgresql_using="gin"),
        sa.Index("access_log_at", "at"),
        sa.Index("access_log_subject", "subject", "at"),
        sa.Index("access_log_token", "token_id", postgresql_where=sa.text("token_id is not null")),
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
    token_id: str | None = None
    """`jti` of the caller's token."""
    reader_member_id: UUID | None = None
    """Set when a member read or changed their own record."""
