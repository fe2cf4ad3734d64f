"""Transfers are reminded of before their deadline; organisations are found by their institutions too."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry.rules import search_name

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NAMED = (
    "select distinct name, short_name, institution_name from {table}"
    " where short_name is not null or institution_name is not null"
)
_FOUND_BY = (
    "update {table} set search_name = :found where name = :name"
    " and short_name is not distinct from cast(:short as text)"
    " and institution_name is not distinct from cast(:institution as text)"
)


def upgrade() -> None:
    op.add_column("transfer", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    # The folded name is how it is found, not what was true: the guard of the history is lifted for it.
    op.execute("alter table organisation_period disable trigger organisation_period_stays")
    connection = op.get_bind()
    for table in ("organisation", "organisation_period"):
        for name, short, institution in connection.execute(sa.text(_NAMED.format(table=table))).all():
            connection.execute(
                sa.text(_FOUND_BY.format(table=table)),
                {
                    "found": search_name(name, short, institution),
                    "name": name,
                    "short": short,
                    "institution": institution,
                },
            )
    op.execute("alter table organisation_period enable trigger organisation_period_stays")


def downgrade() -> None:
    op.drop_column("transfer", "reminded_at")
