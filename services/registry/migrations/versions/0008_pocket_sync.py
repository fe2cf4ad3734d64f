"""pocket sync"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


class _Xid8(sa.types.UserDefinedType[str]):
    def get_col_spec(self, **_options: object) -> str:
        return "xid8"


# A statement that touches more than 500 rows is noted once an organisation, not once a row.
# Every function notes both the old and the new organisation, so that the old one's phones learn of a row that went.
_FUNCTIONS = """
create function sync_note_member_insert() returns trigger language plpgsql as $$
begin
    if (select count(*) from (select from new_rows limit 501) as first_rows) > 500 then
        insert into sync_change (kind, organisation_id)
            select 'organisation', organisation_id from new_rows group by organisation_id;
    else
        insert into sync_change (kind, row_id, organisation_id, version)
            select 'member', member_id, organisation_id, version from new_rows;
    end if;
    return null;
end $$;

create function sync_note_member_update() returns trigger language plpgsql as $$
begin
    if (select count(*) from (select from new_rows limit 501) as first_rows) > 500 then
        insert into sync_change (kind, organisation_id)
            select 'organisation', organisation_id from old_rows
            union select 'organisation', organisation_id from new_rows;
    else
        insert into sync_change (kind, row_id, organisation_id, version)
            select 'member', member_id, organisation_id, version from new_rows
            union
            select 'member', member_id, old_rows.organisation_id, new_rows.version
            from old_rows join new_rows using (member_id);
    end if;
    -- Open operations of phones go where the member goes; those of a forgotten person keep no proposal.
    update sync_operation set organisation_id = new_rows.organisation_id from new_rows
    where sync_operation.member_id = new_rows.member_id and sync_operation.state = 'open'
      and sync_operation.organisation_id is distinct from new_rows.organisation_id;
    delete from person where person_id in (
        select sync_operation.person_id from sync_operation join new_rows using (member_id)
        where new_rows.status in ('erased', 'merged', 'retracted') and sync_operation.state = 'open'
    );
    return null;
end $$;

create function sync_note_member_delete() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, organisation_id)
        select 'organisation', organisation_id from old_rows group by organisation_id;
    return null;
end $$;

create function sync_note_person_update() returns trigger language plpgsql as $$
begin
    if (select count(*) from (select from new_rows limit 501) as first_rows) > 500 then
        insert into sync_change (kind, organisation_id)
            select 'organisation', organisation_id from member join new_rows using (person_id)
            union
            select 'organisation', office_term.organisation_id
            from office_term join member using (member_id) join new_rows using (person_id);
    else
        insert into sync_change (kind, row_id, organisation_id, version)
            select 'member', member_id, organisation_id, version from member join new_rows using (person_id)
            union all
            select 'application', application_id, organisation_id, null from application join new_rows using (person_id)
            union all
            select 'office', term_id, office_term.organisation_id, null
            from office_term join member using (member_id) join new_rows using (person_id);
    end if;
    return null;
end $$;

create function sync_note_consents() returns trigger language plpgsql as $$
begin
    if (select count(*) from (select from new_rows limit 501) as first_rows) > 500 then
        insert into sync_change (kind, organisation_id)
            select 'organisation', organisation_id from member
            where member_id in (select member_id from new_rows) group by organisation_id;
    else
        insert into sync_change (kind, row_id, organisation_id, purpose)
            select 'member', member_id, organisation_id, purpose from new_rows join member using (member_id);
    end if;
    return null;
end $$;

create function sync_note_application_insert() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'application', application_id, organisation_id from new_rows;
    return null;
end $$;

create function sync_note_application_update() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'application', application_id, organisation_id from new_rows
        union select 'application', application_id, organisation_id from old_rows;
    return null;
end $$;

create function sync_note_transfer_insert() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'transfer', transfer_id, from_organisation_id from new_rows
        union select 'transfer', transfer_id, to_organisation_id from new_rows;
    return null;
end $$;

create function sync_note_transfer_update() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'transfer', transfer_id, from_organisation_id from new_rows
        union select 'transfer', transfer_id, to_organisation_id from new_rows
        union select 'transfer', transfer_id, from_organisation_id from old_rows
        union select 'transfer', transfer_id, to_organisation_id from old_rows;
    return null;
end $$;

create function sync_note_office_term_insert() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'office', term_id, organisation_id from new_rows;
    return null;
end $$;

create function sync_note_office_term_update() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'office', term_id, organisation_id from new_rows
        union select 'office', term_id, organisation_id from old_rows;
    return null;
end $$;

