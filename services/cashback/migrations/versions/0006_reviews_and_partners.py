"""Limits against fraud with a review, reconciliation with partners, webhooks, partners to try with."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# An entry of a purchase always moves its partner's receivable, and entries balance in each currency: so with this no
# money of worth can move for a partner that is there to try with, whatever the service does.
_OF_NO_WORTH = """
create function account_is_of_its_partners_mode() returns trigger language plpgsql as $$
begin
    if (new.currency = 'XTS') <> exists (select from partner where partner = new.owner and mode = 'sandbox') then
        raise exception 'the account of partner % cannot be in %', new.owner, new.currency
            using errcode = 'check_violation', constraint = 'sandbox_money_apart';
    end if;
    return null;
end $$
"""
_MODE = """
create function partner_keeps_its_mode() returns trigger language plpgsql as $$
begin
    raise exception 'the mode of a partner never changes; add another partner'
        using errcode = 'restrict_violation';
end $$
"""
_APPEND_ONLY = ("fraud_limit", "fraud_hit", "review_decision")


def upgrade() -> None:
    op.create_table(
        "fraud_limit",
        sa.Column("limit_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=True),
        sa.Column("window_seconds", sa.Integer(), nullable=True),
        sa.Column("most_purchases", sa.Integer(), nullable=True),
        sa.Column("most_cashback", sa.BigInteger(), nullable=True),
        sa.Column("least_seconds", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "case kind when 'click_to_purchase' then least_seconds is not null and window_seconds is null and most_purchases is null and most_cashback is null else least_seconds is null and window_seconds is not null and num_nonnulls(most_purchases, most_cashback) >= 1 end",
            name="kind_has_its_measures",
        ),
        sa.CheckConstraint(
            "kind in ('member', 'card', 'partner', 'device', 'click_to_purchase')", name="kind_known"
        ),
        sa.CheckConstraint(
            "window_seconds > 0 and most_purchases > 0 and most_cashback > 0 and least_seconds > 0",
            name="measures_positive",
        ),
        sa.ForeignKeyConstraint(
            ["partner"],
            ["partner.partner"],
        ),
        sa.PrimaryKeyConstraint("limit_id", "version"),
    )
    op.create_table(
        "partner_relation",
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("listed_by", sa.String(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"],
            ["partner.partner"],
        ),
        sa.PrimaryKeyConstraint("partner", "member_id"),
    )
    op.create_table(
        "reconciliation",
        sa.Column("reconciliation_id", sa.Uuid(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("their_amount", sa.BigInteger(), nullable=False),
        sa.Column("their_cashback", sa.BigInteger(), nullable=False),
        sa.Column("our_lines", sa.Integer(), nullable=False),
        sa.Column("our_amount", sa.BigInteger(), nullable=False),
        sa.Column("our_cashback", sa.BigInteger(), nullable=False),
        sa.Column("compared_by", sa.String(), nullable=False),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("from_on <= to_on", name="days_in_order"),
        sa.ForeignKeyConstraint(
            ["partner"],
            ["partner.partner"],
        ),
        sa.PrimaryKeyConstraint("reconciliation_id"),
        sa.UniqueConstraint("partner", "sha256", name="file_compared_once"),
    )
    op.create_index(op.f("ix_reconciliation_partner"), "reconciliation", ["partner"], unique=False)
    op.create_table(
        "webhook",
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.Column("secret_number", sa.Integer(), nullable=False),
        sa.Column("secret_given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status in ('enabled', 'disabled')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["partner"],
            ["partner.partner"],
        ),
        sa.PrimaryKeyConstraint("webhook_id"),
    )
    op.create_index(op.f("ix_webhook_partner"), "webhook", ["partner"], unique=False)
    op.create_table(
        "reconciliation_item",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("reconciliation_id", sa.Uuid(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=True),
        sa.Column("purchased_on", sa.Date(), nullable=False),
        sa.Column("our_status", sa.String(), nullable=True),
        sa.Column("our_amount", sa.BigInteger(), nullable=True),
        sa.Column("our_cashback", sa.BigInteger(), nullable=True),
        sa.Column("their_status", sa.String(), nullable=True),
        sa.Column("their_amount", sa.BigInteger(), nullable=True),
        sa.Column("their_cashback", sa.BigInteger(), nullable=True),
        sa.Column("click_id", sa.Uuid(), nullable=True),
        sa.Column("told_at", sa.String(), nullable=True),
        sa.Column("differs_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proposed", sa.String(), nullable=True),
        sa.Column("proposed_amount", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "outcome in ('matched', 'amount_differs', 'status_differs', 'missing_ours', 'missing_theirs')",
            name="outcome_known",
        ),
        sa.CheckConstraint("proposed in ('reported', 'confirmed', 'declined', 'refunded')", name="proposed_known"),
        sa.CheckConstraint("state in ('none', 'proposed', 'accepted', 'dismissed')", name="state_known"),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliation.reconciliation_id"],
        ),
        sa.PrimaryKeyConstraint("item_id"),
        sa.UniqueConstraint("reconciliation_id", "order_number", "line", name="line_compared_once"),
    )
    op.create_index(
        "reconciliation_item_of_line", "reconciliation_item", ["partner", "order_number", "line"], unique=False
    )
    op.create_index(
        "reconciliation_item_outcome",
        "reconciliation_item",
        ["reconciliation_id", "outcome", "item_id"],
        unique=False,
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('waiting', 'delivered', 'given_up')", name="state_known"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.webhook_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index(op.f("ix_webhook_delivery_made_at"), "webhook_delivery", ["made_at"], unique=False)
    op.create_index(
        "webhook_delivery_due",
        "webhook_delivery",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("webhook_delivery_of", "webhook_delivery", ["webhook_id", "delivery_id"], unique=False)
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_delivery.delivery_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
    )
    op.create_table(
        "fraud_hit",
        sa.Column("hit_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("limit_id", sa.Uuid(), nullable=True),
        sa.Column("limit_version", sa.Integer(), nullable=True),
        sa.Column("measured", sa.BigInteger(), nullable=True),
        sa.Column("threshold", sa.BigInteger(), nullable=True),
        sa.Column("hit_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["purchase.purchase_id"],
        ),
        sa.PrimaryKeyConstraint("hit_id"),
    )
    op.create_index(op.f("ix_fraud_hit_purchase_id"), "fraud_hit", ["purchase_id"], unique=False)
    op.create_table(
        "review_decision",
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome in ('released', 'rejected')", name="outcome_known"),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["purchase.purchase_id"],
        ),
        sa.PrimaryKeyConstraint("purchase_id"),
    )
    op.add_column("click", sa.Column("card_id", sa.Uuid(), nullable=True))
    op.add_column("click", sa.Column("device", sa.LargeBinary(), nullable=True))
    op.create_index(op.f("ix_click_card_id"), "click", ["card_id"], unique=False)
    op.create_index(op.f("ix_click_device"), "click", ["device"], unique=False)
    op.add_column("partner", sa.Column("mode", sa.String(), server_default="live", nullable=False))
    op.add_column("purchase", sa.Column("review", sa.String(), server_default="none", nullable=False))
    op.create_index(
        "purchase_in_review",
        "purchase",
        ["purchase_id"],
        unique=False,
        postgresql_where=sa.text("review = 'waiting' and status = 'pending'"),
    )
    op.create_index("purchase_of_member_in_time", "purchase", ["member_id", "purchased_at"], unique=False)
    op.create_index("purchase_of_partner_in_time", "purchase", ["partner", "purchased_at"], unique=False)
    op.create_check_constraint("mode_known", "partner", "mode in ('live', 'sandbox')")
    op.create_check_constraint("review_known", "purchase", "review in ('none', 'waiting', 'released', 'rejected')")
    op.drop_constraint("source_known", "partner_report", type_="check")
    op.create_check_constraint(
        "source_known", "partner_report", "source in ('api', 'topic', 'file', 'review', 'reconciliation')"
    )
    op.execute(_OF_NO_WORTH)
    op.execute(_MODE)
    op.execute(
        "create trigger sandbox_money_apart after insert or update of owner, currency, kind on account for each row"
        " when (new.kind = 'partner_receivable') execute function account_is_of_its_partners_mode()"
    )
    op.execute(
        "create trigger mode_for_good before update of mode on partner for each row"
        " when (old.mode <> new.mode) execute function partner_keeps_its_mode()"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table}"
            " for each statement execute function ledger_is_append_only()"
        )


def downgrade() -> None:
    op.execute("drop trigger mode_for_good on partner")
    op.execute("drop trigger sandbox_money_apart on account")
    op.execute("drop function partner_keeps_its_mode()")
    op.execute("drop function account_is_of_its_partners_mode()")
    op.drop_constraint("source_known", "partner_report", type_="check")
    op.create_check_constraint("source_known", "partner_report", "source in ('api', 'topic', 'file')")
    op.drop_constraint("review_known", "purchase", type_="check")
    op.drop_constraint("mode_known", "partner", type_="check")
    op.drop_index("purchase_of_partner_in_time", table_name="purchase")
    op.drop_index("purchase_of_member_in_time", table_name="purchase")
    op.drop_index(
        "purchase_in_review",
        table_name="purchase",
        postgresql_where=sa.text("review = 'waiting' and status = 'pending'"),
    )
    op.drop_column("purchase", "review")
    op.drop_column("partner", "mode")
    op.drop_index(op.f("ix_click_device"), table_name="click")
    op.drop_index(op.f("ix_click_card_id"), table_name="click")
    op.drop_column("click", "device")
    op.drop_column("click", "card_id")
    op.drop_table("review_decision")
    op.drop_index(op.f("ix_fraud_hit_purchase_id"), table_name="fraud_hit")
    op.drop_table("fraud_hit")
    op.drop_table("webhook_attempt")
    op.drop_index("webhook_delivery_of", table_name="webhook_delivery")
    op.drop_index(
        "webhook_delivery_due", table_name="webhook_delivery", postgresql_where=sa.text("state = 'waiting'")
    )
    op.drop_index(op.f("ix_webhook_delivery_made_at"), table_name="webhook_delivery")
    op.drop_table("webhook_delivery")
    op.drop_index("reconciliation_item_outcome", table_name="reconciliation_item")
    op.drop_index("reconciliation_item_of_line", table_name="reconciliation_item")
    op.drop_table("reconciliation_item")
    op.drop_index(op.f("ix_webhook_partner"), table_name="webhook")
    op.drop_table("webhook")
    op.drop_index(op.f("ix_reconciliation_partner"), table_name="reconciliation")
    op.drop_table("reconciliation")
    op.drop_table("partner_relation")
    op.drop_table("fraud_limit")
