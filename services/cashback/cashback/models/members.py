"""Who is known and who takes part."""

from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from cashback.models.base import Table, one_of


class Organisation(Table, table=True):
    """Projection of registry.organisation.v1: the tree that scopes are cut by."""

    __tablename__ = "organisation"
    organisation_id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(index=True)
    kind: str
    name: str
    status: str
    version: int


class Member(Table, table=True):
    """Projection of registry.member.v1: what enrolment depends on."""

    __tablename__ = "member"
    member_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(index=True)
    status: str
    consents: list[str] = Field(sa_type=ARRAY(sa.Text))
    version: int


class Card(Table, table=True):
    """Projection of cards.card.v1: whether a member has an active one."""

    __tablename__ = "card"
    card_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    form: str
    status: str
    version: int


class Participant(Table, table=True):
    """A member's enrolment. Enrolling again after an end starts it anew with the next version."""

    __tablename__ = "participant"
    __table_args__ = (
        one_of("status", "enrolled", "ended"),
        sa.CheckConstraint("(status = 'ended') = (ended_on is not null)", name="ended_has_a_day"),
    )
    member_id: UUID = Field(primary_key=True)
    status: str
    enrolled_on: date
    ended_on: date | None
    """The first day on which nothing is earned any more."""
    end_reason: str | None
    heir_id: UUID | None = None
    """The member into whose record this one was merged: the money is theirs."""
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        return {**self.model_dump(include={"member_id", "status", "enrolled_on", "version"})} | {
            "effective_on": effective_on
        }


class Participation(Table, table=True):
    """A span of days on which a member took part: a late purchase is judged by the span of its own day."""

    __tablename__ = "participation"
    member_id: UUID = Field(primary_key=True, foreign_key="participant.member_id")
    number: int = Field(primary_key=True)
    """1 for the first enrolment, one more for each that follows."""
    enrolled_on: date
    ended_on: date | None
    """The first day on which nothing is earned any more."""
