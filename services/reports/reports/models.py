"""Tables: the last states, the dated facts, and the reports made of the facts."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from common.tables import add_kernel_tables
from reports.indicators import Figure


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, with a metadata of its own."""


add_kernel_tables(Table.metadata)

_MOMENT: Any = sa.DateTime(timezone=True)
_JSON: Any = JSONB(none_as_null=True)


class Organisation(Table, table=True):
    """Projection of registry.organisation.v1: the tree as it is now, which also cuts the callers' scopes."""

    __tablename__ = "organisation"

    organisation_id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(index=True)
    kind: str
    code: str
    name: str
    status: str
    institution_type: str | None
    employed: int | None
    students: int | None
    version: int


class Member(Table, table=True):
    """Projection of registry.member.v1."""

    __tablename__ = "member"
    __table_args__: ClassVar[Any] = (
        sa.Index("member_active", "organisation_id", postgresql_where=sa.text("status = 'member'")),
    )

    member_id: UUID = Field(primary_key=True)
    organisation_id: UUID
    status: str
    category: str | None
    version: int


class Card(Table, table=True):
    """Projection of cards.card.v1."""

    __tablename__ = "card"

    card_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    form: str
    status: str
    version: int


class Participant(Table, table=True):
    """Projection of cashback.participant.v1."""

    __tablename__ = "participant"

    member_id: UUID = Field(primary_key=True)
    status: str
    version: int


class OrganisationFact(Table, table=True):
    """Every state an organisation ever had, from the day on which it holds."""

    __tablename__ = "organisation_fact"

    organisation_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    effective_on: date
    recorded_at: datetime = Field(sa_type=_MOMENT)
    event_type: str
    parent_id: UUID | None
    kind: str
    code: str
    name: str
    status: str
    institution_type: str | None
    employed: int | None
    students: int | None


class MemberFact(Table, table=True):
    """Every state a member ever had, from the day on which it holds."""

    __tablename__ = "member_fact"

    member_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    effective_on: date
    recorded_at: datetime = Field(sa_type=_MOMENT)
    event_type: str
    organisation_id: UUID = Field(index=True)
    status: str
    category: str | None
    sex: str | None
    birth_year: int
    joined_on: date
    left_on: date | None


class Report(Table, table=True):
    """The report of one organisation by one form for one day, with the figures of its newest revision."""

    __tablename__ = "report"
    __table_args__: ClassVar[Any] = (sa.UniqueConstraint("form", "organisation_id", "as_of", name="report_once"),)

    report_id: UUID = Field(primary_key=True)
    form: str
    form_version: int
    level: str
    organisation_id: UUID = Field(index=True)
    as_of: date
    revision: int
    status: str
    figures: dict[str, Figure] = Field(sa_type=_JSON)
    """By row code."""
    parts: dict[str, dict[str, Figure]] | None = Field(sa_type=_JSON)
    """Of a summary: id of each organisation directly below -> its figures by the same form."""
    formed_at: datetime = Field(sa_type=_MOMENT)
    version: int


class ReportRevision(Table, table=True):
    """What was formed each time: never changed, never removed."""

    __tablename__ = "report_revision"

    report_id: UUID = Field(primary_key=True, foreign_key="report.report_id")
    revision: int = Field(primary_key=True)
    form_version: int
    figures: dict[str, Figure] = Field(sa_type=_JSON)
    parts: dict[str, dict[str, Figure]] | None = Field(sa_type=_JSON)
    formed_at: datetime = Field(sa_type=_MOMENT)
