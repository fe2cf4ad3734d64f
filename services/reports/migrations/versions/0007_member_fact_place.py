"""Who was ever at an organisation is read from an index alone: what a figure as known earlier begins with."""

from collections.abc import Sequence

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "member_fact_place", "member_fact", ["organisation_id"], unique=False, postgresql_include=["member_id"]
    )
    op.drop_index(op.f("ix_member_fact_organisation_id"), table_name="member_fact")


def downgrade() -> None:
    op.create_index(op.f("ix_member_fact_organisation_id"), "member_fact", ["organisation_id"], unique=False)
    op.drop_index("member_fact_place", table_name="member_fact")
