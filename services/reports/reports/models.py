"""Tables made of events: the last states, and the dated facts."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from common.tables import add_kernel_tables


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, with a metadata of its own."""


add_kernel_tables(Table.metadata)

MOMENT: Any = sa.DateTime(timezone=True)
NEVER = date(9999, 12, 31)
"""The end of what has no end."""
ALWAYS = date(1, 1, 1)
"""The beginning of what has none: from when on a double counts nowhere."""
_OURS: Any = {"info": {"projected": False}}
_UNTIL: Any = {**_OURS, "server_default": sa.text(f"'{NEVER}'")}


class Organisation(Table, table=True):
    """Projection of registry.organisation.v1: the tree as it is now, which also cuts the callers' scopes.

    A trigger notes each change in `tally_dirty`.
    """

    __tablename__ = "organisation"

    organisation_id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(index=True)
    kind: str
    code: str
    name: str
    status: str
    institution_type: str | None
    employed: int | None
    students: int | None
    version: int


class Member(Table, table=True):
    """Projection of registry.member.v1. A trigger notes what each change does to the counters in `tally_delta`."""

    __tablename__ = "member"
    __table_args__: ClassVar[Any] = (
        sa.Index("member_active", "organisation_id", postgresql_where=sa.text("status = 'member'")),
    )

    member_id: UUID = Field(primary_key=True)
    organisation_id: UUID
    status: str
    category: str | None
    sex: str | None
    birth_year: int | None
    pedagogical: bool | None
    joined_on: date | None
    left_on: date | None
    version: int
    has_card: bool = Field(default=False, sa_column_kwargs={**_OURS, "server_default": sa.false()})
    """Whether any of the member's cards is active: kept by the counters' round, for cards travel apart."""
    void: bool = Field(default=False, sa_column_kwargs={**_OURS, "server_default": sa.false()})
    """Erased after it had been merged or retracted: a trigger of the facts knows. It counts nowhere."""


class Card(Table, table=True):
    """Projection of cards.card.v1. A trigger notes whose card changed in `tally_card`."""

    __tablename__ = "card"

    card_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    form: str
    status: str
    version: int


class Participant(Table, table=True):
    """Projection of cashback.participant.v1."""

    __tablename__ = "participant"

    member_id: UUID = Field(primary_key=True)
    status: str
    version: int


# The facts. Each row is one version of an aggregate as its owner told it. `holds_from` and `holds_until` (the first
# day after) are what follows from all versions that are known now, by the rule of states in `states.py`; a trigger
# keeps them. An empty interval: overruled from its first day on.


class OrganisationFact(Table, table=True):
    """Every state an organisation ever had, from the day on which it holds."""

    __tablename__ = "organisation_fact"

    organisation_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    effective_on: date
    recorded_at: datetime = Field(sa_type=MOMENT)
    event_type: str
    parent_id: UUID | None
    kind: str
    code: str
    name: str
    status: str
    institution_type: str | None
    employed: int | None
    students: int | None
    holds_until: date = Field(default=NEVER, sa_column_kwargs=_UNTIL)


class MemberFact(Table, table=True):
    """Every state a member ever had, from the day on which it holds."""

    __tablename__ = "member_fact"
    __table_args__: ClassVar[Any] = (
        sa.Index(
            "member_fact_came_from",
            "from_organisation_id",
            postgresql_where=sa.text("from_organisation_id is not null"),
        ),
        sa.Index(
            "member_fact_came_to",
            "organisation_id",
            postgresql_where=sa.text("from_organisation_id is not null"),
        ),
        # Who was ever at a place is read from the index alone.
        sa.Index("member_fact_place", "organisation_id", postgresql_include=["member_id"]),
    )

    member_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    effective_on: date
    recorded_at: datetime = Field(sa_type=MOMENT)
    event_type: str
    organisation_id: UUID
    from_organisation_id: UUID | None
    """Of a transfer: where it came from."""
    status: str
    category: str | None
    sex: str | None
    birth_year: int
    pedagogical: bool | None
    joined_on: date
    left_on: date | None
    holds_from: date = Field(
        default=ALWAYS,
        sa_column=sa.Column(
            sa.Date,
            sa.Computed(
                f"case when status in ('merged', 'retracted') then date '{ALWAYS.isoformat()}' else effective_on end"
            ),
            nullable=False,
            info={"projected": False},
        ),
    )
    holds_until: date = Field(default=NEVER, sa_column_kwargs=_UNTIL)


class OfficeFact(Table, table=True):
    """Every state of every term of office."""

    __tablename__ = "office_fact"

    term_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    effective_on: date
    recorded_at: datetime = Field(sa_type=MOMENT)
    event_type: str
    organisation_id: UUID = Field(index=True)
    member_id: UUID
    office: str
    released: bool
    starts_on: date
    ends_on: date
    holds_from: date = Field(
        default=ALWAYS, sa_column_kwargs={**_OURS, "server_default": sa.text(f"'{ALWAYS.isoformat()}'")}
    )
    holds_until: date = Field(default=NEVER, sa_column_kwargs=_UNTIL)


class Declaration(Table, table=True):
    """What people told where the base cannot know: never changed; the greatest version is what they say now."""

    __tablename__ = "declaration"

    organisation_id: UUID = Field(primary_key=True)
    as_of: date = Field(primary_key=True)
    indicator: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    figure: int | None
    """None: taken back."""
    declared_by: str
    """Subject of the token."""
    recorded_at: datetime = Field(sa_type=MOMENT)


# The live counters: see tallies.py.


class Tally(Table, table=True):
    """A counter over an organisation's whole subtree, kept by differences."""

    __tablename__ = "tally"

    organisation_id: UUID = Field(primary_key=True)
    cell: str = Field(primary_key=True)
    value: int


class TallyNode(Table, table=True):
    """The tree by which the counters are summed, and what each organisation itself has put into them."""

    __tablename__ = "tally_node"

    organisation_id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(index=True)
    employed: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    students: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    all_members: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    kind: str | None
    """None: it is not counted among the active ones."""


sa.Table(
    "tally_delta",
    Table.metadata,
    sa.Column("organisation_id", sa.Uuid, nullable=False),
    sa.Column("cell", sa.Text, nullable=False),
    sa.Column("delta", sa.Integer, nullable=False),
    comment="what changes have done to the counters and the round has not added up yet",
)
for _name, _key in (("tally_dirty", "organisation_id"), ("tally_card", "member_id")):
    sa.Table(_name, Table.metadata, sa.Column(_key, sa.Uuid, nullable=False))
