"""Steps of migrations that every service takes alike. As a migration's own: never changed once released."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def create_jobs_tables() -> None:
    """Long work with its files (common.jobs), and when rounds were last made (common.rounds)."""
    op.create_table(
        "job",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "checkpoint",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="job_state_known"),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("job_requested_by", "job", ["requested_by", "job_id"], unique=False)
    op.create_index(
        "job_waiting",
        "job",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state in ('queued', 'running')"),
    )
    op.create_table(
        "round_run",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "job_file",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("made", sa.Boolean(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.job_id"], ondelete="cascade"),
        sa.PrimaryKeyConstraint("job_id", "name"),
        comment="what was given to jobs and what they made; forgotten after some days",
    )
    op.create_index("job_file_created_at", "job_file", ["created_at"], unique=False)


def drop_jobs_tables() -> None:
    op.drop_index("job_file_created_at", table_name="job_file")
    op.drop_table("job_file")
    op.drop_table("round_run")
    op.drop_index("job_waiting", table_name="job", postgresql_where=sa.text("state in ('queued', 'running')"))
    op.drop_index("job_requested_by", table_name="job")
    op.drop_table("job")
