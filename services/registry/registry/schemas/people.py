"""Applications and members in requests and answers. An answer to a POST has no personal data."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from common.events.registry import Category, MemberStatus, Purpose, Sex
from common.types import Line
from registry.consent_texts import CURRENT
from registry.schemas.fields import BusinessDate, Email, NamePart, Phone, Request

ApplicationStatus = Literal["submitted", "admitted", "declined", "withdrawn"]
Known = Literal["member", "former_member", "applicant"]
FollowCode = Annotated[str, StringConstraints(min_length=22, max_length=22, pattern=r"^[\w\-]+$")]


class ApplicationRequest(Request):
    organisation_id: UUID
    last_name: NamePart
    first_name: NamePart
    patronymic: NamePart | None = None
    birth_date: BusinessDate
    sex: Sex
    phone: Phone | None = None
    email: Email | None = None
    category: Category
    consents: list[Purpose] = Field(max_length=8)
    consent_text_version: Line = CURRENT
    check_off: bool = False
    effective_on: BusinessDate | None = Field(default=None, description="Default: today.")


class ApplicationReceipt(BaseModel):
    application_id: UUID
    follow_code: str = Field(description="The only key to the application's progress; shown once.")
    status: ApplicationStatus


class ApplicationProgress(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    status: ApplicationStatus
    submitted_at: datetime
    deadline: date = Field(description="By then the committee, or who is asked after it, decides.")
    decided_on: date | None
    decline_reason: str | None


class FollowRequest(Request):
    follow_code: FollowCode


class WithdrawnApplication(BaseModel):
    status: ApplicationStatus


class AdmitRequest(Request):
    protocol_number: Line
    protocol_on: BusinessDate | None = Field(
        default=None, description="The protocol's day; default: effective_on."
    )
    effective_on: BusinessDate | None = None
    namesake_confirmed: bool = Field(
        default=False, description="True when staff know that the member of the same name is another person."
    )


class DeclineRequest(Request):
    reason: Line
    protocol_number: Line | None = None
    protocol_on: BusinessDate | None = None


class PersonFields(BaseModel):
    """Personal data; all null for a reader who may not see it."""

    last_name: str | None = None
    first_name: str | None = None
    patronymic: str | None = None
    birth_date: date | None = None
    phone: str | None = None
    email: str | None = None
    old_card_number: str | None = None


def _personal(person: BaseModel | None) -> dict[str, Any]:
    return person.model_dump(include=set(PersonFields.model_fields)) if person else {}


class ApplicationView(PersonFields):
    application_id: UUID
    organisation_id: UUID
    status: ApplicationStatus
    category: Category
    consents: list[Purpose]
    check_off: bool
    wished_on: date
    submitted_at: datetime
    deadline: date
    reminded_at: datetime | None = Field(description="When the deadline came near.")
    escalated_to: UUID | None = Field(description="The organisation above that is asked since a deadline passed.")
    decided_on: date | None
    protocol_number: str | None
    protocol_on: date | None
    decline_reason: str | None
    member_id: UUID | None
    known_as: Known | None = Field(
        description="What a person with this name and birth date is already, anywhere in the union; for staff alone."
    )
    version: int

    @classmethod
    def of(cls, application: BaseModel, person: BaseModel | None, known_as: str | None) -> "ApplicationView":
        return cls(**{**application.model_dump(), **_personal(person), "known_as": known_as})


class ApplicationState(BaseModel):
    """An application without the applicant."""

    model_config = ConfigDict(from_attributes=True)

    application_id: UUID
    organisation_id: UUID
    status: ApplicationStatus
    decided_on: date | None
    member_id: UUID | None
    version: int


class MemberState(BaseModel):
    """A member without personal data: the answer to a POST."""

    model_config = ConfigDict(from_attributes=True)

    member_id: UUID
    organisation_id: UUID
    status: MemberStatus
    category: Category | None
    pedagogical: bool | None
    sex: Sex | None
    birth_year: int
    joined_on: date
    left_on: date | None
    version: int


class MemberView(PersonFields, MemberState):
    consents: list[Purpose]

    @classmethod
    def of(cls, member: BaseModel, person: BaseModel | None, consents: list[str]) -> "MemberView":
        return cls(**member.model_dump(), **_personal(person), consents=consents)


class MemberRequest(Request):
    """A paper application and the committee's decision about it."""

    organisation_id: UUID
    last_name: NamePart
    first_name: NamePart
    patronymic: NamePart | None = None
    birth_date: BusinessDate
    sex: Sex
    phone: Phone | None = None
    email: Email | None = None
    old_card_number: Line | None = None
    category: Category | None = None
    pedagogical: bool | None = None
    consents: list[Purpose] = Field(max_length=8, description="Those signed on paper; membership is needed.")
    protocol_number: Line
    protocol_on: BusinessDate | None = Field(
        default=None, description="The protocol's day; default: effective_on."
    )
    effective_on: BusinessDate | None = Field(
        default=None, description="The day of the admission; default: today."
    )
    seniority_from: BusinessDate | None = Field(
        default=None, description="The first day of a seniority that was kept; default: the day of the admission."
    )
    namesake_confirmed: bool = False


