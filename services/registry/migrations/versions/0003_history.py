"""What was true when, and when we learnt it: of organisations and of members."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A member that enters the table has a history from its first day on, by whatever way it came.
_BEGINS = """
create function member_history_begins() returns trigger language plpgsql as $$
declare
    learnt timestamptz := clock_timestamp();
begin
    insert into member_period
        (member_id, valid_from, valid_to, recorded_at, organisation_id, status, category, pedagogical)
    select member_id, joined_on, left_on, learnt, organisation_id, 'member', category, pedagogical
    from entered where left_on is null or left_on > joined_on;
    insert into member_period
        (member_id, valid_from, recorded_at, organisation_id, status, category, pedagogical)
    select member_id, left_on, learnt, organisation_id, status, category, pedagogical
    from entered where left_on is not null;
    return null;
end $$
"""

# What differs between a member's row and what was believed of it last is believed from the member's day on;
# what does not differ keeps its own days. So a category that is corrected for last year moves nobody.
# Returns what holds from that day on, a row for each state, numbered by the versions that their events carry:
# the caller has raised the version by one, each further state raises it once more.
_RECORD = """
create function record_members(ids uuid[], days date[]) returns table (
    member_id uuid, effective_on date, version integer, organisation_id uuid, status text, category text,
    pedagogical boolean, sex text, birth_year integer, joined_on date, left_on date, consents text[]
) language plpgsql as $$
#variable_conflict use_column
declare
    learnt timestamptz := clock_timestamp();
begin
    -- A double that is a member of its own again: what was believed before the merge is believed again.
    update member_period p set superseded_at = learnt
    from member m
    where m.member_id = any(ids) and m.status not in ('merged', 'erased')
      and p.member_id = m.member_id and p.superseded_at is null and p.status = 'merged';
    if found then
        insert into member_period
            (member_id, valid_from, valid_to, recorded_at, organisation_id, status, category, pedagogical)
        select b.member_id, b.valid_from, b.valid_to, learnt, b.organisation_id, b.status, b.category, b.pedagogical
        from member_period b
        where b.member_id = any(ids) and exists (
            select from member_period merged
            where merged.member_id = b.member_id and merged.superseded_at = learnt
              and merged.recorded_at = b.superseded_at
        );
    end if;

    with newest as (
        select m.member_id, m.organisation_id, m.status, m.category, m.pedagogical,
            -- A double was never a member of its own, on no day.
            case when m.status = 'merged' then date '-infinity' else asked.day end as day,
            m.organisation_id <> last.organisation_id as moved,
            m.status <> last.status as turned,
            m.category is distinct from last.category as recategorised,
            m.pedagogical is distinct from last.pedagogical as reassigned
        from unnest(ids, days) as asked(id, day)
        join member m on m.member_id = asked.id
        join member_period last
          on last.member_id = m.member_id and last.superseded_at is null and last.valid_to is null
    ),
    ended as (
        update member_period p set superseded_at = learnt
        from newest n
        where p.member_id = n.member_id and p.superseded_at is null
          and (p.valid_to is null or p.valid_to > n.day)
          and (
              n.moved and p.organisation_id <> n.organisation_id
              or n.turned and p.status <> n.status
              or n.recategorised and p.category is distinct from n.category
              or n.reassigned and p.pedagogical is distinct from n.pedagogical
          )
        returning p.*, n.day,
            case when n.moved then n.organisation_id else p.organisation_id end as new_organisation_id,
            case when n.turned then n.status else p.status end as new_status,
            case when n.recategorised then n.category else p.category end as new_category,
            case when n.reassigned then n.pedagogical else p.pedagogical end as new_pedagogical
    )
    insert into member_period
        (member_id, valid_from, valid_to, recorded_at, organisation_id, status, category, pedagogical)
    select e.member_id, piece.valid_from, piece.valid_to, learnt,
        piece.organisation_id, piece.status, piece.category, piece.pedagogical
    from ended e cross join lateral (
        select e.valid_from, e.day, e.organisation_id, e.status, e.category, e.pedagogical
        where e.valid_from < e.day
        union all
        select greatest(e.valid_from, e.day), e.valid_to,
            e.new_organisation_id, e.new_status, e.new_category, e.new_pedagogical
    ) as piece(valid_from, valid_to, organisation_id, status, category, pedagogical);

    return query
    with state as (
        select p.*, asked.day as since,
            lag(row(p.organisation_id, p.status, p.category, p.pedagogical)) over days_of
                is distinct from row(p.organisation_id, p.status, p.category, p.pedagogical) as differs
        from unnest(ids, days) as asked(id, day)
        join member_period p
          on p.member_id = asked.id and p.superseded_at is null
         and (p.valid_to is null or p.valid_to > asked.day and p.status <> 'merged')
        window days_of as (partition by p.member_id order by p.valid_from)
    ),
    told as (
        select *, row_number() over (partition by member_id order by valid_from) - 1 as nth,
            count(*) over (partition by member_id) - 1 as further
        from state where differs
    ),
    raised as (
        update member m set version = m.version + told.further
        from told where told.member_id = m.member_id and told.nth = 0 and told.further > 0
    )
    select m.member_id, greatest(told.valid_from, told.since), (m.version + told.nth)::integer,
        told.organisation_id, told.status::text, told.category::text, told.pedagogical,
        m.sex::text, m.birth_year, m.joined_on, case when told.status = 'member' then null else m.left_on end,
        array(
            select c.purpose::text from consent c
            where c.member_id = m.member_id and c.withdrawn_at is null order by c.purpose
        )
    from told join member m on m.member_id = told.member_id
    order by m.member_id, told.nth;
