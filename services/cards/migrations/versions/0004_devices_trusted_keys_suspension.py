"""devices, trusted keys, suspension"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LIVE = "status in ('requested', 'issued', 'active', 'suspended')"
_LIVE_BEFORE = "status in ('requested', 'issued', 'active')"


def upgrade() -> None:
    # Alembic sees neither the conditions of indices nor triggers: written by hand.
    _live_indices(_LIVE)
    # The guard below the rules: whatever code runs, a card that has ended does not come alive, and is not deleted.
    op.execute(
        """
        create function card_lives_forward() returns trigger language plpgsql as $$
        begin
            if tg_op = 'DELETE' then
                raise exception 'cards are never deleted';
            end if;
            if (old.card_id, old.member_id, old.form, old.number, old.reference, old.status_index)
                is distinct from (new.card_id, new.member_id, new.form, new.number, new.reference, new.status_index)
            then
                raise exception 'a card is the same card for ever';
            end if;
            if old.status is distinct from new.status and not coalesce(case old.status
                when 'requested' then new.status in ('issued', 'blocked', 'expired')
                when 'issued' then new.status in ('active', 'blocked', 'expired')
                when 'active' then new.status in ('suspended', 'blocked', 'replaced', 'expired')
                when 'suspended' then new.status in ('active', 'blocked', 'replaced', 'expired')
                when 'blocked' then new.status = 'replaced'
            end, false) then
                raise exception 'a card that is % cannot become %', old.status, new.status;
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger card_lives_forward before update or delete on card"
        " for each row execute function card_lives_forward()"
    )
    op.create_table(
        "key_statement",
        sa.Column("statement_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.Column("kids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("statement_id"),
    )
    op.create_table(
        "trusted_key",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state in ('next', 'current', 'retired', 'revoked')", name="trusted_key_states"),
        sa.PrimaryKeyConstraint("kid"),
    )
    op.create_index(
        "trusted_key_one_current",
        "trusted_key",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'current'"),
    )
    op.create_table(
        "used_proof",
        sa.Column("point", sa.LargeBinary(), nullable=False),
        sa.Column("proved_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("point", "proved_at"),
    )
    op.create_index(op.f("ix_used_proof_taken_at"), "used_proof", ["taken_at"], unique=False)
    op.create_table(
        "card_device",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("point", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("slot in (1, 2)", name="card_device_slots"),
        sa.ForeignKeyConstraint(
            ["card_id"],
            ["card.card_id"],
        ),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_index(
        "card_device_slot",
        "card_device",
        ["card_id", "slot"],
        unique=True,
        postgresql_where=sa.text("revoked_at is null"),
    )
    op.create_index(op.f("ix_card_device_card_id"), "card_device", ["card_id"], unique=False)
    op.drop_constraint(op.f("card_reference_key"), "card", type_="unique")
    op.drop_constraint(op.f("card_replaces_id_key"), "card", type_="unique")
    op.drop_index(op.f("ix_card_batch_id"), table_name="card")
    op.drop_index(
        op.f("card_not_active"), table_name="card", postgresql_where="((status)::text <> 'active'::text)"
    )
    op.create_index(
        "card_not_active",
        "card",
        ["expires_on", "status_index", "status"],
        unique=False,
        postgresql_where=sa.text("status <> 'active'"),
    )
    op.create_index(
        "card_batch", "card", ["batch_id"], unique=False, postgresql_where=sa.text("batch_id is not null")
    )
    op.create_index(
        "card_replaces", "card", ["replaces_id"], unique=True, postgresql_where=sa.text("replaces_id is not null")
    )
    op.add_column("card_step", sa.Column("event_id", sa.Uuid(), nullable=True))
    # A step is known by its card and the version that it led to: one index where there were two.
    op.add_column("card_step", sa.Column("version", sa.Integer(), nullable=True))
    op.execute("alter table card_step disable trigger card_step_is_append_only")
    op.execute(
        """
        update card_step s set version = n.version from (
            select step_id, row_number() over (partition by card_id order by step_id) as version from card_step
        ) n where n.step_id = s.step_id
        """
    )
    op.execute("alter table card_step enable trigger card_step_is_append_only")
    op.alter_column("card_step", "version", nullable=False)
    op.drop_constraint("card_step_pkey", "card_step", type_="primary")
    op.drop_constraint("card_step_card_id_fkey", "card_step", type_="foreignkey")
    op.drop_index("ix_card_step_card_id", table_name="card_step")
    op.create_primary_key("card_step_pkey", "card_step", ["card_id", "version"])
    op.drop_column("card_step", "step_id")


def downgrade() -> None:
    op.execute("drop trigger card_lives_forward on card")
    op.execute("drop function card_lives_forward()")
    _live_indices(_LIVE_BEFORE)
    op.add_column("card_step", sa.Column("step_id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.drop_constraint("card_step_pkey", "card_step", type_="primary")
    op.create_primary_key("card_step_pkey", "card_step", ["step_id"])
    op.create_index("ix_card_step_card_id", "card_step", ["card_id"])
    op.create_foreign_key("card_step_card_id_fkey", "card_step", "card", ["card_id"], ["card_id"])
    op.drop_column("card_step", "version")
    op.drop_column("card_step", "event_id")
    op.drop_index("card_replaces", table_name="card", postgresql_where=sa.text("replaces_id is not null"))
    op.drop_index("card_batch", table_name="card", postgresql_where=sa.text("batch_id is not null"))
    op.drop_index("card_not_active", table_name="card", postgresql_where=sa.text("status <> 'active'"))
    op.create_index(
        op.f("card_not_active"),
        "card",
        ["status_index", "status"],
        unique=False,
        postgresql_where="((status)::text <> 'active'::text)",
    )
    op.create_index(op.f("ix_card_batch_id"), "card", ["batch_id"], unique=False)
    op.create_unique_constraint(
        op.f("card_replaces_id_key"), "card", ["replaces_id"], postgresql_nulls_not_distinct=False
    )
    op.create_unique_constraint(
        op.f("card_reference_key"), "card", ["reference"], postgresql_nulls_not_distinct=False
    )
    op.drop_index(op.f("ix_card_device_card_id"), table_name="card_device")
    op.drop_index("card_device_slot", table_name="card_device", postgresql_where=sa.text("revoked_at is null"))
    op.drop_table("card_device")
    op.drop_index(op.f("ix_used_proof_taken_at"), table_name="used_proof")
    op.drop_table("used_proof")
    op.drop_index(
        "trusted_key_one_current", table_name="trusted_key", postgresql_where=sa.text("state = 'current'")
    )
    op.drop_table("trusted_key")
    op.drop_table("key_statement")


def _live_indices(live: str) -> None:
    op.drop_index("card_one_live", table_name="card")
    op.create_index("card_one_live", "card", ["member_id", "form"], unique=True, postgresql_where=sa.text(live))
    op.drop_index("card_expires_on", table_name="card")
    op.create_index("card_expires_on", "card", ["expires_on"], postgresql_where=sa.text(live))
