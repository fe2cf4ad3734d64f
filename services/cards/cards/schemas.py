"""Request and response bodies."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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


class ProducedRequest(_Request):
    spoiled: list[UUID] = Field(
        default_factory=list, max_length=_LONGEST_LIST, description="Cards that the factory spoiled"
    )


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
    status: Literal["ordered", "produced", "dispatched", "handed_over"]
    cards: int = Field(description="How many were ordered")
    spoiled: int
    ordered_by: str
    created_at: datetime
    changed_at: datetime
    version: int


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
