"""The programme in depth: currencies, a hash chain, spans of participation, caps and tiers, reports taken once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BODY = """
create or replace function journal_entry_is_whole() returns trigger language plpgsql as $$
declare
    counted bigint;
    total numeric;
begin
    {sums}
    if counted <> new.lines or total <> 0 then
        raise exception 'entry %% has %% of %% postings and they sum to %%', new.entry_id, counted, new.lines, total
            using errcode = 'check_violation', constraint = 'entry_sums_to_zero';
    end if;
    if new.reversal_of is not null and exists (
        select from posting where entry_id in (new.entry_id, new.reversal_of)
        group by account_id having sum(amount) <> 0
    ) then
        raise exception 'entry %% does not mirror entry %%', new.entry_id, new.reversal_of
            using errcode = 'check_violation', constraint = 'entry_reverses_exactly';
    end if;
    return null;
end $$
""".replace("%%", "%")

# The largest of the sums of the currencies, without their signs: zero when each of them is.
_WHOLE = _BODY.format(
    sums="select coalesce(sum(n), 0), coalesce(max(abs(s)), 0) into counted, total from ("
    "select count(*) as n, sum(amount) as s from posting where entry_id = new.entry_id group by currency) c;"
)
_WHOLE_BEFORE = _BODY.format(
    sums="select count(*), coalesce(sum(amount), 0) into counted, total from posting"
    " where entry_id = new.entry_id;"
)


def upgrade() -> None:
    op.create_table(
        "cap_use",
        sa.Column("cap", sa.String(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name="used_not_negative"),
        sa.PrimaryKeyConstraint("cap"),
    )
    op.create_table(
        "chain_link",
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("entry_id"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day"),
    )
    op.create_table(
        "participation",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("enrolled_on", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["participant.member_id"],
        ),
        sa.PrimaryKeyConstraint("member_id", "number"),
    )
    op.create_table(
        "purchase_file",
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"],
            ["partner.partner"],
        ),
        sa.PrimaryKeyConstraint("partner", "day", "part"),
    )
    op.create_table(
        "refused_report",
        sa.Column("refused_id", sa.Uuid(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"],
            ["partner.partner"],
        ),
        sa.PrimaryKeyConstraint("refused_id"),
    )
    op.create_index(op.f("ix_refused_report_refused_at"), "refused_report", ["refused_at"], unique=False)
    op.create_index("refused_report_of_partner", "refused_report", ["partner", "refused_id"], unique=False)
    op.create_table(
        "partner_report",
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("order_number", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cashback", sa.BigInteger(), nullable=False),
        sa.Column("purchase_version", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("event in ('reported', 'confirmed', 'declined', 'refunded')", name="event_known"),
        sa.CheckConstraint("source in ('api', 'topic', 'file')", name="source_known"),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["purchase.purchase_id"],
        ),
        sa.PrimaryKeyConstraint("partner", "order_number", "line", "event", "version"),
    )
    op.add_column("account", sa.Column("currency", sa.String(), server_default="RUB", nullable=False))
    op.drop_constraint(op.f("account_of_owner"), "account", type_="unique")
    op.create_unique_constraint("account_of_owner", "account", ["kind", "owner", "currency"])
    op.create_unique_constraint("account_in_currency", "account", ["account_id", "currency"])
    op.add_column(
        "campaign_terms",
        sa.Column(
            "tiers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
    )
    op.add_column("campaign_terms", sa.Column("cap_per_member", sa.BigInteger(), nullable=True))
    op.add_column("campaign_terms", sa.Column("cap_per_partner", sa.BigInteger(), nullable=True))
    op.add_column("campaign_terms", sa.Column("cap_period", sa.String(), server_default="whole", nullable=False))
    op.add_column("campaign_terms", sa.Column("weekdays", postgresql.ARRAY(sa.SmallInteger()), nullable=True))
    op.add_column("participant", sa.Column("heir_id", sa.Uuid(), nullable=True))
    op.add_column("partner", sa.Column("file_key", sa.String(), nullable=True))
    op.add_column("posting", sa.Column("currency", sa.String(), server_default="RUB", nullable=False))
    op.drop_constraint(op.f("posting_account_id_fkey"), "posting", type_="foreignkey")
    op.create_foreign_key(
        "posting_in_currency", "posting", "account", ["account_id", "currency"], ["account_id", "currency"]
    )
    op.add_column("purchase", sa.Column("explanation_en", sa.String(), server_default="", nullable=False))
    op.drop_constraint("status_known", "purchase", type_="check")
    op.create_check_constraint(
        "status_known",
        "purchase",
        "status in ('pending', 'confirmed', 'partly_confirmed', 'declined', 'refunded')",
    )
    op.create_check_constraint("caps_positive", "campaign_terms", "cap_per_member > 0 and cap_per_partner > 0")
    op.create_check_constraint(
        "cap_period_known", "campaign_terms", "cap_period in ('day', 'week', 'month', 'whole')"
    )
    op.execute(
        "insert into participation (member_id, number, enrolled_on, ended_on)"
        " select member_id, 1, enrolled_on, ended_on from participant"
    )
    op.execute(
        "insert into cap_use (cap, used)"
        " select 'order:' || p.campaign_id || ':' || p.order_number, sum(p.cashback) from purchase p"
        " join campaign_terms t on t.campaign_id = p.campaign_id and t.version = p.campaign_version"
        " where t.cap_per_order is not null or t.fixed is not null group by 1"
    )
    op.execute(_WHOLE)
    for table in ("chain_link", "checkpoint"):
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table}"
            " for each statement execute function ledger_is_append_only()"
        )
        op.execute(f"alter table {table} enable always trigger append_only")


def downgrade() -> None:
    op.execute(_WHOLE_BEFORE)
    op.execute("update purchase set status = 'confirmed' where status = 'partly_confirmed'")
    op.drop_constraint("status_known", "purchase", type_="check")
    op.create_check_constraint(
        "status_known", "purchase", "status in ('pending', 'confirmed', 'declined', 'refunded')"
    )
    op.drop_constraint("caps_positive", "campaign_terms", type_="check")
    op.drop_constraint("cap_period_known", "campaign_terms", type_="check")
    op.drop_column("purchase", "explanation_en")
    op.drop_constraint("posting_in_currency", "posting", type_="foreignkey")
    op.create_foreign_key(op.f("posting_account_id_fkey"), "posting", "account", ["account_id"], ["account_id"])
    op.drop_column("posting", "currency")
    op.drop_column("partner", "file_key")
    op.drop_column("participant", "heir_id")
    op.drop_column("campaign_terms", "weekdays")
    op.drop_column("campaign_terms", "cap_period")
    op.drop_column("campaign_terms", "cap_per_partner")
    op.drop_column("campaign_terms", "cap_per_member")
    op.drop_column("campaign_terms", "tiers")
    op.drop_constraint("account_in_currency", "account", type_="unique")
    op.drop_constraint("account_of_owner", "account", type_="unique")
    op.create_unique_constraint(
        op.f("account_of_owner"), "account", ["kind", "owner"], postgresql_nulls_not_distinct=False
    )
    op.drop_column("account", "currency")
    op.drop_table("partner_report")
    op.drop_index("refused_report_of_partner", table_name="refused_report")
    op.drop_index(op.f("ix_refused_report_refused_at"), table_name="refused_report")
    op.drop_table("refused_report")
    op.drop_table("purchase_file")
    op.drop_table("participation")
    op.drop_table("checkpoint")
    op.drop_table("chain_link")
    op.drop_table("cap_use")
