"""Organisations in requests and answers."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from common.events.registry import InstitutionType, Kind
from common.types import Line
from registry.schemas.fields import BusinessDate, HeadCount, Request

Inn = Annotated[str, StringConstraints(pattern=r"^([0-9]{10}|[0-9]{12})$")]
"""Taxpayer number: 10 digits of a legal entity, 12 of a person."""
Code = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[\w.\-/]+$")]


class OrganisationRequest(Request):
    parent_id: UUID | None = Field(default=None, description="Null for the root alone.")
    kind: Kind
    code: Code
    name: Line
    short_name: Line | None = None
    institution_type: InstitutionType | None = None
    institution_name: Line | None = None
    address: Line | None = None
    inn: Inn | None = None
    employed: HeadCount | None = None
    students: HeadCount | None = None
    effective_on: BusinessDate | None = Field(default=None, description="The day it opens; default: today.")


class OrganisationChange(Request):
    """What is absent stays as it is."""

    name: Line | None = None
    short_name: Line | None = None
    institution_type: InstitutionType | None = None
    institution_name: Line | None = None
    address: Line | None = None
    inn: Inn | None = None
    employed: HeadCount | None = None
    students: HeadCount | None = None
    effective_on: BusinessDate | None = None


class MoveRequest(Request):
    parent_id: UUID
    effective_on: BusinessDate | None = None
    reason: Line


class CloseRequest(Request):
    effective_on: BusinessDate | None = None
    reason: Line


class OrganisationView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    organisation_id: UUID
    parent_id: UUID | None
    kind: Kind
    code: str
    name: str
    short_name: str | None
    status: Literal["active", "closed"]
    successor_ids: list[UUID] = Field(description="Where the members of a merged or split organisation went.")
    institution_type: InstitutionType | None
    institution_name: str | None
    address: str | None
    inn: str | None
    employed: int | None
    students: int | None
    opened_on: date
    closed_on: date | None
    version: int


class OrganisationChoice(BaseModel):
    """What a person without a token sees of an organisation."""

    model_config = ConfigDict(from_attributes=True)

    organisation_id: UUID
    name: str
    parent_name: str


class MemberCount(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    organisation_id: UUID
    members: int


class MemberCategories(BaseModel):
    working: int
    student: int
    pensioner: int
    not_given: int
    total: int


class Headline(BaseModel):
    organisations: dict[Kind, int]
    members: MemberCategories
    online_joins: int = Field(description="Applications of the web site that ended in an admission.")
