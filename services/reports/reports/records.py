"""Tables of the reports themselves: their state, their revisions, their steps."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from reports.indicators import Figure
from reports.models import MOMENT, Table

_JSON: Any = JSONB(none_as_null=True)

SIDES = ("counted", "declared", "unknown", "differs")
"""What is known of a declarable indicator: two sums, and two numbers of organisations."""
DRAFTS = ("formed", "returned", "reopened")
"""A report's states in which its figures follow the base; in the others they stand."""
FILED = ("signed", "accepted", "locked")


class Report(Table, table=True):
    """The report of one organisation by one form for one day. The database itself refuses to change a locked one."""

    __tablename__ = "report"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("form", "organisation_id", "as_of", name="report_once"),
        sa.Index("report_as_of_status", "as_of", "form", "status"),
    )

    report_id: UUID = Field(primary_key=True)
    form: str
    form_version: int
    level: str
    organisation_id: UUID = Field(index=True)
    as_of: date
    due_on: date | None
    revision: int
    """The newest."""
    status: str
    edition: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    """Counts the reopenings."""
    formed_at: datetime = Field(sa_type=MOMENT)
    signed_by: str | None = None
    """Subject of the token; null until signed, and again when returned or reopened."""
    signed_at: datetime | None = Field(default=None, sa_type=MOMENT)
    accepted_at: datetime | None = Field(default=None, sa_type=MOMENT)
    first_signed_on: date | None = None
    """By which it is on time or late, whatever happens to it later."""
    reason: str | None = None
    """Of the last return or reopening."""
    version: int


class ReportRevision(Table, table=True):
    """What was formed each time: never changed, never removed."""

    __tablename__ = "report_revision"

    report_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    form_version: int
    figures: dict[str, Figure] = Field(sa_type=_JSON)
    """By row code."""
    codes: list[str] = Field(sa_type=sa.ARRAY(sa.Text))
    """Of the rows, in their order."""
    parts: dict[str, list[Figure]] | None = Field(sa_type=_JSON)
    """Of a summary: id of each organisation directly below -> its figures by the same form, in the order of `codes`."""
    asked: list[str] = Field(sa_type=sa.ARRAY(sa.Text))
    """Indicators that people may be asked for."""
    told: list[int | None] = Field(sa_type=sa.ARRAY(sa.Integer))
    """Of each of `asked`, in that order: counted and declared (sums), unknown and differing (organisations)."""
    failed: list[str] = Field(sa_type=sa.ARRAY(sa.Text))
    """Codes of the form's cross-checks that do not hold."""
    formed_at: datetime = Field(sa_type=MOMENT)

    def sides(self) -> dict[str, dict[str, int | None]]:
        """By indicator: counted, declared, unknown, differs."""
        return sides(self.asked, self.told)

    def parts_by_code(self) -> dict[str, dict[str, Figure]] | None:
        if self.parts is None:
            return None
        return {part: dict(zip(self.codes, line, strict=True)) for part, line in self.parts.items()}


def sides(asked: list[str], told: list[int | None]) -> dict[str, dict[str, int | None]]:
    width = len(SIDES)
    return {
        name: dict(zip(SIDES, told[at * width : (at + 1) * width], strict=True)) for at, name in enumerate(asked)
    }


class ReportStep(Table, table=True):
    """Who did what to a report and when: never changed, never removed."""

    __tablename__ = "report_step"

    report_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    """The report's after the step."""
    step: str
    revision: int
    taken_by: str
    taken_at: datetime = Field(sa_type=MOMENT)
    reason: str | None


class Formation(Table, table=True):
    """The runs that formed reports by themselves."""

    __tablename__ = "formation"

    form: str = Field(primary_key=True)
    as_of: date = Field(primary_key=True)
    formed_on: date
    """The last day on which it ran."""
    organisations: int
    formed: int


class Agreement(Table, table=True):
    """The last comparison of what registry, cards and reports count: one row."""

    __tablename__ = "agreement"

    subject: str = Field(primary_key=True)
    """What was compared: `members`."""
    ran_at: datetime = Field(sa_type=MOMENT)
    organisations: int
    """With active members, by the registry."""
    members: dict[str, int] = Field(sa_type=_JSON)
    """Active ones, by service."""
    unsent: int
    """Events that waited in the registry's outbox."""
    parked: int
    """Records that cards and reports had set aside."""


class Disagreement(Table, table=True):
    """An organisation whose active members the services counted differently at both looks of the last comparison."""

    __tablename__ = "disagreement"

    organisation_id: UUID = Field(primary_key=True)
    members: dict[str, int] = Field(sa_type=_JSON)
    """Active ones, by service."""
    drift: bool
    """False: events about it may be on their way still."""
    since: datetime = Field(sa_type=MOMENT)
    """When these very figures were seen first."""
