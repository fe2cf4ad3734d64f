"""offices joining transfers"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


_STATUSES = {
    "application": (
        "'submitted', 'admitted', 'declined'",
        "'submitted', 'admitted', 'declined', 'withdrawn'",
    ),
    "transfer": (
        "'released', 'accepted', 'refused'",
        "'released', 'accepted', 'refused', 'cancelled'",
    ),
}
"""Before and after."""


def upgrade() -> None:
    for table, statuses in _STATUSES.items():
        op.drop_constraint("status_known", table, type_="check")
        op.create_check_constraint("status_known", table, f"status in ({statuses[1]})")
    op.create_table(
        "member_decision",
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("protocol_number", sa.String(), nullable=True),
        sa.Column("protocol_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint("kind in ('admitted', 'corrected', 'expelled', 'reinstated')", name="kind_known"),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index(op.f("ix_member_decision_member_id"), "member_decision", ["member_id"], unique=False)
    op.create_table(
        "office_term",
        sa.Column("term_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("protocol_number", sa.String(), nullable=False),
        sa.Column("protocol_on", sa.Date(), nullable=False),
        sa.Column("ended_because", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("organisation_id"), "="),
            (sa.column("member_id"), "="),
            (sa.column("office"), "="),
            (sa.text("daterange(starts_on, ends_on + 1)"), "&&"),
            using="gist",
            name="office_term_once_each",
        ),
        postgresql.ExcludeConstraint(
            (sa.column("organisation_id"), "="),
            (sa.text("daterange(starts_on, ends_on + 1)"), "&&"),
            where=sa.text("office = 'chair'"),
            using="gist",
            name="office_term_one_chair",
        ),
        sa.CheckConstraint(
            "office in ('chair', 'deputy_chair', 'committee_member', 'audit_member')", name="office_known"
        ),
        sa.CheckConstraint("ends_on >= starts_on - 1", name="ends_after_start"),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("term_id"),
    )
    op.create_index(op.f("ix_office_term_member_id"), "office_term", ["member_id"], unique=False)
    op.create_table(
        "follow_code",
        sa.Column("follow_hash", sa.LargeBinary(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["application_id"], ["application.application_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("follow_hash"),
    )
    op.create_index(op.f("ix_follow_code_application_id"), "follow_code", ["application_id"], unique=False)
    # The default is for the release before, which knows no deadline.
    op.add_column(
        "application",
        sa.Column("deadline", sa.Date(), server_default=sa.text("current_date + 30"), nullable=False),
    )
    op.add_column("application", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("application", sa.Column("escalated_to", sa.Uuid(), nullable=True))
    op.add_column("application", sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("application", sa.Column("protocol_on", sa.Date(), nullable=True))
    op.create_index(
        "application_waiting",
        "application",
        ["deadline"],
        unique=False,
        postgresql_where=sa.text("status = 'submitted'"),
    )
    op.create_index(op.f("ix_application_escalated_to"), "application", ["escalated_to"], unique=False)
    op.create_foreign_key(
        "application_escalated_to_fkey", "application", "organisation", ["escalated_to"], ["organisation_id"]
    )
    op.add_column("transfer", sa.Column("escalated_to", sa.Uuid(), nullable=True))
    op.add_column("transfer", sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_transfer_escalated_to"), "transfer", ["escalated_to"], unique=False)
    op.create_index(
        "transfer_waiting", "transfer", ["deadline"], unique=False, postgresql_where=sa.text("status = 'released'")
    )
    op.create_foreign_key(
        "transfer_escalated_to_fkey", "transfer", "organisation", ["escalated_to"], ["organisation_id"]
    )


def downgrade() -> None:
    op.drop_constraint("transfer_escalated_to_fkey", "transfer", type_="foreignkey")
    op.drop_index("transfer_waiting", table_name="transfer", postgresql_where=sa.text("status = 'released'"))
    op.drop_index(op.f("ix_transfer_escalated_to"), table_name="transfer")
    op.drop_column("transfer", "escalated_at")
    op.drop_column("transfer", "escalated_to")
    op.drop_constraint("application_escalated_to_fkey", "application", type_="foreignkey")
    op.drop_index(op.f("ix_application_escalated_to"), table_name="application")
    op.drop_index(
        "application_waiting", table_name="application", postgresql_where=sa.text("status = 'submitted'")
    )
    op.drop_column("application", "protocol_on")
    op.drop_column("application", "escalated_at")
    op.drop_column("application", "escalated_to")
    op.drop_column("application", "reminded_at")
    op.drop_column("application", "deadline")
    op.drop_index(op.f("ix_follow_code_application_id"), table_name="follow_code")
    op.drop_table("follow_code")
    op.drop_index(op.f("ix_office_term_member_id"), table_name="office_term")
    op.drop_table("office_term")
    op.drop_index(op.f("ix_member_decision_member_id"), table_name="member_decision")
    op.drop_table("member_decision")
    for table, statuses in _STATUSES.items():
        op.drop_constraint("status_known", table, type_="check")
        op.create_check_constraint("status_known", table, f"status in ({statuses[0]})")
