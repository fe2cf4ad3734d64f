"""Dated intervals of facts, offices, declared figures, the filing of reports, live counters.

What is made of events has new columns: after this, rebuild the service from a republish.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "declaration",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("indicator", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("figure", sa.Integer(), nullable=True),
        sa.Column("declared_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "as_of", "indicator", "version"),
    )
    op.create_table(
        "formation",
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("formed_on", sa.Date(), nullable=False),
        sa.Column("organisations", sa.Integer(), nullable=False),
        sa.Column("formed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("form", "as_of"),
    )
    op.create_table(
        "office_fact",
        sa.Column("term_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("holds_from", sa.Date(), server_default=sa.text("'0001-01-01'"), nullable=False),
        sa.Column("holds_until", sa.Date(), server_default=sa.text("'9999-12-31'"), nullable=False),
        sa.PrimaryKeyConstraint("term_id", "version"),
    )
    op.create_index(op.f("ix_office_fact_organisation_id"), "office_fact", ["organisation_id"], unique=False)
    op.create_table(
        "report_step",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("report_id", "version"),
    )
    op.create_table(
        "tally",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("cell", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "cell"),
    )
    op.create_table("tally_card", sa.Column("member_id", sa.Uuid(), nullable=False))
    op.create_table(
        "tally_delta",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        comment="what changes have done to the counters and the round has not added up yet",
    )
    op.create_table("tally_dirty", sa.Column("organisation_id", sa.Uuid(), nullable=False))
    op.create_table(
        "tally_node",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("employed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("students", sa.Integer(), server_default="0", nullable=False),
        sa.Column("all_members", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("organisation_id"),
    )
    op.create_index(op.f("ix_tally_node_parent_id"), "tally_node", ["parent_id"], unique=False)
    op.add_column("member", sa.Column("sex", sa.String(), nullable=True))
    op.add_column("member", sa.Column("birth_year", sa.Integer(), nullable=True))
    op.add_column("member", sa.Column("pedagogical", sa.Boolean(), nullable=True))
    op.add_column("member", sa.Column("joined_on", sa.Date(), nullable=True))
    op.add_column("member", sa.Column("left_on", sa.Date(), nullable=True))
    op.add_column("member", sa.Column("has_card", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("member_fact", sa.Column("from_organisation_id", sa.Uuid(), nullable=True))
    op.add_column("member_fact", sa.Column("pedagogical", sa.Boolean(), nullable=True))
    op.add_column(
        "member_fact",
        sa.Column(
            "holds_from",
            sa.Date(),
            sa.Computed(
                "case when status in ('merged', 'retracted') then date '0001-01-01' else effective_on end",
            ),
            nullable=False,
        ),
    )
    op.add_column(
        "member_fact", sa.Column("holds_until", sa.Date(), server_default=sa.text("'9999-12-31'"), nullable=False)
    )
    op.create_index(
        "member_fact_came_from",
        "member_fact",
        ["from_organisation_id"],
        unique=False,
        postgresql_where=sa.text("from_organisation_id is not null"),
    )
    op.create_index(
        "member_fact_came_to",
        "member_fact",
        ["organisation_id"],
        unique=False,
        postgresql_where=sa.text("from_organisation_id is not null"),
    )
    op.add_column(
        "organisation_fact",
        sa.Column("holds_until", sa.Date(), server_default=sa.text("'9999-12-31'"), nullable=False),
    )
    op.add_column("report", sa.Column("due_on", sa.Date(), nullable=True))
    op.add_column("report", sa.Column("edition", sa.Integer(), server_default="1", nullable=False))
    op.add_column("report", sa.Column("signed_by", sa.String(), nullable=True))
    op.add_column("report", sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("report", sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("report", sa.Column("first_signed_on", sa.Date(), nullable=True))
    op.add_column("report", sa.Column("reason", sa.String(), nullable=True))
    op.create_index("report_as_of_status", "report", ["as_of", "form", "status"], unique=False)
    op.drop_column("report", "parts")
    op.drop_column("report", "figures")
    op.add_column("report_revision", sa.Column("codes", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.add_column("report_revision", sa.Column("asked", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.add_column(
        "report_revision", sa.Column("told", sa.ARRAY(sa.Integer()), nullable=False, server_default="{}")
    )
    op.add_column("report_revision", sa.Column("failed", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.drop_constraint(op.f("report_revision_report_id_fkey"), "report_revision", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key(
        op.f("report_revision_report_id_fkey"), "report_revision", "report", ["report_id"], ["report_id"]
    )
    op.drop_column("report_revision", "failed")
    op.drop_column("report_revision", "told")
    op.drop_column("report_revision", "asked")
    op.drop_column("report_revision", "codes")
    op.add_column(
        "report",
        sa.Column(
            "figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default=sa.text("'{}'")
        ),
    )
    op.add_column(
        "report", sa.Column("parts", postgresql.JSONB(astext_type=sa.Text()), autoincrement=False, nullable=True)
    )
    op.drop_index("report_as_of_status", table_name="report")
    op.drop_column("report", "reason")
    op.drop_column("report", "first_signed_on")
    op.drop_column("report", "accepted_at")
    op.drop_column("report", "signed_at")
    op.drop_column("report", "signed_by")
    op.drop_column("report", "edition")
    op.drop_column("report", "due_on")
    op.drop_column("organisation_fact", "holds_until")
    op.drop_index(
        "member_fact_came_to",
        table_name="member_fact",
        postgresql_where=sa.text("from_organisation_id is not null"),
    )
    op.drop_index(
        "member_fact_came_from",
        table_name="member_fact",
        postgresql_where=sa.text("from_organisation_id is not null"),
    )
    op.drop_column("member_fact", "holds_until")
    op.drop_column("member_fact", "holds_from")
    op.drop_column("member_fact", "pedagogical")
    op.drop_column("member_fact", "from_organisation_id")
    op.drop_column("member", "has_card")
    op.drop_column("member", "left_on")
    op.drop_column("member", "joined_on")
    op.drop_column("member", "pedagogical")
    op.drop_column("member", "birth_year")
    op.drop_column("member", "sex")
    op.drop_index(op.f("ix_tally_node_parent_id"), table_name="tally_node")
    op.drop_table("tally_node")
    op.drop_table("tally_dirty")
    op.drop_table("tally_delta")
    op.drop_table("tally_card")
    op.drop_table("tally")
    op.drop_table("report_step")
    op.drop_index(op.f("ix_office_fact_organisation_id"), table_name="office_fact")
    op.drop_table("office_fact")
    op.drop_table("formation")
    op.drop_table("declaration")
