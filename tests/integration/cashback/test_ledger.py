"""The ledger guards itself in the database, and `verify` finds what was done past it."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from cashback import audit, ledger
from cashback.cli import ledger_app
from cashback.errors import AlreadyPosted
from cashback.ledger import Entry, Kind, Ref
from common.db import Database
from common.settings import Settings

A, B, C = Ref(Kind.BANK), Ref(Kind.EXPIRED), Ref(Kind.MEMBER_AVAILABLE, "m")


def entry(reference: str, *movements: tuple[Ref, int], **more: Any) -> Entry:
    return Entry("test", reference, datetime(2021, 1, 1, tzinfo=UTC), "проверка", movements, **more)


async def post(database: Database, *entries: Entry) -> list[UUID | None]:
    async with database.sessions.begin() as session:
        return await ledger.post(session, *entries)


async def run(database: Database, *statements: str, **values: Any) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(sa.text(statement), values)


async def balances(database: Database) -> dict[str, int]:
    async with database.sessions() as session:
        return {row[0]: row[1] for row in await session.execute(sa.text("select kind, balance from account"))}


async def found(database: Database) -> audit.Verification:
    async with database.sessions() as session:
        return await audit.verify(session)


async def raw_entry(database: Database, lines: int, *postings: tuple[int, str, int]) -> UUID:
    """An entry written past the service: (line, kind of account, amount)."""
    entry_id = uuid.uuid4()
    async with database.engine.begin() as connection:
        await connection.execute(
            sa.text(
                "insert into journal_entry (entry_id, kind, reference, occurred_at, explained, lines)"
                " values (:id, 'raw', :reference, now(), '', :lines)"
            ),
            {"id": entry_id, "reference": str(entry_id), "lines": lines},
        )
        for line, kind, amount in postings:
            await raw_posting(connection, entry_id, line, kind, amount)
    return entry_id


async def raw_posting(connection: Any, entry_id: UUID, line: int, kind: str, amount: int) -> None:
    await connection.execute(
        sa.text(
            "insert into posting (entry_id, line, account_id, amount)"
            " select cast(:id as uuid), :line, account_id, :amount from account where kind = :kind"
        ).bindparams(sa.bindparam("id", type_=sa.Uuid), sa.bindparam("amount", type_=sa.BigInteger)),
        {"id": entry_id, "line": line, "kind": kind, "amount": amount},
    )


async def test_entries_are_posted_as_a_set_with_their_balances(database: Database) -> None:
    ids = await post(database, entry("1", (A, -5), (B, 5)), entry("2", (A, 2), (B, -2)), entry("3", (A, 0)))
    assert ids[2] is None
    assert len(set(ids)) == 3
    assert await balances(database) == {"bank": -3, "expired": 3}
    assert (await found(database)).sound


async def test_a_reference_is_posted_once(database: Database) -> None:
    await post(database, entry("1", (A, -5), (B, 5)))
    with pytest.raises(AlreadyPosted):
        await post(database, entry("2", (A, -1), (B, 1)), entry("1", (A, -5), (B, 5)))
    assert await balances(database) == {"bank": -5, "expired": 5}


async def test_an_entry_is_reversed_once_and_exactly(database: Database) -> None:
    [first] = await post(database, entry("1", (A, -5), (B, 5)))
    with pytest.raises(IntegrityError, match="does not mirror"):
        await post(database, entry("2", (A, 4), (B, -4), reversal_of=first))
    await post(database, entry("3", (A, 5), (B, -5), reversal_of=first))
    with pytest.raises(IntegrityError, match="reversal_of"):
        await post(database, entry("4", (A, 5), (B, -5), reversal_of=first))
    assert (await found(database)).sound


async def test_a_balance_that_its_account_forbids_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError, match="balance_not_negative"):
        await post(database, entry("1", (C, -5), (A, 5)))
    debt = Ref(Kind.MEMBER_CLAWBACK, "m")
    with pytest.raises(IntegrityError, match="balance_not_positive"):
        await post(database, entry("1", (debt, 5), (A, -5)))


@pytest.mark.parametrize(
    ("lines", "postings"),
    [
        (2, [(1, "bank", -5), (2, "expired", 4)]),
        (2, [(1, "bank", 5)]),
        (2, []),
        (3, [(1, "bank", -5), (2, "expired", 5)]),
        (1, [(1, "bank", 5)]),
        (2, [(1, "bank", 5), (2, "expired", 0)]),
        (2, [(1, "bank", -5), (2, "expired", 5), (3, "bank", 1)]),
        (2, [(1, "bank", 2**62), (2, "bank", 2**62), (3, "bank", 2**62), (4, "bank", 2**62)]),
    ],
)
async def test_the_database_refuses_an_entry_that_is_not_whole_or_not_balanced(
    database: Database, lines: int, postings: list[tuple[int, str, int]]
) -> None:
    await post(database, entry("1", (A, -5), (B, 5)))
    with pytest.raises(IntegrityError):
        await raw_entry(database, lines, *postings)


async def test_nothing_is_added_to_an_entry_later(database: Database) -> None:
    [first] = await post(database, entry("1", (A, -5), (B, 5)))
    assert first is not None
    for line in (1, 2, 3):
        with pytest.raises(IntegrityError):
            async with database.engine.begin() as connection:
                await raw_posting(connection, first, line, "bank", 1)
    assert (await found(database)).postings == 2


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        "update posting set amount = amount + 1",
        "update journal_entry set explained = 'иначе'",
        "delete from posting",
        "delete from journal_entry",
        "truncate posting",
        "truncate journal_entry cascade",
        "truncate account cascade",
    ],
)
async def test_the_database_refuses_every_change_of_what_is_written_even_to_a_superuser(
    database: Database, statement: str, replica: bool
) -> None:
    await post(database, entry("1", (A, -5), (B, 5)))
    role = ["set session_replication_role = replica"] if replica else []
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        await run(database, *role, statement)
    assert (await found(database)).postings == 2


async def test_verify_finds_a_balance_that_its_postings_do_not_give(database: Database) -> None:
    await post(database, entry("1", (A, -5), (B, 5)))
    await run(database, "update account set balance = balance + 1 where kind = 'expired'")
    verification = await found(database)
    assert not verification.sound
    assert [(d.kind, d.stored, d.derived) for d in verification.differences] == [("expired", 6, 5)]
    assert verification.total == 1


async def test_verify_finds_postings_that_were_changed_with_the_triggers_off(database: Database) -> None:
    [first, second] = await post(database, entry("1", (A, -5), (B, 5)), entry("2", (A, -7), (B, 7)))
    await run(
        database,
        "alter table posting disable trigger all",
        "update posting set amount = amount + 1 where entry_id = :first and line = 1",
        "delete from posting where entry_id = :second and line = 2",
        "alter table posting enable trigger all",
        first=first,
        second=second,
    )
    verification = await found(database)
    assert set(verification.unbalanced) == {first, second}
    assert {d.kind for d in verification.differences} == {"bank", "expired"}


async def test_the_operator_verifies_the_ledger_from_the_command_line(
    database: Database, settings: Settings
) -> None:
    environment = {
        "UNION_CASHBACK_DATABASE_URL": settings.database_url.get_secret_value(),
        "UNION_LEDGER_KEY_FILE": str(settings.ledger_key_file),  # type: ignore[attr-defined]
    }

    async def invoke(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, ledger_app, arguments, env=environment)
        return result.exit_code, result.output

    await post(database, entry("1", (A, -5), (B, 5)))
    code, output = await invoke("verify")
    assert (code, "2 accounts, 1 entries, 2 postings; total 0" in output) == (0, True)
    await run(database, "update account set balance = balance + 1 where kind = 'expired'")
    code, output = await invoke("verify")
    assert (code, "stored 6, by its postings 5" in output) == (1, True)
    assert (await invoke("expire", "--on", "2030-01-01")) == (0, "0 balances expired\n")
