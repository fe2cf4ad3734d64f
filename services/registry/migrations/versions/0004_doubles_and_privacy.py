"""doubles, merges, four eyes, erasure, exposure"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATUSES = "status in ('member', 'left', 'expelled', 'merged', 'erased')"

# Two doors in the log's wall, both shut but for a transaction that says what it is for: rows too old to be asked
# for may go, and an erased person's own words and name as a reader may be blanked. Ids, times and acts never change.
_GUARD = """
create function guard_access_log() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.at < now() - interval '3 years'
            and current_setting('registry.task', true) = 'retention' then
        return old;
    end if;
    if tg_op = 'UPDATE' and current_setting('registry.task', true) = 'erasure'
            and to_jsonb(new) - 'subject' - 'purpose' = to_jsonb(old) - 'subject' - 'purpose' then
        return new;
    end if;
    raise exception 'access_log keeps what it has' using errcode = 'insufficient_privilege';
end $$;
"""

# By the database, so that no way of writing a person can forget it.
_EXAMINE_AGAIN = """
create function examine_person_again() returns trigger language plpgsql as $$
begin
    if (new.last_name, new.first_name, new.patronymic, new.birth_date, new.sex, new.phone, new.email,
            new.old_card_number) is distinct from (old.last_name, old.first_name, old.patronymic, old.birth_date,
            old.sex, old.phone, old.email, old.old_card_number) then
        new.examined_at = null;
    end if;
    return new;
