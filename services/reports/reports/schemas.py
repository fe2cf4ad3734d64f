"""Bodies of requests and answers."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from common.types import Int32, Prose
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
    due_on: date | None
    edition: int
    version: int


class RowView(BaseModel):
    code: str
    label: Label
    unit: Unit
    indent: int
    formula: str = Field(description="Over the indicators")
    declared: bool = Field(description="People may be asked for it, where the base cannot know")
    value: Figure
    told: "ToldView | None" = Field(description="Of a row that people may be asked for")


class ToldView(BaseModel):
    """Where people and the base both speak, the base's count is the figure, and the difference stays in sight."""

    counted: int | None = Field(description="What the base knows, summed up")
    declared: int | None = Field(description="What people declared, summed up")
    unknown: int = Field(description="Organisations of which neither is known: they are asked")
    differs: int = Field(description="Organisations that declared another figure than the base counts")


class CheckView(BaseModel):
    code: str
    label: Label
    blocks: bool = Field(description="A report that fails it cannot be signed; else it is a warning")
    holds: bool | None = Field(description="Null in a form")


class StepView(BaseModel):
    version: int
    step: str
    revision: int
    taken_by: str = Field(description="Subject of the token")
    taken_at: datetime
    reason: str | None


class DeclarationView(BaseModel):
    indicator: str
    figure: int | None = Field(description="Null: taken back")
    declared_by: str
    declared_at: datetime


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
    edition: int = Field(description="One more with each reopening")
    status: str
    formed_at: datetime
    signed_at: datetime | None
    accepted_at: datetime | None
    on_time: bool | None = Field(description="By the first signature; null before it")
    reason: str | None = Field(description="Of the last return or reopening")
    version: int
    rows: list[RowView]
    checks: list[CheckView]
    parts: list[PartView] | None = Field(description="Of a summary: the organisations directly below, by code")
    revisions: list[RevisionView]
    steps: list[StepView]
    declarations: list[DeclarationView] = Field(description="All of them, oldest first")


class FormRowView(BaseModel):
    code: str
    label: Label
    unit: Unit
    indent: int
    formula: str
    declared: bool


class FormView(BaseModel):
    form: str
    version: int
    level: Level
    title: Label
    as_of: str = Field(description="MM-DD")
    due: str = Field(description="MM-DD")
    rows: list[FormRowView]
    checks: list[CheckView]


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
    told: dict[str, ToldView] = Field(description="By indicator that people may be asked for")


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


class DeclareRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    figures: dict[FormCode, Int32 | None] = Field(
        min_length=1, max_length=50, description="By indicator; null takes a figure back"
    )


class ReasonRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Prose


class DecisionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision: Literal["accept", "lock"]
    organisation_id: UUID = Field(description="Below it every report that can be accepted or locked will be")
    as_of: Day
    form: FormCode | None = None


class DecisionView(BaseModel):
    decided: int


class ReceiptView(BaseModel):
    """A report after a step; read the report for the rest."""

    report_id: UUID
    status: str
    revision: int
    edition: int
    version: int


class DifferenceView(BaseModel):
    code: str
    label: Label
    filed: Figure
    now: Figure = Field(description="What the same form says of the same day by all that is known now")


class DifferencesView(BaseModel):
    report_id: UUID
    revision: int
    as_of: date
    differences: list[DifferenceView] = Field(description="Empty: what was filed is what is known")


class BlockerView(OrganisationName):
    report_id: UUID
    form: str
    level: Level
    status: str
    due_on: date | None
    waits_for: Literal["signature", "acceptance"]
    overdue: bool
    reason: str | None = Field(description="Why it was returned or reopened")
    unknown: int = Field(description="Figures that it is asked for and has not declared")


class HeadlineView(BaseModel):
    organisations: dict[str, int] = Field(description="Active ones by kind")
    members: MembersHeadline
    cards: CardsHeadline
    participants: int
    reports: ReportsHeadline
