"""Operations on the tree with what they moved, and yearly head counts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# As registry.rules.search_words does: of Cyrillic pg_trgm makes no trigrams in a database of the locale C.
_FOLD_AGAIN = (
    "update organisation set search_name = translate(search_name,"
    " 'абвгдежзийклмнопрстуфхцчшщъыьэюя', 'abvgdejziiklmnoprstufhcqwwxyxeua')",
    # The folded name is how it is found, not what was true: the guard of the history is lifted for it.
    "alter table organisation_period disable trigger organisation_period_stays",
    "update organisation_period set search_name = translate(search_name,"
    " 'абвгдежзийклмнопрстуфхцчшщъыьэюя', 'abvgdejziiklmnoprstufhcqwwxyxeua')",
    "alter table organisation_period enable trigger organisation_period_stays",
)


def upgrade() -> None:
    for statement in _FOLD_AGAIN:
        op.execute(statement)
    op.create_index(
        "organisation_period_search_name",
        "organisation_period",
        ["search_name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_name": "gin_trgm_ops"},
    )
    op.create_table(
        "head_count",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("employed", sa.Integer(), nullable=True),
        sa.Column("students", sa.Integer(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("organisation_id", "counted_on", "recorded_at"),
    )
    op.create_index(
        "head_count_believed",
        "head_count",
        ["organisation_id", "counted_on"],
        unique=True,
        postgresql_where=sa.text("superseded_at is null"),
    )
    op.create_table(
        "organisation_operation",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.String(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undoes", sa.Uuid(), nullable=True),
        sa.Column("refusal_code", sa.String(), nullable=True),
        sa.Column("refusal_detail", sa.String(), nullable=True),
        sa.Column("impact", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("effects", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(kind = 'undo') = (undoes is not null)", name="an_undo_undoes"),
        sa.CheckConstraint("(status = 'refused') = (refusal_code is not null)", name="refused_for_a_reason"),
        sa.CheckConstraint("(status in ('done', 'undone')) = (done_at is not null)", name="done_has_its_moment"),
        sa.CheckConstraint(
            "kind in ('create', 'rename', 'change', 'move', 'merge', 'split', 'close', 'reopen', 'undo')",
            name="kind_known",
        ),
        sa.CheckConstraint(
            "status in ('awaiting_approval', 'scheduled', 'done', 'refused', 'cancelled', 'undone')",
            name="status_known",
        ),
        sa.CheckConstraint("approved_by <> requested_by", name="approved_by_a_second_person"),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.ForeignKeyConstraint(
            ["undoes"],
            ["organisation_operation.operation_id"],
        ),
        sa.PrimaryKeyConstraint("operation_id"),
    )
    op.create_index(
        "organisation_operation_due",
        "organisation_operation",
        ["effective_on"],
        unique=False,
        postgresql_where=sa.text("status = 'scheduled'"),
    )
    op.create_index(
        "organisation_operation_organisation", "organisation_operation", ["organisation_id"], unique=False
    )
    op.create_index(
        "organisation_operation_undone_once",
        "organisation_operation",
        ["undoes"],
        unique=True,
        postgresql_where=sa.text("status in ('awaiting_approval', 'scheduled', 'done')"),
    )
    op.create_table(
        "operation_member",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("from_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("to_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("moved_on", sa.Date(), nullable=False),
        sa.Column("old_stay", sa.Uuid(), nullable=True),
        sa.Column("new_stay", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["organisation_operation.operation_id"],
        ),
        sa.PrimaryKeyConstraint("operation_id", "member_id"),
    )


def downgrade() -> None:
    op.drop_index("organisation_period_search_name", table_name="organisation_period")
    op.drop_table("operation_member")
    op.drop_index(
        "organisation_operation_undone_once",
        table_name="organisation_operation",
        postgresql_where=sa.text("status in ('awaiting_approval', 'scheduled', 'done')"),
    )
    op.drop_index("organisation_operation_organisation", table_name="organisation_operation")
    op.drop_index(
        "organisation_operation_due",
        table_name="organisation_operation",
        postgresql_where=sa.text("status = 'scheduled'"),
    )
    op.drop_table("organisation_operation")
    op.drop_index(
        "head_count_believed", table_name="head_count", postgresql_where=sa.text("superseded_at is null")
    )
    op.drop_table("head_count")
