"""Limits against fraud that every installation begins with; staff changes them like its own, by the next version."""

from collections.abc import Sequence

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What no person does by hand, and few shops see: a hit holds one purchase for a look, and refuses nothing.
_LIMITS = """
insert into fraud_limit (limit_id, version, kind, window_seconds, most_purchases, most_cashback, least_seconds, active,
                         made_by, made_at)
values ('0a000000-0000-4000-8000-000000000001', 1, 'member', 86400, 20, 1000000, null, true, 'default', now()),
       ('0a000000-0000-4000-8000-000000000002', 1, 'card', 3600, 10, null, null, true, 'default', now()),
       ('0a000000-0000-4000-8000-000000000003', 1, 'device', 86400, 30, null, null, true, 'default', now()),
       ('0a000000-0000-4000-8000-000000000004', 1, 'partner', 3600, 3000, null, null, true, 'default', now()),
       ('0a000000-0000-4000-8000-000000000005', 1, 'click_to_purchase', null, null, null, 5, true, 'default', now())
on conflict do nothing
"""


def upgrade() -> None:
    op.execute(_LIMITS)


def downgrade() -> None:
    """Limits are appended only, and purchases may have hit these: they stay, and the next upgrade finds them."""
