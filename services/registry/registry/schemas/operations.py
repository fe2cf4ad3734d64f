"""Operations on the tree and head counts in requests and answers."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from common.events.registry import Category, InstitutionType, Kind
from common.types import Line
from registry.schemas.fields import BusinessDate, HeadCount, Request
from registry.schemas.organisations import Code, Inn, NewOrganisation
from registry.vocabulary import OperationKind, OperationStatus

CategoryOrNone = Literal[Category, "not_given"]


class _Operation(Request):
    effective_on: BusinessDate | None = Field(
        default=None, description="Past or future, two years ahead at most; default: today."
    )
    reason: Line
    dry_run: bool = Field(default=False, description="Only tell what it would do, or what refuses it.")


class CreateOperation(_Operation):
    operation: Literal["create"]
    organisation: NewOrganisation


class RenameOperation(_Operation):
    operation: Literal["rename"]
    organisation_id: UUID
    name: Line
    short_name: Line | None = None


class MoveOperation(_Operation):
    operation: Literal["move"]
    organisation_id: UUID
    parent_id: UUID


class CloseOperation(_Operation):
    operation: Literal["close"]
    organisation_id: UUID


class ReopenOperation(_Operation):
    operation: Literal["reopen"]
    organisation_id: UUID
    parent_id: UUID | None = Field(default=None, description="Default: the one it stood under.")


class _Part(Request):
    """Which members go there: by category, by name, or all that no earlier part takes."""

    categories: list[CategoryOrNone] = Field(default_factory=list, max_length=4)
    member_ids: list[UUID] = Field(default_factory=list, max_length=10_000)
    rest: bool = False


class MergePart(_Part):
    into_id: UUID


class MergeOperation(_Operation):
    """`organisation_id` is closed; its members and what stands below it go on in `into_id`."""

    operation: Literal["merge"]
    organisation_id: UUID
    into_id: UUID
    parts: list[MergePart] = Field(
        default_factory=list,
        max_length=50,
        description="Members who go elsewhere than into_id itself: to its structural units, say.",
    )


class Successor(Request):
    """A new organisation; kind and parent are by default those of the one that is split."""

    code: Code
    name: Line
    kind: Kind | None = None
    parent_id: UUID | None = None
    short_name: Line | None = None
    institution_type: InstitutionType | None = None
    institution_name: Line | None = None
    address: Line | None = None
    inn: Inn | None = None


class SplitPart(_Part):
    into_id: UUID | None = None
    new: Successor | None = None
    unit_ids: list[UUID] = Field(
        default_factory=list,
        max_length=500,
        description="Organisations directly below that go along, with members.",
    )

    @model_validator(mode="after")
    def _one_successor(self) -> "SplitPart":
        if (self.into_id is None) == (self.new is None):
            raise ValueError("name one of into_id and new")
        return self


class SplitOperation(_Operation):
    """Each part's members go to its successor; what is left stays, unless `close`."""

    operation: Literal["split"]
    organisation_id: UUID
    parts: list[SplitPart] = Field(min_length=1, max_length=50)
    close: bool = False


OperationRequest = Annotated[
    CreateOperation
    | RenameOperation
    | MoveOperation
    | CloseOperation
    | ReopenOperation
    | MergeOperation
    | SplitOperation,
    Field(discriminator="operation"),
]


class UndoRequest(Request):
    reason: Line
    dry_run: bool = False


class Impact(BaseModel):
    """Counts of what it touches: of the organisation with all below it, and of what it changes itself."""

    organisations_below: int = 0
    members: int = Field(default=0, description="Active members of it and below it.")
    cards: int = Field(default=0, description="Those of them who consented to a card.")
    applications: int = Field(default=0, description="Applications that wait there for a decision.")
    transfers: int = Field(default=0, description="Transfers that wait, from or to there.")
    offices: int = Field(default=0, description="Elected offices there whose term runs.")
    reports: int = Field(default=0, description="Organisations whose yearly figures it may change.")
    members_moved: int = 0
    organisations_moved: int = 0
    organisations_created: int = 0
    applications_handed_over: int = 0
    transfers_redirected: int = 0
    transfers_ended: int = 0
    stands_in_the_way: str | None = Field(
        default=None, description="What would refuse it today; it is tried again on its day."
    )


class OperationView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    operation_id: UUID
    kind: OperationKind
    organisation_id: UUID | None
    arguments: dict[str, Any]
    effective_on: date
    reason: str | None
    status: OperationStatus
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    cancelled_by: str | None
    done_at: datetime | None
    undoes: UUID | None
    refusal_code: str | None
    refusal_detail: str | None
    impact: Impact
    version: int


class OperationAnswer(OperationView):
    dry_run: bool


class HeadCountRequest(Request):
    counted_on: BusinessDate = Field(description="The day of the count: mostly 1 January.")
    employed: HeadCount | None
    students: HeadCount | None


class HeadCountView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    organisation_id: UUID
    counted_on: date
    employed: int | None
    students: int | None
    recorded_at: datetime
    superseded_at: datetime | None
    recorded_by: str
