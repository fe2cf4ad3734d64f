"""A double or a mistake that was erased afterwards stays out of the live counters, as it does of the statistics."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CELLS = (
    "member_cells({status}, r.category, r.sex, r.birth_year, r.pedagogical, r.joined_on, r.left_on, r.has_card)"
)

# Erased members whose record had been merged or retracted before: the row alone does not tell, its past does.
_VOID = """
create function member_fact_void() returns trigger language plpgsql as $$
begin
    if exists (select from added where status in ('erased', 'merged', 'retracted')) then
        update member m set void = found.void from (
            select e.member_id, e.status = 'erased' and coalesce((
                select p.status in ('merged', 'retracted') from member_fact p
                where p.member_id = e.member_id and p.version < e.version and p.status <> 'erased'
                order by p.version desc limit 1), false) as void
            from member e where e.member_id in (select member_id from added)
            order by e.member_id for no key update of e
        ) found where found.member_id = m.member_id and found.void <> m.void;
    end if;
    return null;
end $$
"""


def _counting(status: str) -> list[str]:
    """The two functions that note what a change of members does to the counters."""
    cells = _CELLS.format(status=status)

    def of(rows: str, sign: int) -> str:
        return (
            f"select r.organisation_id, c.cell, {sign} as delta from {rows} r"  # noqa: S608 (names of our own)
            f" cross join lateral {cells} as c(cell) where c.cell is not null"
        )

    def function(event: str, rows: str) -> str:
        return (
            f"create or replace function tally_member_{event}() returns trigger language plpgsql as $$ begin"  # noqa: S608
            f" insert into tally_delta (organisation_id, cell, delta)"
            f" select organisation_id, cell, sum(delta) from ({rows}) d group by 1, 2 having sum(delta) <> 0;"
            f" return null; end $$"
        )

    return [
        function("insert", of("added", 1)),
        function("update", f"{of('added', 1)} union all {of('gone', -1)}"),
    ]


def upgrade() -> None:
    op.add_column("member", sa.Column("void", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for statement in _counting("case when r.void then 'merged' else r.status end"):
        op.execute(statement)
    op.execute(_VOID)
    op.execute(
        "create trigger member_fact_void after insert on member_fact referencing new table as added"
        " for each statement execute function member_fact_void()"
    )
    # What is known by now; the trigger of the members notes what it changes.
    op.execute(
        "update member m set void = true where m.status = 'erased' and (select p.status in ('merged', 'retracted')"
        " from member_fact p where p.member_id = m.member_id and p.version < m.version and p.status <> 'erased'"
        " order by p.version desc limit 1)"
    )


def downgrade() -> None:
    op.execute("drop trigger member_fact_void on member_fact")
    op.execute("drop function member_fact_void")
    for statement in _counting("r.status"):
        op.execute(statement)
    op.drop_column("member", "void")