class MemberChange(Request):
    """What is absent stays as it is; a contact or a patronymic that is null is removed.

    Name, birth date and sex are corrected, as wrong from the first day, with a `reason`.
    """

    category: Category | None = None
    pedagogical: bool | None = None
    phone: Phone | None = None
    email: Email | None = None
    last_name: NamePart | None = None
    first_name: NamePart | None = None
    patronymic: NamePart | None = None
    birth_date: BusinessDate | None = None
    sex: Sex | None = None
    reason: Line | None = None
    effective_on: BusinessDate | None = None

    def contacts(self) -> dict[str, str | None]:
        return self.model_dump(exclude_unset=True, include={"phone", "email"})

    def corrections(self) -> dict[str, Any]:
        corrected = {"last_name", "first_name", "patronymic", "birth_date", "sex"}
        given = self.model_dump(exclude_unset=True, include=corrected)
        return {field: value for field, value in given.items() if value is not None or field == "patronymic"}


class ReinstateRequest(Request):
    organisation_id: UUID | None = Field(default=None, description="Default: the last one.")
    protocol_number: Line
    protocol_on: BusinessDate | None = Field(
        default=None, description="The protocol's day; default: effective_on."
    )
    reason: Line
    effective_on: BusinessDate | None = Field(default=None, description="Default: today.")
    seniority_from: BusinessDate | None = Field(
        default=None, description="Another first day of the seniority, by decision; default: it is kept."
    )
    namesake_confirmed: bool = False


class Seniority(BaseModel):
    member_id: UUID
    as_of: date
    years: int = Field(description="Full years of membership on that day.")
    since: date
    interrupted_days: int = Field(description="Days since then that do not count.")


class LeaveRequest(Request):
    effective_on: BusinessDate | None = None


class ExpelRequest(Request):
    reason: Line
    protocol_number: Line
    protocol_on: BusinessDate | None = Field(
        default=None, description="The protocol's day; default: effective_on."
    )
    effective_on: BusinessDate | None = None


class ConsentRequest(Request):
    purpose: Purpose
    text_version: Line = CURRENT
    channel: Literal["online", "paper"] = "online"


class ConsentTextView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    purpose: Purpose
    version: str
    text: str
    text_hash: str


class Extract(BaseModel):
    """Everything held about a member, machine-readable."""

    generated_at: datetime
    person: dict[str, Any]
    other_writings: list[dict[str, Any]] = Field(
        description="The person as records that were merged with this one have it, or had it before."
    )
    memberships: list[dict[str, Any]]
    stays: list[dict[str, Any]]
    history: list[dict[str, Any]] = Field(description="What was held true from which day, and when it was known.")
    consents: list[dict[str, Any]]
    applications: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    offices: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    merges: list[dict[str, Any]]
    possible_doubles: list[dict[str, Any]] = Field(
        description="Comparisons with other records: on what grounds and with which decision, never with whom."
    )
    requests: list[dict[str, Any]] = Field(description="What was asked for about you that needed a second person.")
    phone_operations: list[dict[str, Any]]
    accesses: list[dict[str, Any]]
