"""tables"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Alembic sees neither sequences nor triggers: written by hand.
    op.execute(sa.schema.CreateSequence(sa.Sequence("card_counter", start=0, minvalue=0)))
    op.execute(sa.schema.CreateSequence(sa.Sequence("batch_counter")))
    op.create_table(
        "event_history",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="every event this service has published, in order; republished when the broker lost them",
    )
    op.create_index("event_history_topic_key", "event_history", ["topic", "key"], unique=False)
    op.create_table(
        "idempotency_key",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("subject", "key"),
    )
    op.create_index("idempotency_key_created_at", "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "claimed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id"),
    )
    op.create_table(
        "member",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("consents", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("member_id"),
    )
    op.create_index(op.f("ix_member_organisation_id"), "member", ["organisation_id"], unique=False)
    op.create_table(
        "organisation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id"),
    )
    op.create_index(op.f("ix_organisation_parent_id"), "organisation", ["parent_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("replayed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
    )
    op.create_index("outbox_shard_id", "outbox", ["shard", "id"], unique=False)
    op.create_table(
        "parked_record",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("record_offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("raw_key", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "parked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("parked_record_key", "parked_record", ["consumer", "topic", "key", "id"], unique=False)
    op.create_table(
        "plastic_batch",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("spoiled", sa.Integer(), nullable=False),
        sa.Column("ordered_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
        sa.UniqueConstraint("reference"),
    )
    op.create_index(op.f("ix_plastic_batch_organisation_id"), "plastic_batch", ["organisation_id"], unique=False)
    op.create_table(
        "card",
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("member_version", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("reference", sa.LargeBinary(), nullable=False),
        sa.Column("status_index", sa.BigInteger(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["plastic_batch.batch_id"],
        ),
        sa.ForeignKeyConstraint(
            ["replaces_id"],
            ["card.card_id"],
        ),
        sa.PrimaryKeyConstraint("card_id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("reference"),
        sa.UniqueConstraint("replaces_id"),
        sa.UniqueConstraint("status_index"),
    )
    op.create_index(
        "card_expires_on",
        "card",
        ["expires_on"],
        unique=False,
        postgresql_where=sa.text("status in ('requested', 'issued', 'active')"),
    )
    op.create_index(
        "card_not_active",
        "card",
        ["status_index", "status"],
        unique=False,
        postgresql_where=sa.text("status <> 'active'"),
    )
    op.create_index(
        "card_one_live",
        "card",
        ["member_id", "form"],
        unique=True,
        postgresql_where=sa.text("status in ('requested', 'issued', 'active')"),
    )
    op.create_index(op.f("ix_card_batch_id"), "card", ["batch_id"], unique=False)
    op.create_index(op.f("ix_card_member_id"), "card", ["member_id"], unique=False)
    op.create_table(
        "card_step",
        sa.Column("step_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["card_id"],
            ["card.card_id"],
        ),
        sa.PrimaryKeyConstraint("step_id"),
    )
    op.create_index(op.f("ix_card_step_card_id"), "card_step", ["card_id"], unique=False)
    op.execute(
        """
        create function refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception 'rows of % are never changed', tg_table_name;
        end $$
        """
    )
    op.execute(
        "create trigger card_step_is_append_only before update or delete or truncate on card_step"
        " for each statement execute function refuse_change()"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_card_step_card_id"), table_name="card_step")
    op.drop_table("card_step")
    op.drop_index(op.f("ix_card_member_id"), table_name="card")
    op.drop_index(op.f("ix_card_batch_id"), table_name="card")
    op.drop_index(
        "card_one_live", table_name="card", postgresql_where=sa.text("status in ('requested', 'issued', 'active')")
    )
    op.drop_index("card_not_active", table_name="card", postgresql_where=sa.text("status <> 'active'"))
    op.drop_index(
        "card_expires_on",
        table_name="card",
        postgresql_where=sa.text("status in ('requested', 'issued', 'active')"),
    )
    op.drop_table("card")
    op.drop_index(op.f("ix_plastic_batch_organisation_id"), table_name="plastic_batch")
    op.drop_table("plastic_batch")
    op.drop_index("parked_record_key", table_name="parked_record")
    op.drop_table("parked_record")
    op.drop_index("outbox_shard_id", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_organisation_parent_id"), table_name="organisation")
    op.drop_table("organisation")
    op.drop_index(op.f("ix_member_organisation_id"), table_name="member")
    op.drop_table("member")
    op.drop_table("inbox")
    op.drop_index("idempotency_key_created_at", table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_index("event_history_topic_key", table_name="event_history")
    op.drop_table("event_history")
    op.execute("drop function refuse_change()")
    op.execute(sa.schema.DropSequence(sa.Sequence("batch_counter")))
    op.execute(sa.schema.DropSequence(sa.Sequence("card_counter")))
