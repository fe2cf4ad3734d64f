"""tables"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


_APPEND_ONLY = """
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'access_log is append-only' using errcode = 'insufficient_privilege';
end $$;
"""


def upgrade() -> None:
    # Both are trusted extensions: the database's owner may create them.
    op.execute("create extension if not exists pg_trgm")
    op.execute("create extension if not exists btree_gist")
    op.create_table(
        "access_log",
        sa.Column("access_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=True),
        sa.Column("whose_kind", sa.String(), nullable=False),
        sa.Column("whose", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("access_id"),
    )
    op.create_index("access_log_at", "access_log", ["at"], unique=False)
    op.create_index("access_log_whose", "access_log", ["whose"], unique=False, postgresql_using="gin")
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
        "import_file",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
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
        "organisation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("search_name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("institution_type", sa.String(), nullable=True),
        sa.Column("employed", sa.Integer(), nullable=True),
        sa.Column("students", sa.Integer(), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(parent_id is null) = (kind = 'federal')", name="only_the_root_is_federal"),
        sa.CheckConstraint(
            "institution_type in ('school', 'preschool', 'vocational', 'university', 'supplementary', 'authority', 'other')",
            name="institution_type_known",
        ),
        sa.CheckConstraint(
            "kind in ('federal', 'regional', 'territorial', 'primary', 'primary_with_territorial_rights', 'structural_unit', 'union_group')",
            name="kind_known",
        ),
        sa.CheckConstraint("status in ('active', 'closed')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("organisation_id"),
        sa.UniqueConstraint("code"),
    )
    op.create_index(op.f("ix_organisation_parent_id"), "organisation", ["parent_id"], unique=False)
    op.create_index(
        "organisation_one_root",
        "organisation",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("kind = 'federal'"),
    )
    op.create_index(
        "organisation_search_name",
        "organisation",
        ["search_name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_name": "gin_trgm_ops"},
    )
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
        "person",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("last_name", sa.String(), nullable=False),
        sa.Column("first_name", sa.String(), nullable=False),
        sa.Column("patronymic", sa.String(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("sex", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("old_card_number", sa.String(), nullable=True),
        sa.Column("match_key", sa.String(), nullable=False),
        sa.CheckConstraint("sex in ('female', 'male')", name="sex_known"),
        sa.PrimaryKeyConstraint("person_id"),
    )
    op.create_index(op.f("ix_person_match_key"), "person", ["match_key"], unique=False)
    op.create_table(
        "member",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("sex", sa.String(), nullable=True),
        sa.Column("birth_year", sa.Integer(), nullable=False),
        sa.Column("joined_on", sa.Date(), nullable=False),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(left_on is null) = (status = 'member')", name="left_when_ended"),
        sa.CheckConstraint("category in ('working', 'student', 'pensioner')", name="category_known"),
        sa.CheckConstraint("sex in ('female', 'male')", name="sex_known"),
        sa.CheckConstraint("status in ('member', 'left', 'expelled')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
        ),
        sa.PrimaryKeyConstraint("member_id"),
    )
    op.create_index(op.f("ix_member_person_id"), "member", ["person_id"], unique=False)
    op.create_index(
        "member_one_active_per_person",
        "member",
        ["person_id"],
        unique=True,
        postgresql_where=sa.text("status = 'member'"),
    )
    op.create_index("member_organisation", "member", ["organisation_id", "status"], unique=False)
    op.create_table(
        "organisation_period",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("search_name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("institution_type", sa.String(), nullable=True),
        sa.Column("employed", sa.Integer(), nullable=True),
        sa.Column("students", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint("valid_to > valid_from", name="not_empty"),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("organisation_id", "valid_from"),
    )
    op.create_index("organisation_period_parent", "organisation_period", ["parent_id"], unique=False)
    op.create_table(
        "application",
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("follow_hash", sa.LargeBinary(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("consents", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("consent_text_version", sa.String(), nullable=False),
        sa.Column("check_off", sa.Boolean(), nullable=False),
        sa.Column("wished_on", sa.Date(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("protocol_number", sa.String(), nullable=True),
        sa.Column("decline_reason", sa.String(), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(status = 'admitted') = (member_id is not null)", name="admitted_has_member"),
        sa.CheckConstraint("category in ('working', 'student', 'pensioner')", name="category_known"),
        sa.CheckConstraint("status in ('submitted', 'admitted', 'declined')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
        ),
        sa.PrimaryKeyConstraint("application_id"),
        sa.UniqueConstraint("follow_hash"),
        sa.UniqueConstraint("person_id"),
    )
    op.create_index("application_organisation", "application", ["organisation_id", "status"], unique=False)
    op.create_table(
        "consent",
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel in ('online', 'paper')", name="channel_known"),
        sa.CheckConstraint("purpose in ('membership', 'cards', 'bonus', 'marketing')", name="purpose_known"),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.PrimaryKeyConstraint("consent_id"),
    )
    op.create_index(
        "consent_one_in_force",
        "consent",
        ["member_id", "purpose"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at is null"),
    )
    op.create_index(op.f("ix_consent_member_id"), "consent", ["member_id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("end_note", sa.String(), nullable=True),
        sa.CheckConstraint("end_reason in ('transferred', 'left', 'expelled')", name="end_reason_known"),
        sa.CheckConstraint("(to_on is null) = (end_reason is null)", name="ends_with_reason"),
        sa.CheckConstraint("to_on >= from_on", name="ends_after_start"),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("membership_id"),
    )
    op.create_index(op.f("ix_membership_member_id"), "membership", ["member_id"], unique=False)
    op.create_index(
        "membership_one_open", "membership", ["member_id"], unique=True, postgresql_where=sa.text("to_on is null")
    )
    op.create_index("membership_organisation", "membership", ["organisation_id", "from_on"], unique=False)
    op.create_table(
        "transfer",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("from_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("to_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("released_on", sa.Date(), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(decided_on is null) = (status = 'released')", name="decided_when_ended"),
        sa.CheckConstraint("status in ('released', 'accepted', 'refused')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["from_organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.member_id"],
        ),
        sa.ForeignKeyConstraint(
            ["to_organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("transfer_id"),
    )
    op.create_index(op.f("ix_transfer_from_organisation_id"), "transfer", ["from_organisation_id"], unique=False)
    op.create_index(op.f("ix_transfer_member_id"), "transfer", ["member_id"], unique=False)
    op.create_index(op.f("ix_transfer_to_organisation_id"), "transfer", ["to_organisation_id"], unique=False)
    op.create_index(
        "transfer_one_open",
        "transfer",
        ["member_id"],
        unique=True,
        postgresql_where=sa.text("status = 'released'"),
    )
    op.execute(
        "alter table organisation_period add constraint organisation_period_no_overlap"
        " exclude using gist (organisation_id with =, daterange(valid_from, valid_to) with &&)"
    )
    op.execute(_APPEND_ONLY)
    op.execute(
        "create trigger access_log_append_only before update or delete or truncate on access_log"
        " for each statement execute function refuse_change()"
    )


def downgrade() -> None:
    op.drop_index("transfer_one_open", table_name="transfer", postgresql_where=sa.text("status = 'released'"))
    op.drop_index(op.f("ix_transfer_to_organisation_id"), table_name="transfer")
    op.drop_index(op.f("ix_transfer_member_id"), table_name="transfer")
    op.drop_index(op.f("ix_transfer_from_organisation_id"), table_name="transfer")
    op.drop_table("transfer")
    op.drop_index("membership_organisation", table_name="membership")
    op.drop_index("membership_one_open", table_name="membership", postgresql_where=sa.text("to_on is null"))
    op.drop_index(op.f("ix_membership_member_id"), table_name="membership")
    op.drop_table("membership")
    op.drop_index(op.f("ix_consent_member_id"), table_name="consent")
    op.drop_index("consent_one_in_force", table_name="consent", postgresql_where=sa.text("withdrawn_at is null"))
    op.drop_table("consent")
    op.drop_index("application_organisation", table_name="application")
    op.drop_table("application")
    op.drop_index("organisation_period_parent", table_name="organisation_period")
    op.drop_table("organisation_period")
    op.drop_index("member_organisation", table_name="member")
    op.drop_index(
        "member_one_active_per_person", table_name="member", postgresql_where=sa.text("status = 'member'")
    )
    op.drop_index(op.f("ix_member_person_id"), table_name="member")
    op.drop_table("member")
    op.drop_index(op.f("ix_person_match_key"), table_name="person")
    op.drop_table("person")
    op.drop_index("parked_record_key", table_name="parked_record")
    op.drop_table("parked_record")
    op.drop_index("outbox_shard_id", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(
        "organisation_search_name",
        table_name="organisation",
        postgresql_using="gin",
        postgresql_ops={"search_name": "gin_trgm_ops"},
    )
    op.drop_index("organisation_one_root", table_name="organisation", postgresql_where=sa.text("kind = 'federal'"))
    op.drop_index(op.f("ix_organisation_parent_id"), table_name="organisation")
    op.drop_table("organisation")
    op.drop_table("inbox")
    op.drop_table("import_file")
    op.drop_index("idempotency_key_created_at", table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_index("event_history_topic_key", table_name="event_history")
    op.drop_table("event_history")
    op.drop_index("access_log_whose", table_name="access_log", postgresql_using="gin")
    op.drop_index("access_log_at", table_name="access_log")
    op.drop_table("access_log")
    op.execute("drop function refuse_change()")
