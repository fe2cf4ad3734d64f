"""Records that may be of one person, and records that were made one."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from registry.models.base import Table, moment, one_of, texts
from registry.states import DuplicateStatus, FoundAt, Strength

_LINKED = sa.text(
    """
    with recursive linked as (
        select member_id, person_id from member where member_id = :member
        union
        select other.member_id, other.person_id from linked
        join lateral (
            select m.member_id, m.person_id from member m where m.person_id = linked.person_id
            union all
            select m.member_id, m.person_id from member_merge g
            join member m on m.member_id in (g.survivor_member_id, g.absorbed_member_id)
            where g.undone_at is null and linked.member_id in (g.survivor_member_id, g.absorbed_member_id)
        ) as other on true
    )
    select distinct member_id from linked order by member_id
    """
)


class Duplicate(Table, table=True):
    """Two persons who may be one: codes of what speaks for it, no values. A pair once decided stays decided."""

    __tablename__ = "duplicate"
    __table_args__: ClassVar[Any] = (
        one_of("status", DuplicateStatus),
        one_of("strength", Strength),
        one_of("found_when", FoundAt),
        sa.CheckConstraint("person_id < other_person_id", name="pair_ordered"),
        sa.UniqueConstraint("person_id", "other_person_id", name="duplicate_pair"),
        sa.Index("duplicate_open", "duplicate_id", postgresql_where=sa.text("status = 'open'")),
    )

    duplicate_id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.person_id", ondelete="CASCADE")
    other_person_id: UUID = Field(foreign_key="person.person_id", ondelete="CASCADE", index=True)
    status: str = "open"
    strength: str
    evidence: list[str] = texts()
    found_when: str
    found_at: datetime = moment()
    handed_to: UUID | None = Field(default=None, foreign_key="organisation.organisation_id", index=True)
    """The organisation above both records, whose staff is asked to decide."""
    handed_by: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = moment(nullable=True)
    version: int = 1


class MemberMerge(Table, table=True):
    """Two members made one. `before` has what an undo puts back: ids, days, states; no personal data."""

    __tablename__ = "member_merge"
    __table_args__: ClassVar[Any] = (
        sa.Index(
            "member_merge_absorbed",
            "absorbed_member_id",
            unique=True,
            postgresql_where=sa.text("undone_at is null"),
        ),
    )

    merge_id: UUID = Field(primary_key=True)
    survivor_member_id: UUID = Field(foreign_key="member.member_id", index=True)
    absorbed_member_id: UUID = Field(foreign_key="member.member_id")
    effective_on: date
    merged_at: datetime = moment()
    requested_by: str
    approved_by: str
    before: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    kept_person_id: UUID | None = Field(default=None, foreign_key="person.person_id", ondelete="SET NULL")
    """A copy of the survivor's person as it was, where fields were taken over; kept for the undo."""
    undo_until: datetime = moment()
    undone_at: datetime | None = moment(nullable=True)
    undone_by: str | None = None
    version: int = 1

    @classmethod
    def linked(cls) -> sa.TextClause:
        """The ids of all members of the person of :member: their own, and those merged with them, sorted."""
        return _LINKED