end $$
"""

# For members that were here before this history: their stays are known, of their categories only the last.
_HISTORY_SO_FAR = """
insert into member_period (member_id, valid_from, valid_to, recorded_at, organisation_id, status, category)
select member_id, from_on, to_on, clock_timestamp(), membership.organisation_id, 'member', category
from membership join member using (member_id)
where to_on is null or to_on > from_on
"""
_ENDED_SO_FAR = """
insert into member_period (member_id, valid_from, recorded_at, organisation_id, status, category)
select member_id, left_on, clock_timestamp(), organisation_id, status, category
from member where left_on is not null
"""

_REFUSE = """
create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% keeps what it has', tg_table_name using errcode = 'insufficient_privilege';
end $$
"""
_GUARDS = """
create trigger {table}_append_only before delete or truncate on {table}
    for each statement execute function refuse_change();
create trigger {table}_stays before update of {columns} on {table}
    for each statement execute function refuse_change();
create trigger {table}_superseded_once before update of superseded_at on {table}
    for each row when (old.superseded_at is not null) execute function refuse_change();
"""
_MEMBER_COLUMNS = "member_id, valid_from, valid_to, recorded_at, organisation_id, status, category, pedagogical"


def _organisation_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("short_name", sa.String()),
        sa.Column("successor_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("institution_name", sa.String()),
        sa.Column("address", sa.String()),
        sa.Column("inn", sa.String()),
    ]


_OVERLAP = "organisation_period_no_overlap"
_DAYS = "exclude using gist (organisation_id with =, daterange(valid_from, valid_to) with &&)"


def upgrade() -> None:
    op.execute(_REFUSE)
    _widen_organisations()
    op.drop_constraint("status_known", "member")
    op.create_check_constraint(
        "status_known", "member", "status in ('member', 'left', 'expelled', 'merged', 'erased')"
    )
    op.add_column("member", sa.Column("pedagogical", sa.Boolean(), nullable=True))
    op.create_table(
        "member_period",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("pedagogical", sa.Boolean(), nullable=True),
        sa.CheckConstraint("valid_to > valid_from", name="not_empty"),
        sa.PrimaryKeyConstraint("member_id", "valid_from", "recorded_at"),
    )
    op.execute(_HISTORY_SO_FAR)
    op.execute(_ENDED_SO_FAR)
    op.create_index(
        "member_period_believed",
        "member_period",
        ["member_id", "valid_from"],
        unique=True,
        postgresql_where=sa.text("superseded_at is null"),
    )
    op.create_index("member_period_organisation", "member_period", ["organisation_id", "valid_from"])
    op.execute(_BEGINS)
    op.execute(
        "create trigger member_history_begins after insert on member referencing new table as entered"
        " for each statement execute function member_history_begins()"
    )
    op.execute(_RECORD)
    _guard("member_period", _MEMBER_COLUMNS)


def _widen_organisations() -> None:
    for table in ("organisation", "organisation_period"):
        for column in _organisation_columns():
            op.add_column(table, column)
    op.create_check_constraint("inn_has_10_or_12_digits", "organisation", "inn ~ '^([0-9]{10}|[0-9]{12})$'")
    op.add_column(
        "organisation_period",
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
    )
    op.add_column("organisation_period", sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint("organisation_period_pkey", "organisation_period")
    op.create_primary_key(
        "organisation_period_pkey", "organisation_period", ["organisation_id", "valid_from", "recorded_at"]
    )
    op.drop_constraint(_OVERLAP, "organisation_period")
    op.execute(f"alter table organisation_period add constraint {_OVERLAP} {_DAYS} where (superseded_at is null)")
    _guard(
        "organisation_period",
        "organisation_id, valid_from, valid_to, recorded_at, parent_id, kind, name, search_name, short_name, status,"
        " successor_ids, institution_type, institution_name, address, inn, employed, students, reason",
    )


def _guard(table: str, columns: str) -> None:
    for statement in _GUARDS.format(table=table, columns=columns).split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("drop trigger member_history_begins on member")
    op.execute("drop function member_history_begins()")
    op.execute("drop function record_members(uuid[], date[])")
    op.drop_table("member_period")
    op.drop_column("member", "pedagogical")
    op.drop_constraint("status_known", "member")
    op.create_check_constraint("status_known", "member", "status in ('member', 'left', 'expelled')")
    for trigger in ("append_only", "stays", "superseded_once"):
        op.execute(f"drop trigger organisation_period_{trigger} on organisation_period")
    op.drop_constraint(_OVERLAP, "organisation_period")
    op.execute("delete from organisation_period where superseded_at is not null")
    op.execute(f"alter table organisation_period add constraint {_OVERLAP} {_DAYS}")
    op.drop_constraint("organisation_period_pkey", "organisation_period")
    op.create_primary_key("organisation_period_pkey", "organisation_period", ["organisation_id", "valid_from"])
    op.drop_column("organisation_period", "recorded_at")
    op.drop_column("organisation_period", "superseded_at")
    op.drop_constraint("inn_has_10_or_12_digits", "organisation")
    for table in ("organisation", "organisation_period"):
        for column in _organisation_columns():
            op.drop_column(table, column.name)
