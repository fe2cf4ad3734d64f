"""The rows of an import in temporary tables: put there by COPY, written in sets."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.db import raw
from common.events.registry import MemberAdmitted
from common.outbox import publish_rows
from registry.importing.worker import COLUMNS

# Both are of the session alone and hold personal data no longer than it lasts. `import_taken` are the rows accepted
# so far in this run: a dry run has them in no other place.
_TABLES = (
    """
    create temp table import_staged (
        seq int generated always as identity,
        file_number int not null, number int not null, sheet text, "row" int not null,
        outcome text not null, reason text, written text,
        last_name text, first_name text, patronymic text, birth_date date, sex text, phone text, email text,
        category text, card text, joined_on date, organisation_id uuid, match_key text,
        last_key bigint generated always as (name_key(last_name)) stored,
        first_key bigint generated always as (name_key(first_name)) stored,
        patronymic_key bigint generated always as (name_key(coalesce(patronymic, ''))) stored,
        card_key text generated always as (card_key(card)) stored,
        person_id uuid, member_id uuid, membership_id uuid, event_id uuid,
        of_file text, of_sheet text, of_row int, of_member_id uuid
    )""",
    """
    create temp table import_taken (
        member_id uuid not null, person_id uuid, organisation_id uuid, file_name text, sheet text,
        "row" int, written text,
        last_name text, first_name text, patronymic text, birth_date date, phone text, email text,
        old_card_number text, match_key text
    )""",
)
_TAKEN_BY_MEMBER = "create index on import_taken (member_id)"
_TAKEN_INDEXES = (
    "create index on import_taken (birth_date, name_key(last_name))",
    "create index on import_taken (birth_date, name_key(first_name))",
    "create index on import_taken (match_key)",
    "create index on import_taken (card_key(old_card_number)) where old_card_number is not null",
)


async def make_tables(session: AsyncSession, *, dry_run: bool) -> None:
    """For the connection of the session; `drop_tables` before it goes back to the pool."""
    for statement in (*_TABLES, _TAKEN_BY_MEMBER, *(_TAKEN_INDEXES if dry_run else ())):
        await session.execute(sa.text(statement))


async def drop_tables(session: AsyncSession) -> None:
    await session.execute(sa.text("drop table if exists import_staged, import_taken"))


async def clear(session: AsyncSession) -> None:
    await session.execute(sa.text("truncate import_staged restart identity"))


async def stage(session: AsyncSession, rows: AsyncIterator[bytes]) -> None:
    """Rows in COPY's text, see importing.worker."""
    driver = await raw(await session.connection())
    await driver.copy_to_table("import_staged", source=rows, columns=COLUMNS, format="text", null="")


async def forget_file(session: AsyncSession, number: int) -> None:
    """A file that is refused half-way has no rows."""
    await session.execute(sa.text("delete from import_staged where file_number = :number"), {"number": number})


_WRITE = (
    """
    insert into person (person_id, last_name, first_name, patronymic, birth_date, sex, phone, email, old_card_number,
        match_key)
    select person_id, last_name, first_name, patronymic, birth_date, sex, phone, email, card, match_key
    from import_staged where outcome = 'accepted'
    """,
    """
    insert into member (member_id, person_id, organisation_id, status, category, sex, birth_year, joined_on, version)
    select member_id, person_id, organisation_id, 'member', category, sex, extract(year from birth_date)::int,
        joined_on, 1
    from import_staged where outcome = 'accepted'
    """,
    """
    insert into membership (membership_id, member_id, organisation_id, from_on)
    select membership_id, member_id, organisation_id, joined_on from import_staged where outcome = 'accepted'
    """,
)
_ADMITTED = (
    "select 1 as version, joined_on as effective_on, member_id, organisation_id, 'member' as status, category, sex,"
    " extract(year from birth_date)::int as birth_year, joined_on, null::date as left_on, array[]::text[] as consents,"
    " null::boolean as pedagogical, 'import' as origin, event_id from import_staged where outcome = 'accepted'"
)


async def write_members(session: AsyncSession) -> None:
    """Persons, members, stays and events of the staged rows that are accepted."""
    for statement in _WRITE:
        await session.execute(sa.text(statement))
    fields: list[sa.ColumnClause[Any]] = [sa.column(name) for name in (*MemberAdmitted.model_fields, "event_id")]
    await publish_rows(
        session, MemberAdmitted, sa.select(*fields).select_from(sa.text(f"({_ADMITTED}) as admitted"))
    )


async def keep_outcomes(session: AsyncSession, batch_id: UUID, *, dry_run: bool) -> None:
    """What was decided of every staged row, without personal data."""
    await session.execute(
        sa.text(
            "insert into import_row (batch_id, file_number, number, sheet, row, outcome, reason, of_file, of_sheet,"
            " of_row, of_member_id, member_id)"
            " select :batch_id, file_number, number, sheet, row, outcome, reason, of_file, of_sheet, of_row,"
            " of_member_id, case when outcome = 'accepted' and :kept then member_id end"
            " from import_staged"
        ).bindparams(sa.bindparam("kept", type_=sa.Boolean)),
        {"batch_id": batch_id, "kept": not dry_run},
    )


async def remember(session: AsyncSession, names: dict[int, str], *, dry_run: bool) -> None:
    """The accepted rows as they were written; in a dry run also what later files are compared with."""
    if not dry_run:
        statement = "insert into import_taken (member_id, written) select member_id, written from import_staged"
        await session.execute(sa.text(f"{statement} where outcome = 'accepted'"))
        return
    await session.execute(
        sa.text(
            "insert into import_taken select member_id, person_id, organisation_id, f.name, sheet, row, written,"
            " last_name, first_name, patronymic, birth_date, phone, email, card, match_key"
            " from import_staged join unnest(:numbers, :names) as f(number, name) on f.number = file_number"
            " where outcome = 'accepted'"
        ).bindparams(
            sa.bindparam("numbers", type_=sa.ARRAY(sa.Integer)), sa.bindparam("names", type_=sa.ARRAY(sa.Text))
        ),
        {"numbers": list(names), "names": list(names.values())},
    )


async def counts(session: AsyncSession) -> dict[int, dict[str, int]]:
    """Rows by outcome and reason, by the file's number."""
    rows = await session.execute(
        sa.text("select file_number, outcome, reason, count(*) from import_staged group by 1, 2, 3")
    )
    totals: dict[int, dict[str, int]] = {}
    for number, outcome, reason, count in rows:
        of_file = totals.setdefault(number, {"accepted": 0, "duplicate": 0, "rejected": 0})
        of_file[outcome] += count
        if reason:
            of_file[reason] = of_file.get(reason, 0) + count
    return totals