create function sync_note_organisation_insert() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'organisation', organisation_id, organisation_id from new_rows;
    return null;
end $$;

create function sync_note_organisation_update() returns trigger language plpgsql as $$
begin
    insert into sync_change (kind, row_id, organisation_id)
        select 'organisation', organisation_id, organisation_id from new_rows;
    -- Open operations of phones about a closed organisation go to its successor, or to the one above it.
    update sync_operation set organisation_id = coalesce(new_rows.successor_ids[1], new_rows.parent_id) from new_rows
    where new_rows.status = 'closed' and sync_operation.organisation_id = new_rows.organisation_id
      and sync_operation.state = 'open';
    return null;
end $$;
"""

_EVENTS = {
    "member": ("insert", "update", "delete"),
    "person": ("update",),
    "application": ("insert", "update"),
    "transfer": ("insert", "update"),
    "office_term": ("insert", "update"),
    "organisation": ("insert", "update"),
}
_ROWS = {
    "insert": "new table as new_rows",
    "update": "old table as old_rows new table as new_rows",
    "delete": "old table as old_rows",
}


def _triggers() -> list[str]:
    made = [
        f"create trigger sync_note_{event} after {event} on {table} referencing {_ROWS[event]}"
        f" for each statement execute function sync_note_{table}_{event}()"
        for table, events in _EVENTS.items()
        for event in events
    ]
    return made + [
        f"create trigger sync_note_{event} after {event} on consent referencing new table as new_rows"
        " for each statement execute function sync_note_consents()"
        for event in ("insert", "update")
    ]


def upgrade() -> None:
    op.create_table(
        "sync_change",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("xid", _Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_index("sync_change_created_at", "sync_change", ["created_at"], unique=False, postgresql_using="brin")
    op.create_index("sync_change_organisation", "sync_change", ["organisation_id", "xid"], unique=False)
    op.create_table(
        "sync_cursor",
        sa.Column("cursor_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("root_id", sa.Uuid(), nullable=True),
        sa.Column("snapshot", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=True),
        sa.Column("organisations", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("loading", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("cluster", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cursor_id"),
    )
    op.create_index("sync_cursor_device", "sync_cursor", ["subject", "device_id", "created_at"], unique=False)
    op.create_table(
        "sync_operation",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("application_id", sa.Uuid(), nullable=True),
        sa.Column("transfer_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("fields", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("applied_fields", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint("(outcome in ('applied', 'merged')) = (state = 'done')", name="open_until_decided"),
        sa.CheckConstraint(
            "outcome in ('applied', 'merged', 'conflict', 'refused', 'rerouted', 'duplicate')",
            name="outcome_known",
        ),
        sa.CheckConstraint("state = 'open' or person_id is null", name="no_data_once_decided"),
        sa.CheckConstraint("state in ('done', 'open', 'accepted', 'declined')", name="state_known"),
        sa.ForeignKeyConstraint(["person_id"], ["person.person_id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("item_id"),
        sa.UniqueConstraint("subject", "operation_id", name="sync_operation_once"),
    )
    op.create_index(op.f("ix_sync_operation_person_id"), "sync_operation", ["person_id"], unique=False)
    op.create_index("sync_operation_device", "sync_operation", ["subject", "device_id", "item_id"], unique=False)
    op.create_index(
        "sync_operation_member",
        "sync_operation",
        ["member_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "sync_operation_open",
        "sync_operation",
        ["organisation_id", "item_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    for statement in _FUNCTIONS.split("\n\n"):
        op.execute(statement)
    for statement in _triggers():
        op.execute(statement)


def downgrade() -> None:
    for table, events in {**_EVENTS, "consent": ("insert", "update")}.items():
        for event in events:
            op.execute(f"drop trigger sync_note_{event} on {table}")
    for table, events in _EVENTS.items():
        for event in events:
            op.execute(f"drop function sync_note_{table}_{event}()")
    op.execute("drop function sync_note_consents()")
    op.drop_index("sync_operation_open", table_name="sync_operation", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("sync_operation_member", table_name="sync_operation", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("sync_operation_device", table_name="sync_operation")
    op.drop_index(op.f("ix_sync_operation_person_id"), table_name="sync_operation")
    op.drop_table("sync_operation")
    op.drop_index("sync_cursor_device", table_name="sync_cursor")
    op.drop_table("sync_cursor")
    op.drop_index("sync_change_organisation", table_name="sync_change")
    op.drop_index("sync_change_created_at", table_name="sync_change", postgresql_using="brin")
    op.drop_table("sync_change")
