"""The kernel's tables. Each service has them in its own database and in its own metadata."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


def add_kernel_tables(metadata: sa.MetaData) -> None:
    """Add outbox, event_history, inbox, parked_record, idempotency_key, job, job_file and round_run to the metadata."""
    now = sa.text("clock_timestamp()")
    sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("replayed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Index("outbox_shard_id", "shard", "id"),
        # Rows live for milliseconds; without eager vacuum the index fills with dead entries.
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
    )
    sa.Table(
        "event_history",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Index("event_history_topic_key", "topic", "key"),
        comment="every event this service has published, in order; republished when the broker lost them",
    )
    sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
    )
    sa.Table(
        "parked_record",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("record_offset", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("raw_key", sa.LargeBinary),
        sa.Column("payload", sa.LargeBinary),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Index("parked_record_key", "consumer", "topic", "key", "id"),
    )
    sa.Table(
        "idempotency_key",
        metadata,
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("headers", JSONB),
        sa.Column("body", sa.LargeBinary),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Index("idempotency_key_created_at", "created_at"),
    )
    sa.Table(
        "job",
        metadata,
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("organisation_id", sa.Uuid),
        sa.Column("arguments", JSONB, nullable=False),
        sa.Column("checkpoint", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'queued'")),
        sa.Column("attempts", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("done", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("total", sa.BigInteger),
        sa.Column("result", JSONB),
        sa.Column("code", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="job_state_known"),
        sa.Index("job_waiting", "created_at", postgresql_where=sa.text("state in ('queued', 'running')")),
        sa.Index("job_requested_by", "requested_by", "job_id"),
    )
    sa.Table(
        "job_file",
        metadata,
        sa.Column("job_id", sa.Uuid, sa.ForeignKey("job.job_id", ondelete="cascade"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("made", sa.Boolean, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Index("job_file_created_at", "created_at"),
        comment="what was given to jobs and what they made; forgotten after some days",
    )
    sa.Table(
        "round_run",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
    )
