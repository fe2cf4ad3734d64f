"""Request and response bodies."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_LONGEST_LIST = 10_000

CardStatus = Literal["requested", "issued", "active", "suspended", "blocked", "replaced", "expired"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BlockRequest(_Request):
    reason: Literal["lost", "stolen", "fraud"] = Field(description="`fraud` is for staff alone")


class SuspendRequest(_Request):
    reason: Literal["mislaid", "inquiry"] = Field(description="`inquiry` is for staff alone, and so is its end")


class ReprintRequest(_Request):
    reason: Literal["lost", "stolen", "damaged"]


Coordinate = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"), Field(description="32 bytes in base64url")
]


class DeviceJwk(_Request):
    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Coordinate
    y: Coordinate


class DeviceRequest(_Request):
    public_key: DeviceJwk = Field(
        description="Public half of a key pair that the device made and never gives away"
    )


class DeviceView(BaseModel):
    device_id: UUID
    card_id: UUID
    registered_at: datetime
    revoked_at: datetime | None


class Devices(BaseModel):
    items: list[DeviceView] = Field(description="The oldest first, at most 100")


class VerificationRequest(_Request):
    code: str = Field(min_length=1, max_length=800, description="The text of the QR code")


class VerificationView(BaseModel):
    colour: Literal["green", "amber", "red"]
    reason: str = Field(description="A stable word: valid, blocked, suspended, expired, screenshot, …")


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
    reason: str | None = Field(description="Why it is blocked or suspended")
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
    event_id: UUID | None = Field(description="The event of the registry that caused it")
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
    y: str | None = Field(default=None, description="Absent for Ed25519")
    kid: str
    alg: str
    use: str


class Jwks(BaseModel):
    keys: list[Jwk]
