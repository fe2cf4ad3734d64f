"""Persons, their membership and its dated stays."""

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from common.events.registry import Category, MemberStatus, Sex
from registry.models.base import Table, one_of


class Person(Table, table=True):
    """The personal data: nothing of this table leaves the registry but through an audited read."""

    __tablename__ = "person"
    __table_args__: ClassVar[Any] = (one_of("sex", Sex),)

    person_id: UUID = Field(primary_key=True)
    last_name: str
    first_name: str
    patronymic: str | None = None
    birth_date: date
    sex: str | None = None
    phone: str | None = None
    email: str | None = None
    old_card_number: str | None = None
    match_key: str = Field(index=True)
    """rules.match_key of the name and the birth date. Not unique: there are namesakes."""


class Member(Table, table=True):
    """A membership from admission to its end, with what may be public of it. A person has one active at most."""

    __tablename__ = "member"
    __table_args__: ClassVar[Any] = (
        one_of("status", MemberStatus),
        one_of("category", Category),
        one_of("sex", Sex),
        sa.CheckConstraint("(left_on is null) = (status = 'member')", name="left_when_ended"),
        sa.Index(
            "member_one_active_per_person",
            "person_id",
            unique=True,
            postgresql_where=sa.text("status = 'member'"),
        ),
        sa.Index("member_organisation", "organisation_id", "status"),
    )

    member_id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.person_id", index=True)
    organisation_id: UUID = Field(foreign_key="organisation.organisation_id")
    status: str = "member"
    category: str | None = None
    pedagogical: bool | None = None
    """Teaching staff or not, among the working."""
    sex: str | None = None
    birth_year: int
    joined_on: date
    left_on: date | None = None
    """The first day without membership."""
    version: int = 1

    def public_state(self, effective_on: date, consents: list[str]) -> dict[str, Any]:
        """The fields of a MemberEvent; `consents` are the purposes in force."""
        return {
            "version": self.version,
            "effective_on": effective_on,
            "member_id": self.member_id,
            "organisation_id": self.organisation_id,
            "status": self.status,
            "category": self.category,
            "sex": self.sex,
            "birth_year": self.birth_year,
            "joined_on": self.joined_on,
            "left_on": self.left_on,
            "consents": sorted(consents),
            "pedagogical": self.pedagogical,
        }


class Membership(Table, table=True):
    """A stay in one organisation from `from_on` up to, not including, `to_on`; null: still there."""

    __tablename__ = "membership"
    __table_args__: ClassVar[Any] = (
        sa.CheckConstraint("to_on >= from_on", name="ends_after_start"),
        sa.CheckConstraint("(to_on is null) = (end_reason is null)", name="ends_with_reason"),
        sa.CheckConstraint("end_reason in ('transferred', 'left', 'expelled')", name="end_reason_known"),
        sa.Index("membership_one_open", "member_id", unique=True, postgresql_where=sa.text("to_on is null")),
        sa.Index("membership_organisation", "organisation_id", "from_on"),
    )

    membership_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="member.member_id", index=True)
    organisation_id: UUID = Field(foreign_key="organisation.organisation_id")
    from_on: date
    to_on: date | None = None
    end_reason: str | None = None
    end_note: str | None = None
    """The decision's reason, for an expulsion."""
