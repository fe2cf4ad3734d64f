"""What is kept of the care for personal data: erasures, and alarms on unusual reading."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from registry.models.base import Table, moment, one_of
from registry.states import AlarmKind


class Erasure(Table, table=True):
    """A person was erased. Append-only by a trigger: it outlives the person and holds ids and a keyed hash."""

    __tablename__ = "erasure"

    erasure_id: UUID = Field(primary_key=True)
    request_number: str
    """The number of the person's written request, or of the decision."""
    member_ids: list[UUID] = Field(sa_column=sa.Column(ARRAY(sa.Uuid), nullable=False))
    organisation_id: UUID = Field(foreign_key="organisation.organisation_id", index=True)
    """Where the person was a member last."""
    person_hash: bytes
    """HMAC-SHA-256 of the match key under the erasure key: tells whether a given person was erased."""
    requested_by: str
    approved_by: str
    erased_at: datetime = moment()
    act: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    """What was removed where, and what is kept and why: registry.acts."""


class ReadingAlarm(Table, table=True):
    """Someone read of more people within an hour than the limit, or than is their habit."""

    __tablename__ = "reading_alarm"
    __table_args__: ClassVar[Any] = (
        one_of("kind", AlarmKind),
        sa.UniqueConstraint("subject", "hour", "kind", name="reading_alarm_once"),
    )

    alarm_id: UUID = Field(primary_key=True)
    subject: str
    hour: datetime = moment()
    kind: str
    persons: int
    """Persons shown in that hour, each time counted, as far as known when the alarm was raised."""
    expected: int
    """The limit, or what the habit allows."""
    raised_at: datetime = moment()
    closed_at: datetime | None = moment(nullable=True)
    closed_by: str | None = None
    conclusion: str | None = None
    version: int = 1
