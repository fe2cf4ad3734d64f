"""What the pocket registries of the staff's phones need: what changed, what each phone has, what each phone sent."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field

from registry.models.base import Table, moment, texts


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's xid8: a transaction's number that never comes round again."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "xid8"


# For the comparison of the models with the migrations: SQLAlchemy does not know the type.
ischema_names["xid8"] = TransactionId


class SyncChange(Table, table=True):
    """One row changed in one organisation; triggers write it, in the transaction of the change.

    A row that changed its organisation stands here twice. Without `row_id`, so many rows of the organisation
    changed at once (an import, a merge) that a phone loads them anew.
    """

    __tablename__ = "sync_change"
    __table_args__: ClassVar[Any] = (
        sa.Index("sync_change_organisation", "organisation_id", "xid"),
        sa.Index("sync_change_created_at", "created_at", postgresql_using="brin"),
    )

    change_id: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    )
    xid: str = Field(
        sa_column=sa.Column(TransactionId, nullable=False, server_default=sa.text("pg_current_xact_id()"))
    )
    kind: str
    """organisation, member, application, transfer or office."""
    row_id: UUID | None = None
    organisation_id: UUID
    version: int | None = None
    """The member's version after the change."""
    purpose: str | None = None
    """Set when a member's consent to it changed."""
    created_at: datetime = Field(
        sa_column=sa.Column(
            sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        )
    )


class SyncCursor(Table, table=True):
    """What one phone has once it has taken all pages of one synchronisation. Never changed."""

    __tablename__ = "sync_cursor"
    __table_args__: ClassVar[Any] = (sa.Index("sync_cursor_device", "subject", "device_id", "created_at"),)

    cursor_id: UUID = Field(primary_key=True)
    subject: str
    device_id: UUID
    root_id: UUID | None = None
    """The token's organisation; null once the rights have ended."""
    snapshot: str
    """pg_current_snapshot() as text: exactly which transactions had ended when the round began."""
    since: str | None = None
    """The snapshot of the cursor that the phone came with; null on a fresh start."""
    organisations: list[UUID] = Field(sa_column=sa.Column(ARRAY(sa.Uuid), nullable=False))
    """Those within the token's reach."""
    loading: list[UUID] = Field(sa_column=sa.Column(ARRAY(sa.Uuid), nullable=False))
    """Those of them whose rows are sent whole, not their changes alone."""
    cluster: int = Field(sa_column=sa.Column(sa.BigInteger, nullable=False))
    """The database system's identifier: transaction numbers mean nothing in another one."""
    created_at: datetime = moment()


class SyncOperation(Table, table=True):
    """What a phone sent, once for ever, and what became of it.

    `arguments` has no personal data: proposed names and contacts are a row of `person` of their own, `person_id`,
    which goes when the operation is decided.
    """

    __tablename__ = "sync_operation"
    __table_args__: ClassVar[Any] = (
        sa.UniqueConstraint("subject", "operation_id", name="sync_operation_once"),
        sa.CheckConstraint(
            "outcome in ('applied', 'merged', 'conflict', 'refused', 'rerouted', 'duplicate')",
            name="outcome_known",
        ),
        sa.CheckConstraint("state in ('done', 'open', 'accepted', 'declined')", name="state_known"),
        sa.CheckConstraint("(outcome in ('applied', 'merged')) = (state = 'done')", name="open_until_decided"),
        sa.CheckConstraint("state = 'open' or person_id is null", name="no_data_once_decided"),
        sa.Index("sync_operation_device", "subject", "device_id", "item_id"),
        sa.Index("sync_operation_open", "organisation_id", "item_id", postgresql_where=sa.text("state = 'open'")),
        sa.Index("sync_operation_member", "member_id", postgresql_where=sa.text("state = 'open'")),
    )

    item_id: UUID = Field(primary_key=True)
    subject: str
    device_id: UUID
    operation_id: UUID
    """The phone's own id of the operation."""
    request_hash: bytes
    kind: str
    arguments: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    made_at: datetime | None = moment(nullable=True)
    """By the phone's clock, which nothing relies on."""
    arrived_at: datetime = moment()
    organisation_id: UUID | None = None
    """The office that decides about it while it is open; triggers keep it with the member, and off closed ones."""
    member_id: UUID | None = None
    application_id: UUID | None = None
    transfer_id: UUID | None = None
    person_id: UUID | None = Field(
        default=None,
        sa_column=sa.Column(
            sa.Uuid, sa.ForeignKey("person.person_id", ondelete="SET NULL"), nullable=True, index=True
        ),
    )
    outcome: str
    code: str | None = None
    detail: str | None = None
    fields: list[str] = texts()
    """Those in conflict, or proposed."""
    applied_fields: list[str] = texts()
    version: int | None = None
    """Of the member, application or transfer after it."""
    state: str = "done"
    decided_at: datetime | None = moment(nullable=True)
    decided_by: str | None = None
    reason: str | None = None
