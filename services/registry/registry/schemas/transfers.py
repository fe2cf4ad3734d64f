"""Transfers in requests and answers. An answer to a POST has no personal data."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.types import Line
from registry.schemas.fields import BusinessDate, Request

TransferStatus = Literal["released", "accepted", "refused", "cancelled"]


class TransferRequest(Request):
    member_id: UUID
    to_organisation_id: UUID
    effective_on: BusinessDate | None = None


class AcceptRequest(Request):
    effective_on: BusinessDate | None = None


class CancelRequest(Request):
    reason: Line | None = None


class ExtendRequest(Request):
    deadline: BusinessDate = Field(description="Until then the receiving organisation decides again.")


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
    reminded_at: datetime | None = Field(description="When the deadline came near.")
    escalated_to: UUID | None = Field(description="The organisation above both ends that decides now.")
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
