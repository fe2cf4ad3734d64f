"""Request and response bodies."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.events.cards import BatchStatus
from common.types import Line

_LONGEST_LIST = 10_000

CardStatus = Literal["requested", "issued", "active", "blocked", "replaced", "expired"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BlockRequest(_Request):
    reason: Literal["lost", "stolen"]


class BatchRequest(_Request):
    organisation_id: UUID
    member_ids: Annotated[list[UUID], Field(min_length=1, max_length=_LONGEST_LIST)] | None = Field(
        default=None, description="Absent: every member of the organisation's subtree who may have a plastic card"
    )


class DeliveredRequest(_Request):
    missing: list[UUID] = Field(
        default_factory=list, max_length=_LONGEST_LIST, description="Cards that did not come with the parcel"
    )


class HandOverRequest(_Request):
    card_ids: Annotated[list[UUID], Field(min_length=1, max_length=_LONGEST_LIST)] | None = Field(
        default=None, description="Absent: all cards of the batch that still wait for their members"
    )
    receipt: Line = Field(description="The number of the receipt or list that the members signed")


class CardView(BaseModel):
    card_id: UUID
    member_id: UUID
    organisation_id: UUID = Field(description="The organisation that the holder belongs to now")
    form: Literal["virtual", "plastic"]
    status: CardStatus
    reason: str | None = Field(description="Why it is blocked")
    number: str = Field(description="Whole for the holder in answers to GET, else all but its last four hidden")
    expires_on: date = Field(description="The first day on which it is not valid")
    batch_id: UUID | None
    replaces_id: UUID | None = Field(description="The card that this one took the place of")
    created_at: datetime
    version: int


class StepView(BaseModel):
    status: CardStatus
    reason: str | None
    actor: str | None = Field(description="Subject of a token or type of an event; null for the holder")
    at: datetime


class CardDetail(CardView):
    steps: list[StepView]


class BatchView(BaseModel):
    batch_id: UUID
    organisation_id: UUID
    reference: str
    status: BatchStatus
    cards: int = Field(description="How many were ordered")
    spoiled: int
    missing: int = Field(description="How many did not reach the organisation")
    ordered_by: str
    approved_by: str | None = Field(description="Another person than `ordered_by`")
    created_at: datetime
    changed_at: datetime
    version: int


class PlasticCardView(BaseModel):
    card_id: UUID
    serial: str = Field(description="What the factory calls it")
    stage: str = Field(
        description="ordered, withdrawn, produced, spoiled, dispatched, delivered, missing or handed_over"
    )
    note: str | None = Field(description="The factory's word")
    receipt: str | None
    handed_over_by: str | None
    changed_at: datetime


class FileView(BaseModel):
    file_number: int
    cards: int
    sha256: str = Field(description="Of the file before it was encrypted")
    made_by: str
    made_at: datetime


class ResponseView(BaseModel):
    response_number: int
    lines: int
    sha256: str
    received_by: str
    received_at: datetime


class FindingView(BaseModel):
    card_id: UUID
    serial: str
    finding: Literal["without_answer", "not_dispatched", "not_handed_over", "spoiled", "missing", "to_destroy"]
    note: str | None


class ReconciliationView(BaseModel):
    ordered: int
    withdrawn: int = Field(description="Ended before the order was sent; no plastic was made")
    produced: int
    spoiled: int
    dispatched: int
    delivered: int
    missing: int
    handed_over: int
    files: list[FileView]
    responses: list[ResponseView]
    findings: list[FindingView]
    difference: int = Field(description="Cards that are not accounted for yet")


class MemberCount(BaseModel):
    organisation_id: UUID
    members: int


class CardFigures(BaseModel):
    virtual: int = Field(description="Live virtual cards")
    plastic: int = Field(description="Live plastic cards, on order or in hand")
    members_with_card: int = Field(description="Members with at least one live card")
    members_entitled: int = Field(description="Members with a consent to cards")
    blocked: int


class Headline(BaseModel):
    cards: CardFigures


class Jwk(BaseModel):
    kty: str
    crv: str
    x: str
    y: str
    kid: str
    alg: str
    use: str


class Jwks(BaseModel):
    keys: list[Jwk]