end $$;
"""


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("organisation_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(decided_at is null) = (status = 'waiting')", name="decided_when_ended"),
        sa.CheckConstraint(
            "status <> 'approved' or decided_by is distinct from requested_by", name="second_person"
        ),
        sa.CheckConstraint("status in ('waiting', 'approved', 'refused', 'expired')", name="status_known"),
        sa.PrimaryKeyConstraint("approval_id"),
    )
    op.create_index(
        "approval_waiting",
        "approval",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_table(
        "reading_alarm",
        sa.Column("alarm_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("conclusion", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind in ('limit', 'habit')", name="kind_known"),
        sa.PrimaryKeyConstraint("alarm_id"),
        sa.UniqueConstraint("subject", "hour", "kind", name="reading_alarm_once"),
    )
    op.create_table(
        "duplicate",
        sa.Column("duplicate_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("other_person_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("strength", sa.String(), nullable=False),
        sa.Column("evidence", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("found_when", sa.String(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_to", sa.Uuid(), nullable=True),
        sa.Column("handed_by", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("found_when in ('late', 'application', 'entry', 'import')", name="found_when_known"),
        sa.CheckConstraint("status in ('open', 'not_same', 'merging', 'merged')", name="status_known"),
        sa.CheckConstraint("strength in ('strong', 'likely', 'weak')", name="strength_known"),
        sa.CheckConstraint("person_id < other_person_id", name="pair_ordered"),
        sa.ForeignKeyConstraint(
            ["handed_to"],
            ["organisation.organisation_id"],
        ),
        sa.ForeignKeyConstraint(["other_person_id"], ["person.person_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["person.person_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("duplicate_id"),
        sa.UniqueConstraint("person_id", "other_person_id", name="duplicate_pair"),
    )
    op.create_index(
        "duplicate_open", "duplicate", ["duplicate_id"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index(op.f("ix_duplicate_handed_to"), "duplicate", ["handed_to"], unique=False)
    op.create_index(op.f("ix_duplicate_other_person_id"), "duplicate", ["other_person_id"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("request_number", sa.String(), nullable=False),
        sa.Column("member_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_hash", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
        ),
        sa.PrimaryKeyConstraint("erasure_id"),
    )
    op.create_index(op.f("ix_erasure_organisation_id"), "erasure", ["organisation_id"], unique=False)
    op.create_table(
        "member_merge",
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("survivor_member_id", sa.Uuid(), nullable=False),
        sa.Column("absorbed_member_id", sa.Uuid(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("kept_person_id", sa.Uuid(), nullable=True),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["absorbed_member_id"],
            ["member.member_id"],
        ),
        sa.ForeignKeyConstraint(["kept_person_id"], ["person.person_id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["survivor_member_id"],
            ["member.member_id"],
        ),
        sa.PrimaryKeyConstraint("merge_id"),
    )
    op.create_index(
        op.f("ix_member_merge_survivor_member_id"), "member_merge", ["survivor_member_id"], unique=False
    )
    op.create_index(
        "member_merge_absorbed",
        "member_merge",
        ["absorbed_member_id"],
        unique=True,
        postgresql_where=sa.text("undone_at is null"),
    )
    op.add_column("access_log", sa.Column("token_id", sa.String(), nullable=True))
    op.add_column("access_log", sa.Column("reader_member_id", sa.Uuid(), nullable=True))
    op.create_index("access_log_subject", "access_log", ["subject", "at"], unique=False)
    op.create_index(
        "access_log_token",
        "access_log",
        ["token_id"],
        unique=False,
        postgresql_where=sa.text("token_id is not null"),
    )
    op.alter_column("application", "person_id", existing_type=sa.UUID(), nullable=True)
    op.alter_column("member", "person_id", existing_type=sa.UUID(), nullable=True)
    op.add_column("person", sa.Column("match_keys", sa.ARRAY(sa.BigInteger()), nullable=True))
    op.add_column("person", sa.Column("examined_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "person", sa.Column("kept_for_undo", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "person_match_keys",
        "person",
        ["match_keys"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(
        "person_unexamined", "person", ["person_id"], unique=False, postgresql_where=sa.text("examined_at is null")
    )
    op.execute("alter table member drop constraint if exists status_known")
    op.create_check_constraint("status_known", "member", _STATUSES)
    op.create_check_constraint("person_until_erased", "member", "(person_id is null) = (status = 'erased')")
    op.execute("drop trigger access_log_append_only on access_log")
    op.execute(_GUARD)
    op.execute(
        "create trigger access_log_guarded before update or delete on access_log"
        " for each row execute function guard_access_log()"
    )
    op.execute(
        "create trigger access_log_never_truncated before truncate on access_log"
        " for each statement execute function refuse_change()"
    )
    op.execute(
        "create trigger erasure_append_only before update or delete or truncate on erasure"
        " for each statement execute function refuse_change()"
    )
    op.execute(_EXAMINE_AGAIN)
    op.execute(
        "create trigger person_examined_again before update on person"
        " for each row execute function examine_person_again()"
    )


def downgrade() -> None:
    op.execute("drop trigger person_examined_again on person")
    op.execute("drop function examine_person_again()")
    op.execute("drop trigger access_log_guarded on access_log")
    op.execute("drop trigger access_log_never_truncated on access_log")
    op.execute("drop function guard_access_log()")
    op.execute(
        "create trigger access_log_append_only before update or delete or truncate on access_log"
        " for each statement execute function refuse_change()"
    )
    op.drop_constraint("person_until_erased", "member")
    op.drop_index("person_unexamined", table_name="person", postgresql_where=sa.text("examined_at is null"))
    op.drop_index(
        "person_match_keys", table_name="person", postgresql_using="gin", postgresql_with={"fastupdate": "off"}
    )
    op.drop_column("person", "kept_for_undo")
    op.drop_column("person", "examined_at")
    op.drop_column("person", "match_keys")
    op.alter_column("member", "person_id", existing_type=sa.UUID(), nullable=False)
    op.alter_column("application", "person_id", existing_type=sa.UUID(), nullable=False)
    op.drop_index("access_log_token", table_name="access_log", postgresql_where=sa.text("token_id is not null"))
    op.drop_index("access_log_subject", table_name="access_log")
    op.drop_column("access_log", "reader_member_id")
    op.drop_column("access_log", "token_id")
    op.drop_index(
        "member_merge_absorbed", table_name="member_merge", postgresql_where=sa.text("undone_at is null")
    )
    op.drop_index(op.f("ix_member_merge_survivor_member_id"), table_name="member_merge")
    op.drop_table("member_merge")
    op.drop_index(op.f("ix_erasure_organisation_id"), table_name="erasure")
    op.drop_table("erasure")
    op.drop_index(op.f("ix_duplicate_other_person_id"), table_name="duplicate")
    op.drop_index(op.f("ix_duplicate_handed_to"), table_name="duplicate")
    op.drop_index("duplicate_open", table_name="duplicate", postgresql_where=sa.text("status = 'open'"))
    op.drop_table("duplicate")
    op.drop_table("reading_alarm")
    op.drop_index("approval_waiting", table_name="approval", postgresql_where=sa.text("status = 'waiting'"))
    op.drop_table("approval")
