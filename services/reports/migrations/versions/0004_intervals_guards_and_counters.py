# ruff: noqa: S608 (names of our own tables)
"""What the database does by itself: intervals of facts, guards of filed reports, differences for the live counters."""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Versions of members with the interval in which each holds: the rule of states, see reports/states.py.
_MEMBER_SPANS = """
create function member_fact_spans() returns trigger language plpgsql as $$
begin
    with marked as (
        select f.member_id, f.version, f.holds_from, f.holds_until,
            coalesce(f.status = 'erased' and lag(f.status) over (partition by f.member_id order by f.version)
                in ('left', 'expelled', 'merged', 'retracted', 'erased'), false) as silent
        from member_fact f where f.member_id in (select member_id from added)
    ), spans as (
        select member_id, version, holds_until,
            case when silent then holds_from else coalesce(
                min(case when not silent then holds_from end) over (
                    partition by member_id order by version rows between 1 following and unbounded following),
                date '9999-12-31') end as until
        from marked
    )
    update member_fact f set holds_until = s.until from spans s
    where f.member_id = s.member_id and f.version = s.version and s.until <> s.holds_until;
    insert into tally_delta (organisation_id, cell, delta)
    select c.organisation_id, c.cell, count(*)
    from added a cross join lateral transfer_cells(a.organisation_id, a.from_organisation_id, a.effective_on)
        as c(organisation_id, cell)
    where a.event_type = 'registry.member_transferred.v1' and c.organisation_id is not null group by 1, 2;
    return null;
end $$
"""
_ORGANISATION_SPANS = """
create function organisation_fact_spans() returns trigger language plpgsql as $$
begin
    with spans as (
        select organisation_id, version, holds_until,
            coalesce(min(effective_on) over (
                partition by organisation_id order by version rows between 1 following and unbounded following),
                date '9999-12-31') as until
        from organisation_fact where organisation_id in (select organisation_id from added)
    )
    update organisation_fact f set holds_until = s.until from spans s
    where f.organisation_id = s.organisation_id and f.version = s.version and s.until <> s.holds_until;
    return null;
end $$
"""
# The lock: no row of the term is there to be locked before its first version.
_OFFICE_SPANS = """
create function office_fact_spans() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('office_fact'));
    with known as (
        select f.*, first_value(version) over term as first_version, last_value(starts_on) over term as starts,
            last_value(ends_on) over term as ends,
            coalesce(min(effective_on) over (
                partition by term_id order by version rows between 1 following and unbounded following),
                date '9999-12-31') as next_on
        from office_fact f where f.term_id in (select term_id from added)
        window term as (partition by term_id order by version range between unbounded preceding and unbounded following)
    ), spans as (
        select term_id, version, least(ends + 1, next_on) as until,
            case when version = first_version then starts else greatest(starts, effective_on) end as begins
        from known
    )
    update office_fact f set holds_from = s.begins, holds_until = s.until from spans s
    where f.term_id = s.term_id and f.version = s.version and (f.holds_from, f.holds_until) <> (s.begins, s.until);
    return null;
end $$
"""

# What a row counts for in the live counters: see reports/tallies.py.
_CELLS = (
    """
create function member_cells(status text, category text, sex text, birth_year int, pedagogical boolean,
    joined_on date, left_on date, has_card boolean) returns setof text language sql immutable as $$
    select unnest(array[
        case when status = 'member' then 'members' end,
        case when status = 'member' then 'category|' || coalesce(category, '-') end,
        case when status = 'member' then 'born|' || coalesce(sex, '-') || '|'
            || coalesce((birth_year / 5 * 5)::text, '-') end,
        case when status = 'member' and pedagogical then 'pedagogical' end,
        case when status = 'member' and has_card then 'cards' end,
        case when status in ('member', 'left', 'expelled', 'erased') then 'joined|' || date_part('year', joined_on) end,
        case when status in ('left', 'erased') then 'left|' || date_part('year', left_on)
            when status = 'expelled' then 'expelled|' || date_part('year', left_on) end
    ])
$$
""",
    """
create function transfer_cells(to_id uuid, from_id uuid, effective_on date)
    returns table (organisation_id uuid, cell text) language sql immutable as $$
    select * from (values (to_id, 'in|' || date_part('year', effective_on)),
        (from_id, 'out|' || date_part('year', effective_on))) as sides
$$
""",
    """
create function report_cells(form text, as_of date, status text, due_on date, first_signed_on date,
    signed_at timestamptz, accepted_at timestamptz) returns setof text language sql stable as $$
    select unnest(array[
        'report|' || form || '|' || as_of || '|' || status,
        case when first_signed_on <= due_on then 'ontime|' || form || '|' || as_of
            when first_signed_on > due_on then 'late|' || form || '|' || as_of end,
        case when status in ('signed', 'accepted', 'locked') then
            'day|' || form || '|' || as_of || '|signed|' || to_char(signed_at at time zone 'UTC', 'YYYY-MM-DD') end,
        case when status in ('accepted', 'locked') then
            'day|' || form || '|' || as_of || '|accepted|' || to_char(accepted_at at time zone 'UTC', 'YYYY-MM-DD') end
    ])
$$
""",
)
_MEMBER_ARGUMENTS = "status, category, sex, birth_year, pedagogical, joined_on, left_on, has_card"
_REPORT_ARGUMENTS = "form, as_of, status, due_on, first_signed_on, signed_at, accepted_at"


