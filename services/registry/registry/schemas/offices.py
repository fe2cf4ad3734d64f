"""Elected offices, grants and the access review in requests and answers."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.auth import Role
from common.events.registry import Kind, Office
from common.types import Line
from registry.schemas.fields import BusinessDate, Request


class ElectionRequest(Request):
    member_id: UUID
    office: Office
    released: bool = Field(default=False, description="Paid by the union for the office alone.")
    starts_on: BusinessDate
    ends_on: BusinessDate = Field(description="The last day of the powers.")
    protocol_number: Line
    protocol_on: BusinessDate


class ProlongRequest(Request):
    ends_on: BusinessDate
    protocol_number: Line
    protocol_on: BusinessDate


class EndRequest(Request):
    ends_on: BusinessDate | None = Field(
        default=None, description="The last day of the powers; default: they end now."
    )
    reason: Line


class TermChange(Request):
    released: bool


class TermState(BaseModel):
    """A term without the holder's name: the answer to a POST."""

    model_config = ConfigDict(from_attributes=True)

    term_id: UUID
    organisation_id: UUID
    member_id: UUID
    office: Office
    released: bool
    starts_on: date
    ends_on: date
    protocol_number: str
    protocol_on: date
    ended_because: str | None
    version: int


class TermView(TermState):
    """With the name; null for a reader who may not see it."""

    last_name: str | None = None
    first_name: str | None = None
    patronymic: str | None = None

    @classmethod
    def of(cls, term: BaseModel, person: BaseModel | None) -> "TermView":
        shown = {"last_name", "first_name", "patronymic"}
        return cls(**term.model_dump(), **(person.model_dump(include=shown) if person else {}))


class Grant(BaseModel):
    """What one token may claim."""

    roles: list[Role]
    organisation_id: UUID | None = Field(description="Null for a token as a member alone.")
    powers_until: date | None = Field(
        description="The last day of the staff role; the token's claim of this name."
    )
    offices: list[Office]


class Grants(BaseModel):
    """For the identity provider: a token of this member claims one of these."""

    member_id: UUID
    grants: list[Grant]


class Leader(BaseModel):
    member_id: UUID
    term_id: UUID
    office: Office
    powers_until: date


class Seat(BaseModel):
    """An organisation whose staff see the one that is asked about: itself, and each one above it."""

    organisation_id: UUID
    kind: Kind
    name: str
    role: Role = Field(description="The role that its staff have; employees get it of the issuer, without a term.")
    leaders: list[Leader] = Field(description="Elected, with a term in force today.")


class Seen(BaseModel):
    subject: str = Field(description="`sub` of the token.")
    accesses: int
    last_at: datetime
    actions: list[str]
    purposes: list[str]


class AccessReview(BaseModel):
    """Who can see the members of an organisation, and why; and who did."""

    organisation_id: UUID
    seats: list[Seat] = Field(description="From the organisation itself up to the root, whose staff see all.")
    seen: list[Seen] = Field(description="Subjects in the record of accesses, the latest 200.")
    seen_days: int
