"""Long work done by the workers, and what they do by themselves when time passes."""

from collections.abc import Sequence

from common.migrations import create_jobs_tables, drop_jobs_tables

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    create_jobs_tables()


def downgrade() -> None:
    drop_jobs_tables()