def _noting(table: str, cells: str, arguments: str) -> list[str]:
    """Triggers that note in tally_delta what each statement on the table does to the counters."""

    def of(rows: str, sign: int) -> str:
        given = ", ".join(f"r.{name}" for name in arguments.split(", "))
        return (
            f"select r.organisation_id, c.cell, {sign} as delta from {rows} r"
            f" cross join lateral {cells}({given}) as c(cell) where c.cell is not null"
        )

    def function(name: str, rows: str) -> str:
        return (
            f"create function {name}() returns trigger language plpgsql as $$ begin"
            f" insert into tally_delta (organisation_id, cell, delta)"
            f" select organisation_id, cell, sum(delta) from ({rows}) d group by 1, 2 having sum(delta) <> 0;"
            f" return null; end $$"
        )

    return [
        function(f"tally_{table}_insert", of("added", 1)),
        function(f"tally_{table}_update", f"{of('added', 1)} union all {of('gone', -1)}"),
        f"create trigger tally_insert after insert on {table} referencing new table as added"
        f" for each statement execute function tally_{table}_insert()",
        f"create trigger tally_update after update on {table} referencing old table as gone new table as added"
        f" for each statement execute function tally_{table}_update()",
    ]


def _listing(
    table: str, into: str, key: str, where: str = "true", events: tuple[str, ...] = ("insert", "update")
) -> list[str]:
    """Triggers that list in `into` whose row of the table was written."""
    return [
        f"create function {into}_{table}() returns trigger language plpgsql as $$ begin"
        f" insert into {into} ({key}) select distinct {key} from added where {where}; return null; end $$",
        *(
            f"create trigger {into}_{event} after {event} on {table} referencing new table as added"
            f" for each statement execute function {into}_{table}()"
            for event in events
        ),
    ]


_GUARD = """
create function guard_report() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'a report is never removed' using errcode = 'insufficient_privilege';
    end if;
    if (new.revision, new.form_version, new.form, new.organisation_id, new.as_of)
        is distinct from (old.revision, old.form_version, old.form, old.organisation_id, old.as_of) then
        raise exception 'the figures of a filed report stand' using errcode = 'insufficient_privilege';
    end if;
    if old.status = 'locked' and (new.status <> 'reopened' or new.edition <> old.edition + 1) then
        raise exception 'a locked report can only be reopened' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$
"""
_BEHAVIOUR = [
    *_CELLS,
    _MEMBER_SPANS,
    _ORGANISATION_SPANS,
    _OFFICE_SPANS,
    *(
        f"create trigger {table}_spans after insert on {table} referencing new table as added"
        f" for each statement execute function {table}_spans()"
        for table in ("member_fact", "organisation_fact", "office_fact")
    ),
    *_noting("member", "member_cells", _MEMBER_ARGUMENTS),
    *_noting("report", "report_cells", _REPORT_ARGUMENTS),
    *_listing("organisation", "tally_dirty", "organisation_id"),
    *_listing("declaration", "tally_dirty", "organisation_id", "indicator = 'all_members'", ("insert",)),
    *_listing("card", "tally_card", "member_id"),
    _GUARD,
    "create trigger guard_filed before update on report for each row"
    " when (old.status in ('signed', 'accepted', 'locked')) execute function guard_report()",
    "create trigger guard_removal before delete on report for each row execute function guard_report()",
    *(
        f"create trigger {table}_append_only before update or delete or truncate on {table}"
        f" for each statement execute function refuse_change()"
        for table in ("declaration", "report_step")
    ),
]


def upgrade() -> None:
    for statement in _BEHAVIOUR:
        op.execute(statement)
    op.execute("insert into tally_dirty select organisation_id from organisation")


def downgrade() -> None:
    for table, triggers in (
        ("member_fact", ("member_fact_spans",)),
        ("organisation_fact", ("organisation_fact_spans",)),
        ("office_fact", ("office_fact_spans",)),
        ("member", ("tally_insert", "tally_update")),
        ("report", ("tally_insert", "tally_update", "guard_filed", "guard_removal")),
        ("organisation", ("tally_dirty_insert", "tally_dirty_update")),
        ("declaration", ("tally_dirty_insert", "declaration_append_only")),
        ("card", ("tally_card_insert", "tally_card_update")),
        ("report_step", ("report_step_append_only",)),
    ):
        for trigger in triggers:
            op.execute(f"drop trigger {trigger} on {table}")
    for function in (
        *("member_fact_spans", "organisation_fact_spans", "office_fact_spans", "guard_report"),
        *("tally_member_insert", "tally_member_update", "tally_report_insert", "tally_report_update"),
        *("tally_dirty_organisation", "tally_dirty_declaration", "tally_card_card"),
        *("member_cells", "transfer_cells", "report_cells"),
    ):
        op.execute(f"drop function {function}")
