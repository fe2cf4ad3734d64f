"""Payouts are approved, sent to the bank in files, answered by its files; an unknown outcome is a state of its own."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATUSES = "'requested', 'approved', 'declined', 'sent', 'unknown', 'settled', 'failed', 'returned'"


def upgrade() -> None:
    op.create_table(
        "bank_file",
        sa.Column("file_number", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("payouts", sa.Integer(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("file_number"),
    )
    op.create_table(
        "bank_answer",
        sa.Column("file_number", sa.Integer(), nullable=False),
        sa.Column("answer_number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_number"],
            ["bank_file.file_number"],
        ),
        sa.PrimaryKeyConstraint("file_number", "answer_number"),
    )
    op.add_column("payout", sa.Column("taxable", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("payout", sa.Column("first_approved_by", sa.String(), nullable=True))
    op.add_column("payout", sa.Column("approved_by", sa.String(), nullable=True))
    op.add_column("payout", sa.Column("bank_reference", sa.String(), nullable=True))
    op.add_column("payout", sa.Column("file_number", sa.Integer(), nullable=True))
    op.add_column("payout", sa.Column("sent_on", sa.Date(), nullable=True))
    op.create_index(op.f("ix_payout_file_number"), "payout", ["file_number"], unique=False)
    op.create_index(
        "payout_waiting",
        "payout",
        ["status", "payout_id"],
        unique=False,
        postgresql_where=sa.text("resolved_on is null"),
    )
    op.create_unique_constraint("payout_bank_reference_key", "payout", ["bank_reference"])
    op.create_foreign_key("payout_file_number_fkey", "payout", "bank_file", ["file_number"], ["file_number"])
    op.drop_constraint("status_known", "payout", type_="check")
    op.create_check_constraint("status_known", "payout", f"status in ({_STATUSES})")
    op.create_check_constraint("taxable_within_amount", "payout", "taxable between 0 and amount")
    op.create_check_constraint("approved_by_two", "payout", "first_approved_by <> approved_by")


def downgrade() -> None:
    op.drop_constraint("approved_by_two", "payout", type_="check")
    op.drop_constraint("taxable_within_amount", "payout", type_="check")
    op.drop_constraint("status_known", "payout", type_="check")
    op.create_check_constraint("status_known", "payout", "status in ('requested', 'settled', 'failed')")
    op.drop_constraint("payout_file_number_fkey", "payout", type_="foreignkey")
    op.drop_constraint("payout_bank_reference_key", "payout", type_="unique")
    op.drop_index("payout_waiting", table_name="payout", postgresql_where=sa.text("resolved_on is null"))
    op.drop_index(op.f("ix_payout_file_number"), table_name="payout")
    op.drop_column("payout", "sent_on")
    op.drop_column("payout", "file_number")
    op.drop_column("payout", "bank_reference")
    op.drop_column("payout", "approved_by")
    op.drop_column("payout", "first_approved_by")
    op.drop_column("payout", "taxable")
    op.drop_table("bank_answer")
    op.drop_table("bank_file")
