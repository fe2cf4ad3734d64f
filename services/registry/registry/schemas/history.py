"""The history of a member in answers."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.events.registry import Category, MemberStatus


class MemberPeriodView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    valid_from: date
    valid_to: date | None = Field(description="The first day on which it holds no more; null: it still does.")
    organisation_id: UUID
    status: MemberStatus
    category: Category | None
    pedagogical: bool | None
    recorded_at: datetime = Field(description="When the registry learnt it.")
    superseded_at: datetime | None = Field(description="When it was corrected; null: it is still believed.")


class MemberHistory(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    member_id: UUID
    periods: list[MemberPeriodView]
