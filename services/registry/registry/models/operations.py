"""Operations on the tree: who asked for what, from which day on, with what effect; and yearly head counts."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from registry.models.base import Table, learnt, moment, one_of
from registry.vocabulary import OperationKind, OperationStatus


class OrganisationOperation(Table, table=True):
    """One operation: done at once, waiting for its day or for a second person, or refused when its day came."""

    __tablename__ = "organisation_operation"
    __table_args__: ClassVar[Any] = (
        one_of("kind", OperationKind),
        one_of("status", OperationStatus),
        sa.CheckConstraint("approved_by <> requested_by", name="approved_by_a_second_person"),
        sa.CheckConstraint("(status in ('done', 'undone')) = (done_at is not null)", name="done_has_its_moment"),
        sa.CheckConstraint("(status = 'refused') = (refusal_code is not null)", name="refused_for_a_reason"),
        sa.CheckConstraint("(kind = 'undo') = (undoes is not null)", name="an_undo_undoes"),
        sa.Index("organisation_operation_organisation", "organisation_id"),
        sa.Index("organisation_operation_due", "effective_on", postgresql_where=sa.text("status = 'scheduled'")),
        sa.Index(
            "organisation_operation_undone_once",
            "undoes",
            unique=True,
            postgresql_where=sa.text("status in ('awaiting_approval', 'scheduled', 'done')"),
        ),
    )

    operation_id: UUID = Field(primary_key=True)
    kind: str
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.organisation_id")
    """Whom it concerns: the new organisation once it is created, its parent before."""
    arguments: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    effective_on: date
    reason: str | None = None
    status: str
    requested_by: str
    """`sub` of the caller's token; so are the others."""
    requested_at: datetime = moment()
    approved_by: str | None = None
    approved_at: datetime | None = moment(nullable=True)
    cancelled_by: str | None = None
    done_at: datetime | None = moment(nullable=True)
    undoes: UUID | None = Field(default=None, foreign_key="organisation_operation.operation_id")
    refusal_code: str | None = None
    refusal_detail: str | None = None
    impact: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    """As it was told when it was asked for; of what is done, as it was."""
    effects: dict[str, Any] | None = Field(default=None, sa_column=sa.Column(JSONB(none_as_null=True)))
    """What it changed, in order: commands.operations.effects.Effects."""
    version: int = 1


class OperationMember(Table, table=True):
    """A member whom an operation moved, so that it can be undone."""

    __tablename__ = "operation_member"

    operation_id: UUID = Field(primary_key=True, foreign_key="organisation_operation.operation_id")
    member_id: UUID = Field(primary_key=True, foreign_key="member.member_id")
    from_organisation_id: UUID
    to_organisation_id: UUID
    moved_on: date
    """The operation's day, or the first day of the stay if that is later."""
    old_stay: UUID | None = None
    """The stay that ended; null where the stay began on that day and is one in the other organisation."""
    new_stay: UUID


class HeadCount(Table, table=True):
    """How many are employed and study at an organisation's institution, as counted for a day: mostly 1 January.

    Known from `recorded_at` up to `superseded_at`; a correction is another row.
    """

    __tablename__ = "head_count"
    __table_args__: ClassVar[Any] = (
        sa.Index(
            "head_count_believed",
            "organisation_id",
            "counted_on",
            unique=True,
            postgresql_where=sa.text("superseded_at is null"),
        ),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.organisation_id")
    counted_on: date = Field(primary_key=True)
    recorded_at: datetime = learnt()
    superseded_at: datetime | None = moment(nullable=True)
    employed: int | None = None
    students: int | None = None
    recorded_by: str
