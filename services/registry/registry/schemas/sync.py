"""What phones get and send. See docs/pocket-sync.md."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.types import Int32, Line
from registry.schemas.fields import BusinessDate, Request
from registry.schemas.offices import TermView
from registry.schemas.organisations import OrganisationView
from registry.schemas.people import ApplicationView, MemberView, PersonFields
from registry.schemas.sync_operations import Operation, OperationKind
from registry.schemas.transfers import TransferView

Outcome = Literal["applied", "merged", "conflict", "refused", "rerouted", "duplicate"]
State = Literal["done", "open", "accepted", "declined"]
RowKind = Literal["organisation", "member", "application", "transfer", "office"]
TombstoneReason = Literal[
    "scope_changed",
    "reload",
    "transferred",
    "left",
    "expelled",
    "merged",
    "erased",
    "retracted",
    "decided",
    "ended",
    "gone",
]


class TombstoneView(BaseModel):
    """Drop the row. With an organisation go all rows of it: see docs/pocket-sync.md."""

    model_config = ConfigDict(from_attributes=True)

    kind: RowKind
    id: UUID
    reason: TombstoneReason


class SyncPage(BaseModel):
    organisation_id: UUID | None = Field(
        description="What the token is for; null when its bearer no longer acts for an organisation."
    )
    reset: bool = Field(description="Drop everything that you hold before you take this page.")
    scope_changed: bool = Field(description="Your organisations are others than at the last synchronisation.")
    tombstones: list[TombstoneView] = Field(description="Take these first.")
    organisations: list[OrganisationView]
    members: list[MemberView] = Field(description="Members in force; each replaces what you hold of it.")
    applications: list[ApplicationView] = Field(description="Those not decided yet.")
    transfers: list[TransferView] = Field(description="Those not decided yet, from and to your organisations.")
    offices: list[TermView] = Field(description="Terms that are not over; each ends by itself on its ends_on.")
    cursor: str = Field(description="Keep it together with this page, in one transaction; send it next time.")
    more: bool = Field(description="Ask again at once: there is another page.")


class SyncBatch(Request):
    device_id: UUID
    operations: list[Operation] = Field(
        min_length=1, max_length=100, description="In the order in which they were made."
    )


class OperationStatus(BaseModel):
    """What became of an operation; no personal data. All but operation_id, outcome and state may be withheld."""

    model_config = ConfigDict(from_attributes=True)

    operation_id: UUID
    kind: OperationKind
    item_id: UUID | None
    outcome: Outcome
    state: State | Literal["passed_on"] = Field(
        description="open: somebody has to decide; passed_on: another office has it, and you are told no more."
    )
    code: str | None = Field(description="Of the refusal.")
    detail: str | None
    fields: list[str] = Field(description="Those on which both sides differ.")
    applied_fields: list[str]
    member_id: UUID | None
    application_id: UUID | None
    transfer_id: UUID | None
    version: int | None = Field(description="Of the member, application or transfer after the operation.")
    reason: str | None = Field(description="Why the office let it go.")


class OperationResult(OperationStatus):
    repeated: bool = Field(description="It was sent before; this is what became of it.")


class SyncResults(BaseModel):
    results: list[OperationResult] = Field(description="In the order of the batch.")


class Side(BaseModel):
    """One field as it is and as the phone would have it."""

    field: str
    current: str | None
    proposed: str | None


class SyncItem(BaseModel):
    """An operation that waits for a decision, with both sides. Has personal data."""

    item_id: UUID
    kind: OperationKind
    outcome: Outcome
    state: State
    code: str | None
    detail: str | None
    organisation_id: UUID | None
    member_id: UUID | None
    application_id: UUID | None
    transfer_id: UUID | None
    sent_by: str
    made_at: datetime | None
    arrived_at: datetime
    effective_on: date | None
    sides: list[Side]
    about: PersonFields | None = Field(
        description="The person as the registry has them; null for one to be entered."
    )
    arguments: dict[str, Any] = Field(description="The operation as it was sent, without personal data.")
    current_version: int | None = Field(description="Send it with the decision: it proves what you looked at.")
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


class Corrections(Request):
    """What the office decides otherwise than the phone; absent: as it was sent."""

    effective_on: BusinessDate | None = None
    protocol_number: Line | None = None
    namesake_confirmed: bool | None = None
    organisation_id: UUID | None = Field(
        default=None, description="Of admit_member: one of yours that takes the member."
    )


class ResolveRequest(Request):
    take: Literal["phone", "current"]
    current_version: Int32 | None = Field(
        default=None, description="Of the item as you read it; needed to take the phone's side of a member."
    )
    fields: list[Line] | None = Field(
        default=None, max_length=10, description="Of the phone's side; absent: all. The others stay as they are."
    )
    corrections: Corrections = Corrections()
    reason: Line | None = None


class AcceptStranded(Request):
    current_version: Int32 | None = None
    fields: list[Line] | None = Field(default=None, max_length=10)
    corrections: Corrections = Corrections()
