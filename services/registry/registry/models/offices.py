"""Elected offices with their terms, and the decisions about members that committees took."""

from datetime import date, datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field

from common.events.registry import Office
from registry.models.base import Table, moment, one_of

Decision = Literal["admitted", "corrected", "expelled", "reinstated"]

_TERM = sa.text("daterange(starts_on, ends_on + 1)")
"""Empty when the office was never held."""


class OfficeTerm(Table, table=True):
    """A member's office from `starts_on` to `ends_on`, both days included. Chairs and deputies have powers by it."""

    __tablename__ = "office_term"
    __table_args__: ClassVar[Any] = (
        one_of("office", Office),
        sa.CheckConstraint("ends_on >= starts_on - 1", name="ends_after_start"),
        ExcludeConstraint(
            ("organisation_id", "="),
            (_TERM, "&&"),
            name="office_term_one_chair",
            where=sa.text("office = 'chair'"),
            using="gist",
        ),
        ExcludeConstraint(
            ("organisation_id", "="),
            ("member_id", "="),
            ("office", "="),
            (_TERM, "&&"),
            name="office_term_once_each",
            using="gist",
        ),
    )

    term_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.organisation_id")
    member_id: UUID = Field(foreign_key="member.member_id", index=True)
    office: str
    released: bool = False
    starts_on: date
    ends_on: date
    """The last day of the powers; the day before `starts_on` when they never began."""
    protocol_number: str
    protocol_on: date
    ended_because: str | None = None
    """Why the powers end before the term does."""
    version: int = 1

    def public_state(self, effective_on: date) -> dict[str, Any]:
        """The fields of an OfficeEvent."""
        return {
            "version": self.version,
            "effective_on": effective_on,
            "term_id": self.term_id,
            "organisation_id": self.organisation_id,
            "member_id": self.member_id,
            "office": self.office,
            "released": self.released,
            "starts_on": self.starts_on,
            "ends_on": self.ends_on,
        }


class MemberDecision(Table, table=True):
    """On which paper a member was admitted by hand, corrected, expelled or reinstated."""

    __tablename__ = "member_decision"
    __table_args__: ClassVar[Any] = (one_of("kind", Decision),)

    decision_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="member.member_id", index=True)
    kind: str
    effective_on: date
    recorded_at: datetime = moment()
    protocol_number: str | None = None
    protocol_on: date | None = None
    reason: str | None = None
