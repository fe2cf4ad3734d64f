"""The plastic line: pieces of plastic with their serials, files for the factory, its answers; dual control."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "factory_response",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("response_number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("received_by", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["plastic_batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "response_number"),
    )
    op.create_table(
        "personalisation_file",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("file_number", sa.Integer(), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["plastic_batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "file_number"),
    )
    op.create_table(
        "plastic_card",
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.Column("handed_over_by", sa.String(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "stage in ('ordered', 'withdrawn', 'produced', 'spoiled', 'dispatched', 'delivered', 'missing', 'handed_over')",
            name="stage_known",
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["plastic_batch.batch_id"],
        ),
        sa.ForeignKeyConstraint(
            ["card_id"],
            ["card.card_id"],
        ),
        sa.PrimaryKeyConstraint("card_id"),
        sa.UniqueConstraint("serial"),
    )
    op.create_index(op.f("ix_plastic_card_batch_id"), "plastic_card", ["batch_id"], unique=False)
    op.add_column("plastic_batch", sa.Column("missing", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("plastic_batch", sa.Column("approved_by", sa.String(), nullable=True))
    # Batches that are under way already get their pieces of plastic, at the stage where they are.
    op.execute(
        """
        insert into plastic_card (card_id, batch_id, serial, stage, changed_at)
        select c.card_id, b.batch_id,
               b.reference || '-' || lpad((row_number() over (partition by b.batch_id order by c.card_id))::text, 5, '0'),
               case when c.reason = 'spoiled' then 'spoiled' else b.status end, b.changed_at
        from card c join plastic_batch b using (batch_id)
        """
    )


def downgrade() -> None:
    op.drop_column("plastic_batch", "approved_by")
    op.drop_column("plastic_batch", "missing")
    op.drop_index(op.f("ix_plastic_card_batch_id"), table_name="plastic_card")
    op.drop_table("plastic_card")
    op.drop_table("personalisation_file")
    op.drop_table("factory_response")
