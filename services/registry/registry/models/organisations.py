"""The tree of organisations as it is, and as it was on any day."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from common.events.registry import InstitutionType, Kind
from registry.models.base import Table, ids, learnt, moment, one_of

DATED = (
    *("parent_id", "name", "search_name", "short_name", "status", "successor_ids"),
    *("institution_type", "institution_name", "address", "inn", "employed", "students"),
)
"""What an organisation's periods keep of it; kind and code never change."""
SEARCHED = ("name", "short_name", "institution_name")
"""By whose words it is found."""
_INN = "inn ~ '^([0-9]{10}|[0-9]{12})$'"


class Organisation(Table, table=True):
    """A node of the tree in its newest state."""

    __tablename__ = "organisation"
    __table_args__: ClassVar[Any] = (
        one_of("kind", Kind),
        one_of("institution_type", InstitutionType),
        sa.CheckConstraint("status in ('active', 'closed')", name="status_known"),
        sa.CheckConstraint("(parent_id is null) = (kind = 'federal')", name="only_the_root_is_federal"),
        sa.CheckConstraint(_INN, name="inn_has_10_or_12_digits"),
        sa.Index("organisation_one_root", "kind", unique=True, postgresql_where=sa.text("kind = 'federal'")),
        sa.Index(
            "organisation_search_name",
            "search_name",
            postgresql_using="gin",
            postgresql_ops={"search_name": "gin_trgm_ops"},
        ),
    )

    organisation_id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(default=None, foreign_key="organisation.organisation_id", index=True)
    kind: str
    code: str = Field(unique=True)
    name: str
    search_name: str
    """The names (SEARCHED) as rules.search_name folds them, with a space at both ends."""
    short_name: str | None = None
    status: str = "active"
    successor_ids: list[UUID] = ids()
    """Where the members of a merged or split organisation went; empty when it was closed, or lives on whole."""
    institution_type: str | None = None
    institution_name: str | None = None
    address: str | None = None
    """Of the institution; of an organisation without one, its own."""
    inn: str | None = None
    """The institution's taxpayer number."""
    employed: int | None = None
    students: int | None = None
    opened_on: date
    closed_on: date | None = None
    """The first day on which it is closed."""
    version: int = 1

    def public_state(self, effective_on: date) -> dict[str, Any]:
        """The fields of an OrganisationEvent."""
        return {
            "version": self.version,
            "effective_on": effective_on,
            "organisation_id": self.organisation_id,
            "parent_id": self.parent_id,
            "kind": self.kind,
            "code": self.code,
            "name": self.name,
            "status": self.status,
            "institution_type": self.institution_type,
            "employed": self.employed,
            "students": self.students,
            "institution_name": self.institution_name,
            "successor_ids": self.successor_ids,
        }

    def period(self, valid_from: date, reason: str | None = None) -> "OrganisationPeriod":
        """The open period that begins with this state."""
        return OrganisationPeriod(
            organisation_id=self.organisation_id,
            kind=self.kind,
            valid_from=valid_from,
            reason=reason,
            **{field: getattr(self, field) for field in DATED},
        )


class OrganisationPeriod(Table, table=True):
    """One organisation's state from `valid_from` up to, not including, `valid_to`; null: still so.

    Known from `recorded_at` up to `superseded_at`; null: still believed. Nothing but `superseded_at` ever changes.
    An exclusion constraint of the migration keeps the believed periods of one organisation apart.
    """

    __tablename__ = "organisation_period"
    __table_args__: ClassVar[Any] = (
        sa.CheckConstraint("valid_to > valid_from", name="not_empty"),
        sa.Index("organisation_period_parent", "parent_id"),
        sa.Index(
            "organisation_period_search_name",
            "search_name",
            postgresql_using="gin",
            postgresql_ops={"search_name": "gin_trgm_ops"},
        ),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.organisation_id")
    valid_from: date = Field(primary_key=True)
    recorded_at: datetime = learnt()
    valid_to: date | None = None
    superseded_at: datetime | None = moment(nullable=True)
    parent_id: UUID | None = None
    kind: str
    name: str
    search_name: str
    short_name: str | None = None
    status: str
    successor_ids: list[UUID] = ids()
    institution_type: str | None = None
    institution_name: str | None = None
    address: str | None = None
    inn: str | None = None
    employed: int | None = None
    students: int | None = None
    reason: str | None = None
    """Why it was changed on that day."""
