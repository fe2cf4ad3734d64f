"""`verify` names what was changed, deleted, reordered or cut off behind the service's back."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from cashback import chain, keys, ledger
from cashback.cli import ledger_app
from cashback.config import CashbackSettings
from cashback.ledger import Entry, Kind, Ref
from common.db import Database
from common.events.cashback import LedgerSealed

A, B = Ref(Kind.BANK), Ref(Kind.EXPIRED)
DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)


class Ledger:
    """A ledger of some entries, each in the chain, and the hand that tampers with it."""

    def __init__(self, database: Database, settings: CashbackSettings) -> None:
        self.database = database
        self.key = keys.ledger_key(settings.ledger_key_file)
        self.entries: list[UUID] = []

    async def post(self, count: int) -> None:
        async with self.database.sessions.begin() as session:
            new = [
                Entry("test", f"{len(self.entries) + n}", NOW, "проверка", [(A, -n - 1), (B, n + 1)])
                for n in range(count)
            ]
            self.entries += [entry for entry in await ledger.post(session, *new) if entry]

    async def link(self) -> None:
        async with self.database.sessions.begin() as session:
            await chain.extend(session)

    async def seal(self, day: date = DAY) -> None:
        async with self.database.sessions.begin() as session:
            await chain.seal_until(session, self.key, day, NOW)

    async def tamper(self, *statements: str, **values: Any) -> None:
        """As a superuser who switches the guards off for the while."""
        tables = ("journal_entry", "posting", "chain_link", "checkpoint")
        async with self.database.engine.begin() as connection:
            for table in tables:
                await connection.execute(sa.text(f"alter table {table} disable trigger all"))
            for statement in statements:
                await connection.execute(sa.text(statement), values)
            for table in tables:
                await connection.execute(sa.text(f"alter table {table} enable always trigger append_only"))

    async def found(self, *anchors: chain.Anchor) -> list[tuple[str, UUID | None]]:
        async with self.database.sessions() as session:
            verification = await chain.verify_chain(session, [self.key.public_key()], anchors)
        return [(finding.code, finding.entry_id) for finding in verification.findings]

    async def anchor(self) -> chain.Anchor:
        async with self.database.sessions() as session:
            row = (
                await session.execute(
                    sa.text("select day, sequence, digest, signature from checkpoint order by day desc")
                )
            ).first()
        assert row is not None
        return chain.Anchor(row.day, row.sequence, bytes(row.digest), bytes(row.signature))


@pytest.fixture
async def books(database: Database, settings: CashbackSettings) -> Ledger:
    """Five entries, chained and sealed."""
    books = Ledger(database, settings)
    await books.post(5)
    await books.seal()
    assert await books.found() == []
    return books


@pytest.mark.parametrize(
    "statement",
    [
        "update posting set amount = amount * 2 where entry_id = :entry",
        "update posting set account_id = (select account_id from account where kind = 'bank'),"
        " amount = 3 where entry_id = :entry and line = 2",
        "update journal_entry set explained = 'иначе' where entry_id = :entry",
        "update journal_entry set occurred_at = occurred_at - interval '1 microsecond' where entry_id = :entry",
        "delete from posting where entry_id = :entry and line = 2",
    ],
)
async def test_a_changed_entry_is_named(books: Ledger, statement: str) -> None:
    await books.tamper(statement, entry=books.entries[2])
    assert await books.found() == [("changed", books.entries[2])]


async def test_a_deleted_entry_is_named(books: Ledger) -> None:
    entry = books.entries[1]
    await books.tamper(
        "delete from posting where entry_id = :e", "delete from journal_entry where entry_id = :e", e=entry
    )
    assert await books.found() == [("deleted", entry)]


async def test_entries_that_changed_places_are_named(books: Ledger) -> None:
    """The links of two entries are swapped, each with its content."""
    await books.tamper(
        "update chain_link set sequence = -sequence where sequence in (2, 3)",
        "update chain_link set sequence = 5 + sequence where sequence < 0",
    )
    found = await books.found()
    assert found[0] == ("reordered", books.entries[2])
    assert ("reordered", books.entries[1]) in found


async def test_a_link_taken_out_is_noticed(books: Ledger) -> None:
    await books.tamper("delete from chain_link where sequence = 3")
    assert ("missing_link", books.entries[3]) in await books.found()


async def test_an_end_cut_off_is_noticed_by_the_checkpoint(books: Ledger) -> None:
    """The last entry is gone with its link, and the balances are made to fit."""
    await books.tamper(
        "update account a set balance = balance - p.amount from posting p"
        " where p.account_id = a.account_id and p.entry_id = :e",
        "delete from posting where entry_id = :e",
        "delete from journal_entry where entry_id = :e",
        "delete from chain_link where entry_id = :e",
        e=books.entries[-1],
    )
    assert await books.found() == [("truncated", None)]


async def test_a_chain_forged_anew_does_not_fit_its_checkpoint(books: Ledger) -> None:
    """Who changes an entry and computes every link again cannot sign."""
    await books.tamper("update posting set amount = amount * 2 where entry_id = :e", e=books.entries[0])
    await books.tamper("delete from chain_link")
    await books.link()
    assert await books.found() == [("checkpoint_differs", books.entries[-1])]


async def test_a_checkpoint_signed_by_another_key_is_none(books: Ledger) -> None:
    await books.tamper("delete from chain_link", "delete from checkpoint")
    stolen, books.key = books.key, Ed25519PrivateKey.generate()
    await books.seal()
    books.key = stolen
    assert await books.found() == [("checkpoint_unsigned", None)]


async def test_a_checkpoint_taken_out_of_the_middle_is_missed(books: Ledger) -> None:
    await books.seal(DAY + timedelta(2))
    assert await books.found() == []
    await books.tamper("delete from checkpoint where day = :day", day=DAY + timedelta(1))
    assert await books.found() == [("checkpoint_missing", None)]


async def test_a_checkpoint_kept_elsewhere_tells_of_everything_cut_off_together(books: Ledger) -> None:
    """Entries, links and checkpoints of the last day are gone; within this database nothing is missing."""
    await books.post(2)
    await books.seal(DAY + timedelta(1))
    kept = await books.anchor()
    assert await books.found(kept) == []
    for entry in books.entries[-2:]:
        await books.tamper(
            "delete from posting where entry_id = :e",
            "delete from journal_entry where entry_id = :e",
            "delete from chain_link where entry_id = :e",
            e=entry,
        )
    await books.tamper("delete from checkpoint where day = :day", day=DAY + timedelta(1))
    assert await books.found() == []
    assert await books.found(kept) == [("checkpoint_missing", None), ("truncated", None)]


async def test_the_database_refuses_every_change_of_the_chain(books: Ledger) -> None:
    for statement in (
        "update chain_link set digest = content",
        "delete from chain_link",
        "truncate chain_link",
        "update checkpoint set sequence = 1",
        "delete from checkpoint",
        "truncate checkpoint",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            async with books.database.engine.begin() as connection:
                await connection.execute(sa.text(statement))


async def test_an_entry_that_commits_late_is_chained_all_the_same(books: Ledger) -> None:
    """The transaction began before others that are in the chain by now."""
    async with books.database.sessions.begin() as slow:
        late = await ledger.post(
            slow, Entry("test", "late", NOW, "поздно", [(Ref(Kind.BANK, "x"), -1), (Ref(Kind.EXPIRED, "x"), 1)])
        )
        await books.post(1)
        await books.link()
    await books.link()
    async with books.database.sessions() as session:
        verification = await chain.verify_chain(session, [books.key.public_key()])
        newest = await session.scalar(sa.text("select entry_id from chain_link order by sequence desc limit 1"))
    assert (verification.links, verification.waiting, verification.findings, newest) == (7, 0, (), late[0])


async def test_two_workers_chain_each_entry_once(books: Ledger) -> None:
    await books.post(50)
    await asyncio.gather(*(books.link() for _ in range(4)))
    async with books.database.sessions() as session:
        verification = await chain.verify_chain(session, [books.key.public_key()])
    assert (verification.links, verification.waiting, verification.findings) == (55, 0, ())


async def test_the_rounds_chain_and_seal_and_tell_of_the_seal(
    database: Database,
    settings: CashbackSettings,
    pass_time: Callable[..., Awaitable[None]],
    published: Callable[..., Awaitable[list[Any]]],
) -> None:
    books = Ledger(database, settings)
    await books.post(3)
    await pass_time(NOW)
    await pass_time(NOW + timedelta(days=2))
    events = await published(LedgerSealed)
    assert [(str(event.effective_on), event.sequence) for event in events] == [
        ("2026-03-01", 3),
        ("2026-03-02", 3),
        ("2026-03-03", 3),
    ]
    last = events[-1]
    anchor = chain.Anchor(last.effective_on, last.sequence, bytes.fromhex(last.digest), bytes.fromhex(last.seal))
    assert await books.found(anchor) == []


async def test_the_operator_is_told_which_entry_and_may_bring_a_checkpoint_and_a_public_key(
    books: Ledger, settings: CashbackSettings, tmp_path: Path
) -> None:
    environment = {"UNION_CASHBACK_DATABASE_URL": settings.database_url.get_secret_value()}
    public, kept = tmp_path / "public.pem", tmp_path / "checkpoint.json"
    pems = [
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for key in (Ed25519PrivateKey.generate(), books.key)
    ]
    public.write_bytes(b"".join(pems))

    async def invoke(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, ledger_app, arguments, env=environment)
        return result.exit_code, result.output

    code, printed = await invoke("checkpoint")
    kept.write_text(printed)
    assert (code, json.loads(printed)["sequence"]) == (0, 5)
    verify = ("verify", "--key", str(public), "--anchor", str(kept))
    code, output = await invoke(*verify)
    assert (code, "5 in the chain, 0 wait for it, 1 checkpoints" in output) == (0, True), output
    await books.tamper("update journal_entry set kind = 'other' where entry_id = :e", e=books.entries[3])
    code, output = await invoke(*verify)
    assert (code, f"changed: entry {books.entries[3]} (link 4)" in output) == (1, True), output


def test_a_key_of_another_kind_does_not_seal(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    path = tmp_path / "key.pem"
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(TypeError, match="Ed25519"):
        keys.ledger_key(path)
