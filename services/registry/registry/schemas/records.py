"""Doubles, merges, approvals, erasures and the access log in requests and answers."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.events.registry import Category, MemberStatus, Purpose
from common.types import Line
from registry.schemas.fields import Request
from registry.schemas.people import PersonFields
from registry.states import AlarmKind, ApprovalStatus, DuplicateStatus, FoundAt, Strength

TakenField = Literal[
    "last_name", "first_name", "patronymic", "birth_date", "sex", "phone", "email", "old_card_number"
]


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class EvidenceView(BaseModel):
    """What speaks for one person (or against it), in a code and in words; no value of a record."""

    code: str
    detail: str


class DuplicateView(_Row):
    """Two records that may be of one person. Of the one that is out of your reach you see that it is."""

    duplicate_id: UUID
    status: DuplicateStatus
    strength: Strength
    evidence: list[EvidenceView]
    found_when: FoundAt
    found_at: datetime
    handed_to: UUID | None = Field(description="The organisation above both, whose staff was asked to decide.")
    decided_at: datetime | None
    version: int


class SideView(PersonFields):
    """One of the two, side by side; all null but `within_reach` when it is not within your reach."""

    within_reach: bool
    member_id: UUID | None = None
    application_id: UUID | None = None
    organisation_id: UUID | None = None
    status: MemberStatus | None = None
    category: Category | None = None
    joined_on: date | None = None
    left_on: date | None = None
    sex: str | None = None
    consents: list[Purpose] = Field(default_factory=list)


class DuplicateDetail(DuplicateView):
    sides: Annotated[list[SideView], Field(min_length=2, max_length=2)]


class DuplicateState(_Row):
    """A pair after a decision."""

    duplicate_id: UUID
    status: DuplicateStatus
    handed_to: UUID | None
    version: int


class MergeRequest(Request):
    survivor_member_id: UUID = Field(description="The record that goes on.")
    absorbed_member_id: UUID = Field(description="The record that becomes part of it.")
    seniority: Literal["earlier", "survivor"] = Field(
        default="earlier", description="Which first day holds: the earlier of the two, or the survivor's own."
    )
    take: Annotated[list[TakenField], Field(max_length=8)] = Field(
        default_factory=list, description="Personal fields that the survivor takes over from the absorbed record."
    )
    reason: Line


class MergeView(_Row):
    merge_id: UUID
    survivor_member_id: UUID
    absorbed_member_id: UUID
    effective_on: date
    merged_at: datetime
    requested_by: str
    approved_by: str
    undo_until: datetime
    undone_at: datetime | None
    version: int


class ApprovalView(_Row):
    """A request that needs a second person."""

    approval_id: UUID
    action: str
    arguments: dict[str, Any] = Field(description="Ids and choices of what was asked for.")
    reason: str
    status: ApprovalStatus
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    refusal: str | None
    result: dict[str, Any] | None = Field(description="Ids of what the approved action made.")
    version: int


class ErasureRequest(Request):
    member_id: UUID
    request_number: Line = Field(description="The number of the person's written request, or of the decision.")
    reason: Line


class ErasureView(_Row):
    erasure_id: UUID
    request_number: str
    member_ids: list[UUID]
    organisation_id: UUID
    requested_by: str
    approved_by: str
    erased_at: datetime


class AccessView(_Row):
    """One answer that showed personal data, or one change of them."""

    access_id: UUID
    at: datetime
    subject: str
    token_id: str | None
    action: str
    purpose: str | None
    whose_kind: Literal["member", "application"]
    whose: list[UUID] = Field(description="Those of them within your reach.")
    count: int = Field(description="Of all, within your reach or not.")


class ExposedView(_Row):
    """One record that the caller asked about has seen or changed."""

    whose_id: UUID
    whose_kind: Literal["member", "application"]
    times: int
    first_at: datetime
    last_at: datetime
    actions: list[str]


class AlarmView(_Row):
    alarm_id: UUID
    subject: str
    hour: datetime = Field(description="The clock hour, in UTC.")
    kind: AlarmKind
    persons: int
    expected: int = Field(description="The limit, or what this caller's habit allows.")
    raised_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    conclusion: str | None
    version: int


class ConclusionRequest(Request):
    conclusion: Line


class Cell(BaseModel):
    """A count that is published, or null where it could point at people."""

    category: Literal["working", "student", "pensioner", "not_given", "total"]
    members: int | None = Field(
        description="Null: fewer than five, or withheld so that such a one cannot be computed."
    )


class PublicRow(BaseModel):
    organisation_id: UUID | None = Field(description="A regional organisation; null for the whole union.")
    name: str
    cells: list[Cell]


class PublicStatistics(BaseModel):
    """Members by region and category. Small numbers are withheld."""

    rows: list[PublicRow]
    smallest_shown: int
