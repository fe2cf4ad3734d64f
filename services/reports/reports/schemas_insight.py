"""Bodies of the cockpit, of opened figures, of changes and of what is public."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from reports.forms import Level
from reports.indicators import Figure, Label, Unit
from reports.schemas import Day, OrganisationName


class TrendDay(BaseModel):
    day: date
    signed: int = Field(description="Of those that are signed now, how many were on this day")
    accepted: int


class CompletenessView(BaseModel):
    form: str
    level: Level
    as_of: date
    due_on: date
    expected: int
    formed: int
    signed: int = Field(description="Signed or further")
    accepted: int = Field(description="Accepted or further")
    locked: int
    returned: int
    on_time: int = Field(description="By the first signature")
    late: int
    debtors: int = Field(
        description="Not signed; after due_on they are late. GET /v1/reports?under=…&overdue=true"
    )
    trend: list[TrendDay]
    forecast: date | None = Field(
        description="When all will be accepted at the pace of the last seven days; null where nothing moves"
    )


class Coverage(BaseModel):
    members: int
    head_count: int | None = Field(description="Null: no head count is known")
    percent: float | None


class DigitalCoverage(BaseModel):
    records: int
    all_members: int | None = Field(
        description="The newest declared, with members on paper; null: nobody declared"
    )
    records_percent: float | None
    members_with_card: int
    cards_percent: float | None = Field(description="Of the members in the records")


class Movement(BaseModel):
    """In a calendar year so far. Transfers within the organisation count on both sides."""

    year: int
    joined: int
    left: int
    expelled: int
    transferred_in: int
    transferred_out: int


class PyramidBand(BaseModel):
    born_from: int = Field(description="The first of five years of birth")
    born_to: int
    women: int
    men: int
    sex_not_given: int


class HeatCell(OrganisationName):
    """An organisation directly below, with what a heat table colours by."""

    members: int
    coverage_working_percent: float | None
    coverage_students_percent: float | None
    records_percent: float | None
    cards_percent: float | None
    reports_expected: int
    reports_signed: int
    reports_accepted: int
    accepted_percent: float | None


class CockpitView(BaseModel):
    organisation: OrganisationName
    organisations: dict[str, int] = Field(description="Active ones below and itself, by kind")
    members: int
    categories: dict[str, int] = Field(description="`none`: not given")
    pedagogical: int
    as_of: date | None = Field(description="The day of the reports below; null: there are none")
    reports: list[CompletenessView]
    coverage_working: Coverage
    coverage_students: Coverage
    digital: DigitalCoverage
    movement: list[Movement] = Field(description="This year and the one before")
    pyramid: list[PyramidBand]
    children: list[HeatCell]


class MomentQuery(BaseModel):
    as_of: Day
    known_at: AwareDatetime | None = Field(
        default=None, description="Only what was recorded by then; absent: all that is known now"
    )


class BelowView(OrganisationName):
    value: Figure
    share: float | None = Field(description="Percent of the whole; null where the figure is no sum")


class OpenedView(BaseModel):
    organisation_id: UUID
    indicator: str
    label: Label
    unit: Unit
    as_of: date
    known_at: datetime | None
    value: Figure
    formula: str | None = Field(description="Of a derived indicator, over those in `of`")
    counts: dict[str, object] | None = Field(description="Of a counted indicator: what counts, as it is declared")
    of: dict[str, Figure]
    itself: Figure = Field(description="Not of any organisation below")
    below: list[BelowView]


class BehindView(BaseModel):
    entity_id: UUID = Field(description="A member's where members are counted, else an organisation's")
    organisation_id: UUID
    amount: int
    effective_on: date = Field(description="From when the state holds that counts")
    recorded_at: datetime = Field(description="When its owner wrote it down")
    event_type: str


class OpenedRowView(BaseModel):
    report_id: UUID
    row: str
    label: Label
    unit: Unit
    formula: str
    filed: Figure
    indicators: list[OpenedView] = Field(description="What the formula names, by all that is known now")


class ChangeQuery(BaseModel):
    since: Day
    until: Day
    known_since: AwareDatetime | None = Field(default=None, description="What was known at the first moment")
    known_until: AwareDatetime | None = Field(default=None, description="What is known at the last; absent: now")


class MovementView(BaseModel):
    step: Literal["learnt", "happened"] = Field(
        description="Learnt later about the first day, or happened from the first day to the last"
    )
    cause: str
    amount: int
    entities: int


class ChangeView(BaseModel):
    indicator: str
    label: Label
    unit: Unit
    before: Figure
    after: Figure
    difference: Figure = Field(description="Null where one of the two is not known")
    movements: list[MovementView] = Field(
        description="They add up to the difference; empty of a derived indicator"
    )
    of: "list[ChangeView]" = Field(description="Of a derived indicator: those that it is reckoned from")


class MovedView(BaseModel):
    entity_id: UUID
    delta: int


class PublicRegion(BaseModel):
    organisation_id: UUID
    name: str
    working: int | None
    student: int | None
    pensioner: int | None
    not_given: int | None
    members: int | None


class PublicTotal(BaseModel):
    working: int | None
    student: int | None
    pensioner: int | None
    not_given: int | None
    members: int | None


class PublicView(BaseModel):
    as_of: date
    threshold: int = Field(description="Figures below it are null, and so is what would give them away")
    regions: list[PublicRegion] = Field(description="Of accepted reports")
    total: PublicTotal
