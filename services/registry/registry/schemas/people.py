"""Applications, members and transfers in requests and answers. An answer to a POST has no personal data."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.events.registry import Category, MemberStatus, Purpose, Sex
from common.types import Line
from registry.consent_texts import CURRENT
from registry.schemas.fields import BusinessDate, Email, NamePart, Phone, Request

ApplicationStatus = Literal["submitted", "admitted", "declined"]
TransferStatus = Literal["released", "accepted", "refused"]


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
    decided_on: date | None
    decline_reason: str | None


class AdmitRequest(Request):
    protocol_number: Line
    effective_on: BusinessDate | None = None
    namesake_confirmed: bool = Field(
        default=False, description="True when staff know that the member of the same name is another person."
    )


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
    decided_on: date | None
    protocol_number: str | None
    decline_reason: str | None
    member_id: UUID | None
    version: int

    @classmethod
    def of(cls, application: BaseModel, person: BaseModel | None) -> "ApplicationView":
        return cls(**application.model_dump(), **_personal(person))


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


class MemberChange(Request):
    """What is absent stays as it is; a contact that is null is removed."""

    category: Category | None = None
    phone: Phone | None = None
    email: Email | None = None
    effective_on: BusinessDate | None = None


class LeaveRequest(Request):
    effective_on: BusinessDate | None = None


class ExpelRequest(Request):
    reason: Line
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


class TransferRequest(Request):
    member_id: UUID
    to_organisation_id: UUID
    effective_on: BusinessDate | None = None


class AcceptRequest(Request):
    effective_on: BusinessDate | None = None


class TransferState(BaseModel):
    """A transfer without the member's name: the answer to a POST."""

    model_config = ConfigDict(from_attributes=True)

    transfer_id: UUID
    member_id: UUID
    from_organisation_id: UUID
    to_organisation_id: UUID
    status: TransferStatus
    reason: str | None
    released_on: date
    deadline: date
    decided_on: date | None
    version: int


class TransferView(TransferState):
    """With the name, for those who decide; null for a reader who may not see it."""

    last_name: str | None = None
    first_name: str | None = None
    patronymic: str | None = None
    birth_date: date | None = None

    @classmethod
    def of(cls, transfer: BaseModel, person: BaseModel | None) -> "TransferView":
        shown = {"last_name", "first_name", "patronymic", "birth_date"}
        return cls(**transfer.model_dump(), **(person.model_dump(include=shown) if person else {}))


class Extract(BaseModel):
    """Everything held about a member, machine-readable."""

    generated_at: datetime
    person: dict[str, Any]
    memberships: list[dict[str, Any]]
    stays: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    applications: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    phone_operations: list[dict[str, Any]]
    accesses: list[dict[str, Any]]
