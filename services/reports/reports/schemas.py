"""Bodies of requests and answers."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from reports.forms import Level
from reports.indicators import Figure, Label, Unit

FormCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2100, 1, 1))]
"""A day the union can have statistics of."""


class ReportRunRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: Day
    form: FormCode | None = Field(default=None, description="One form; absent: every form made as of this day")


class FormRun(BaseModel):
    form: str
    form_version: int
    level: Level
    organisations: int = Field(description="How many organisations of your scope report by this form")
    formed: int = Field(description="New reports and new revisions")
    unchanged: int = Field(description="The newest revision says the same")


class ReportRunView(BaseModel):
    as_of: date
    organisations: int
    formed: int
    unchanged: int
    forms: list[FormRun]


class ReportItem(BaseModel):
    report_id: UUID
    form: str
    form_version: int
    level: Level
    organisation_id: UUID
    as_of: date
    revision: int
    status: str
    figures: dict[str, Figure] = Field(description="By row code; null where the base does not know")
    formed_at: datetime
    version: int


class RowView(BaseModel):
    code: str
    label: Label
    unit: Unit
    indent: int
    formula: str | None = Field(description="Over the indicators; null for a row that people declare")
    declared: bool
    value: Figure


class OrganisationName(BaseModel):
    """As the organisation stood on the day of the report."""

    organisation_id: UUID
    code: str
    name: str
    kind: str


class PartView(OrganisationName):
    figures: dict[str, Figure]


class RevisionView(BaseModel):
    revision: int
    form_version: int
    formed_at: datetime


class ReportView(BaseModel):
    report_id: UUID
    form: str
    form_version: int
    level: Level
    title: Label
    organisation: OrganisationName
    as_of: date
    due_on: date | None
    revision: int
    status: str
    formed_at: datetime
    version: int
    rows: list[RowView]
    parts: list[PartView] | None = Field(description="Of a summary: the organisations directly below, by code")
    revisions: list[RevisionView]


class FormRowView(BaseModel):
    code: str
    label: Label
    unit: Unit
    indent: int
    formula: str | None
    declared: bool


class FormView(BaseModel):
    form: str
    version: int
    level: Level
    title: Label
    as_of: str = Field(description="MM-DD")
    due: str = Field(description="MM-DD")
    rows: list[FormRowView]


class FormList(BaseModel):
    items: list[FormView]


class IndicatorView(BaseModel):
    name: str
    label: Label
    unit: Unit


class IndicatorList(BaseModel):
    items: list[IndicatorView]


class MemberCount(BaseModel):
    organisation_id: UUID
    members: int


class StatisticsQuery(BaseModel):
    organisation_id: UUID
    as_of: Day
    known_at: AwareDatetime | None = Field(
        default=None, description="Only what was recorded by then; absent: all that is known now"
    )


class StatisticsView(BaseModel):
    organisation_id: UUID
    as_of: date
    known_at: datetime | None
    indicators: dict[str, Figure]


class MembersHeadline(BaseModel):
    total: int
    working: int
    student: int
    pensioner: int
    without_category: int


class CardsHeadline(BaseModel):
    active: int
    virtual: int
    plastic: int
    members: int = Field(description="Members with at least one active card")


class ReportsHeadline(BaseModel):
    as_of: date | None = Field(description="The latest day for which there is a report")
    primary: int
    territorial: int
    regional: int
    federal: int


class HeadlineView(BaseModel):
    organisations: dict[str, int] = Field(description="Active ones by kind")
    members: MembersHeadline
    cards: CardsHeadline
    participants: int
    reports: ReportsHeadline
