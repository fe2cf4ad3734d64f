"""The ledger guards itself: entries are whole and balanced, and nobody changes or removes what is written."""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WHOLE = """
create function journal_entry_is_whole() returns trigger language plpgsql as $$
declare
    counted bigint;
    total numeric;
begin
    select count(*), coalesce(sum(amount), 0) into counted, total from posting where entry_id = new.entry_id;
    if counted <> new.lines or total <> 0 then
        raise exception 'entry % has % of % postings and they sum to %', new.entry_id, counted, new.lines, total
            using errcode = 'check_violation', constraint = 'entry_sums_to_zero';
    end if;
    if new.reversal_of is not null and exists (
        select from posting where entry_id in (new.entry_id, new.reversal_of)
        group by account_id having sum(amount) <> 0
    ) then
        raise exception 'entry % does not mirror entry %', new.entry_id, new.reversal_of
            using errcode = 'check_violation', constraint = 'entry_reverses_exactly';
    end if;
    return null;
end $$
"""

# A whole entry has its lines 1…n already, so with this nothing can be added to it later.
_WITHIN = """
create function posting_is_within_its_entry() returns trigger language plpgsql as $$
begin
    if exists (select from written join journal_entry using (entry_id) where written.line > journal_entry.lines) then
        raise exception 'an entry has no such line'
            using errcode = 'check_violation', constraint = 'posting_within_entry';
    end if;
    return null;
end $$
"""

_REFUSED = """
create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception '% of % is refused: the ledger is append-only, post a correcting entry', tg_op, tg_table_name
        using errcode = 'restrict_violation';
end $$
"""


def upgrade() -> None:
    for function in (_WHOLE, _WITHIN, _REFUSED):
        op.execute(function)
    # Once an entry, not once a posting: a batch pays for its entries only.
    op.execute(
        "create constraint trigger entry_is_whole after insert on journal_entry"
        " deferrable initially deferred for each row execute function journal_entry_is_whole()"
    )
    op.execute(
        "create trigger posting_within_entry after insert on posting"
        " referencing new table as written for each statement execute function posting_is_within_its_entry()"
    )
    for table in ("journal_entry", "posting"):
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table}"
            " for each statement execute function ledger_is_append_only()"
        )
        # Also when session_replication_role would switch ordinary triggers off.
        op.execute(f"alter table {table} enable always trigger append_only")
    op.execute("alter table journal_entry enable always trigger entry_is_whole")
    op.execute("alter table posting enable always trigger posting_within_entry")


def downgrade() -> None:
    for table in ("journal_entry", "posting"):
        op.execute(f"drop trigger append_only on {table}")
    op.execute("drop trigger posting_within_entry on posting")
    op.execute("drop trigger entry_is_whole on journal_entry")
    for function in ("journal_entry_is_whole", "posting_is_within_its_entry", "ledger_is_append_only"):
        op.execute(f"drop function {function}()")
