"""imports: batches, files, rows, mappings; keys by which one person is found under two spellings"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A part of a name as registry.importing.texts.fold leaves a cleaned one. Hashed: an index of figures is a third as large.
_NAME_KEY = """
create function name_key(part text) returns bigint language sql immutable parallel safe
return hashtextextended(translate(lower(part collate "pg_c_utf8"), 'ё', 'е'), 0)
"""
# The figures of a paper card's number, without the zeros before them.
_CARD_KEY = """
create function card_key(number text) returns text language sql immutable parallel safe
return nullif(ltrim(regexp_replace(number, '[^0-9]', '', 'g'), '0'), '')
"""
_MEMBER_STATUSES = "'member', 'left', 'expelled', 'merged', 'erased', 'retracted'"
_END_REASONS = "'transferred', 'left', 'expelled', 'retracted'"


def upgrade() -> None:
    op.execute(_NAME_KEY)
    op.execute(_CARD_KEY)
    op.create_index("person_birth_last", "person", ["birth_date", sa.text("name_key(last_name)")])
    op.create_index("person_birth_first", "person", ["birth_date", sa.text("name_key(first_name)")])
    op.create_index(
        "person_card",
        "person",
        [sa.text("card_key(old_card_number)")],
        postgresql_where=sa.text("old_card_number is not null"),
    )
    op.execute("alter table member drop constraint if exists status_known")
    op.create_check_constraint("status_known", "member", f"status in ({_MEMBER_STATUSES})")
    op.execute("alter table membership drop constraint if exists end_reason_known")
    op.create_check_constraint("end_reason_known", "membership", f"end_reason in ({_END_REASONS})")
    op.create_table(
        "import_batch",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("files_job_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('checking', 'checked', 'importing', 'imported', 'rolling_back', 'rolled_back', 'failed')",
            name="state_known",
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.organisation_id"]),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index(op.f("ix_import_batch_organisation_id"), "import_batch", ["organisation_id"], unique=False)
    op.create_table(
        "import_batch_file",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.Column("sheets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "status in ('waiting', 'imported', 'read', 'already_imported', 'refused')", name="status_known"
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.batch_id"]),
        sa.PrimaryKeyConstraint("batch_id", "number"),
    )
    op.create_index(op.f("ix_import_batch_file_sha256"), "import_batch_file", ["sha256"], unique=False)
    op.create_table(
        "import_row",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("file_number", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sheet", sa.String(), nullable=True),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("of_file", sa.String(), nullable=True),
        sa.Column("of_sheet", sa.String(), nullable=True),
        sa.Column("of_row", sa.Integer(), nullable=True),
        sa.Column("of_member_id", sa.Uuid(), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("rolled_back", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "file_number", "number"),
    )
    op.create_index(
        "import_row_member",
        "import_row",
        ["member_id"],
        unique=False,
        postgresql_where=sa.text("member_id is not null"),
    )
    op.create_index(
        "import_row_of_member",
        "import_row",
        ["of_member_id"],
        unique=False,
        postgresql_where=sa.text("of_member_id is not null"),
    )
    op.create_table(
        "import_mapping",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("shape", sa.String(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.organisation_id"]),
        sa.PrimaryKeyConstraint("organisation_id", "shape"),
    )


def downgrade() -> None:
    for table in ("import_mapping", "import_row", "import_batch_file", "import_batch"):
        op.drop_table(table)
    for index in ("person_card", "person_birth_first", "person_birth_last"):
        op.drop_index(index, "person")
    op.execute("drop function name_key")
    op.execute("drop function card_key")
