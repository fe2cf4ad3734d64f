"""How people come in, move on and agree to things."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from common.events.registry import Category, Purpose
from registry.models.base import Table, moment, one_of, texts


class Application(Table, table=True):
    """A request to join. The applicant is a person without a member until the admission.

    Without a person: erased, or declined so long ago that the personal data are removed.
    """

    __tablename__ = "application"
    __table_args__: ClassVar[Any] = (
        one_of("category", Category),
        sa.CheckConstraint("status in ('submitted', 'admitted', 'declined', 'withdrawn')", name="status_known"),
        sa.CheckConstraint("(status = 'admitted') = (member_id is not null)", name="admitted_has_member"),
        sa.Index("application_organisation", "organisation_id", "status"),
        sa.Index("application_waiting", "deadline", postgresql_where=sa.text("status = 'submitted'")),
    )

    application_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.organisation_id")
    person_id: UUID | None = Field(foreign_key="person.person_id", unique=True)
    status: str = "submitted"
    follow_hash: bytes = Field(unique=True)
    """SHA-256 of the code with which the applicant follows the application."""
    category: str
    consents: list[str] = texts()
    consent_text_version: str
    check_off: bool
    """Whether the applicant asks the employer to pay the dues (1 %)."""
    wished_on: date
    submitted_at: datetime = moment()
    deadline: date
    """The last day for the decision of those who are asked now."""
    reminded_at: datetime | None = moment(nullable=True)
    """When the deadline came near; the queue shows it."""
    escalated_to: UUID | None = Field(default=None, foreign_key="organisation.organisation_id", index=True)
    """The organisation above that is asked since a deadline passed."""
    escalated_at: datetime | None = moment(nullable=True)
    decided_on: date | None = None
    protocol_number: str | None = None
    protocol_on: date | None = None
    decline_reason: str | None = None
    member_id: UUID | None = Field(default=None, foreign_key="member.member_id")
    version: int = 1

    def public_state(self, effective_on: date) -> dict[str, Any]:
        """The fields of an ApplicationEvent."""
        return {
            "version": self.version,
            "effective_on": effective_on,
            "application_id": self.application_id,
            "organisation_id": self.organisation_id,
            "status": self.status,
            "member_id": self.member_id,
        }

    @classmethod
    def of_code(cls, follow_hash: bytes) -> sa.Select[tuple[UUID]]:
        """The id of the application that a code, given by its hash, is the key of."""
        table: sa.Table = cls.__table__  # type: ignore[attr-defined]
        codes: sa.Table = FollowCode.__table__  # type: ignore[attr-defined]
        further = sa.select(codes.c.application_id).where(codes.c.follow_hash == follow_hash)
        return sa.select(table.c.application_id).where(
            sa.or_(table.c.follow_hash == follow_hash, table.c.application_id.in_(further))
        )


class FollowCode(Table, table=True):
    """A further code of an application, given to who sent the very same application again."""

    __tablename__ = "follow_code"

    follow_hash: bytes = Field(primary_key=True)
    application_id: UUID = Field(foreign_key="application.application_id", index=True, ondelete="CASCADE")
    issued_at: datetime = moment()


class Transfer(Table, table=True):
    """A member on the way from one organisation to another. The member stays in the first until accepted.

    When the deadline passes, the nearest organisation above both ends decides: `escalated_to`.
    """

    __tablename__ = "transfer"
    __table_args__: ClassVar[Any] = (
        sa.CheckConstraint("status in ('released', 'accepted', 'refused', 'cancelled')", name="status_known"),
        sa.CheckConstraint("(decided_on is null) = (status = 'released')", name="decided_when_ended"),
        sa.Index("transfer_one_open", "member_id", unique=True, postgresql_where=sa.text("status = 'released'")),
        sa.Index("transfer_waiting", "deadline", postgresql_where=sa.text("status = 'released'")),
    )

    transfer_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="member.member_id", index=True)
    from_organisation_id: UUID = Field(foreign_key="organisation.organisation_id", index=True)
    to_organisation_id: UUID = Field(foreign_key="organisation.organisation_id", index=True)
    status: str = "released"
    reason: str | None = None
    """Why it was refused or cancelled."""
    released_on: date
    deadline: date
    """The last day on which the receiving organisation decides, counted from when the release was recorded."""
    reminded_at: datetime | None = moment(nullable=True)
    """When the deadline came near; the queue shows it."""
    escalated_to: UUID | None = Field(default=None, foreign_key="organisation.organisation_id", index=True)
    escalated_at: datetime | None = moment(nullable=True)
    decided_on: date | None = None
    version: int = 1


class Consent(Table, table=True):
    """A consent to one purpose: which text, how and when it was given, and when it was withdrawn."""

    __tablename__ = "consent"
    __table_args__: ClassVar[Any] = (
        one_of("purpose", Purpose),
        sa.CheckConstraint("channel in ('online', 'paper')", name="channel_known"),
        sa.Index(
            "consent_one_in_force",
            "member_id",
            "purpose",
            unique=True,
            postgresql_where=sa.text("withdrawn_at is null"),
        ),
    )

    consent_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="member.member_id", index=True)
    purpose: str
    text_version: str
    text_hash: str
    """SHA-256 of the text, in hexadecimal."""
    channel: str
    given_at: datetime = moment()
    withdrawn_at: datetime | None = moment(nullable=True)

    @classmethod
    def purposes_of(cls, member_id: Any) -> sa.Select[tuple[str]]:
        """The purposes with a consent in force; `member_id` is a value or a column to correlate with."""
        table: sa.Table = cls.__table__  # type: ignore[attr-defined]
        return (
            sa.select(table.c.purpose)
            .where(table.c.member_id == member_id, table.c.withdrawn_at.is_(None))
            .order_by(table.c.purpose)
        )
