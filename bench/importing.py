"""The import of registers from disk beside a bare COPY of all the rows that it writes."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import psutil
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from bench.measure import Row, measure
from bench.part import Part, Run
from bench.registers import PRIMARIES, organisation_name, write_registers
from bench.world import Servers
from common import migrate
from common.db import Database
from common.settings import Settings
from registry.commands.import_batches import import_members
from registry.main import service

TEMPLATE, DATABASE = "imports", "imports_run"
TABLES = ("person", "member", "membership", "member_period", "outbox", "import_row")
"""What an import writes a row into for every member."""
AS_OF = date(2026, 1, 1)
NOW = datetime(2026, 1, 11, tzinfo=UTC)
AIM = 0.25
"""An import reads, judges, compares and writes: at most four times the time of only copying what it writes."""


class ImportTrial:
    """Prepared once: the registers on disk, and the rows that an import makes of them, as COPY gave them out."""

    def __init__(self, servers: Servers, count: int) -> None:
        self._servers, self._count = servers, count
        self._dsn = _of_run(servers.dsn(TEMPLATE))
        self._settings = Settings(
            database_url=SecretStr(_of_run(servers.postgres.url(TEMPLATE))), jwks_url="file:///none"
        )
        self._files: list[Path] = []
        self._dumps: dict[str, Path] = {}
        self.peak_mib = 0.0
        """The most memory that the importing process and its readers held together."""

    async def prepare(self) -> None:
        await asyncio.to_thread(migrate.upgrade, service, self._servers.postgres.url(TEMPLATE))
        folder = self._servers.folder / "registers"
        folder.mkdir()
        self._files = await asyncio.to_thread(write_registers, folder, self._count)
        await self._plant()
        await self.import_rate()
        connection = await asyncpg.connect(self._dsn)
        try:
            for table in TABLES:
                path = self._dumps[table] = self._servers.folder / f"{table}.copy"
                await connection.copy_from_table(table, output=path, format="binary")
        finally:
            await connection.close()

    async def _plant(self) -> None:
        root, region = uuid7(), uuid7()
        rows = [(root, None, "federal", "0", "Профсоюз"), (region, root, "regional", "R", "Заречная областная")]
        rows += [(uuid7(), region, "primary", f"P{n}", organisation_name(n)) for n in range(PRIMARIES)]
        connection = await asyncpg.connect(self._servers.dsn(TEMPLATE))
        try:
            await connection.executemany(
                "insert into organisation (organisation_id, parent_id, kind, code, name, search_name, status,"
                " opened_on, version) values ($1, $2, $3, $4, $5, $5, 'active', '2000-01-01', 1)",
                rows,
            )
            for table in TABLES:
                # All indexes, checks and defaults; the foreign keys and triggers only are left out.
                await connection.execute(f"create table bare_{table} (like {table} including all)")
        finally:
            await connection.close()

    async def _fresh(self) -> None:
        """A database as it was before the import."""
        connection = await asyncpg.connect(self._servers.postgres.admin_url("postgres").replace("+asyncpg", ""))
        try:
            await connection.execute(f"drop database if exists {DATABASE} with (force)")
            await connection.execute(f"create database {DATABASE} template {TEMPLATE} owner {TEMPLATE}")
        finally:
            await connection.close()

    async def import_rate(self) -> float:
        """Members a second from the first byte read to the last commit, events in the outbox."""
        await self._fresh()
        database = Database.connect(self._settings)
        try:
            with _memory(self):
                begun = time.perf_counter()
                result = await import_members(database, self._files, AS_OF, now=NOW, with_rows=False)
                seconds = time.perf_counter() - begun
        finally:
            await database.close()
        if result.totals["accepted"] < self._count * 0.999:
            raise RuntimeError(f"of {self._count} members only {result.totals['accepted']} were accepted")
        return self._count / seconds

    async def copy_rate(self) -> float:
        """Members a second when all their rows are only copied, table by table, from files."""
        await self._fresh()
        connection = await asyncpg.connect(self._dsn)
        try:
            begun = time.perf_counter()
            for table, path in self._dumps.items():
                await connection.copy_to_table(f"bare_{table}", source=path, format="binary")
            return self._count / (time.perf_counter() - begun)
        finally:
            await connection.close()


def _of_run(url: str) -> str:
    """The same server and owner, the database of one turn."""
    return f"{url.rsplit('/', 1)[0]}/{DATABASE}"


@contextlib.contextmanager
def _memory(trial: ImportTrial) -> Iterator[None]:
    """Look every 50 ms how much this process and those it starts meanwhile hold."""
    ended, me = threading.Event(), psutil.Process(os.getpid())
    others = {child.pid for child in me.children(recursive=True)}

    def look() -> None:
        while not ended.wait(0.05):
            held = me.memory_info().rss
            for child in me.children():
                with contextlib.suppress(psutil.Error):
                    held += 0 if child.pid in others else child.memory_info().rss
            trial.peak_mib = max(trial.peak_mib, held / 2**20)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


async def rows(run: Run) -> list[Row]:
    """The one row, with the memory that it took."""
    trial = ImportTrial(run.servers, run.members)
    run.tell(f"import: registers of {run.members} members are made")
    await trial.prepare()
    row = await measure(
        f"import of {run.members:,} members beside COPY",
        "members/s",
        ours=trial.import_rate,
        limit=trial.copy_rate,
        turns=run.turns.no_more_than(3),
        aim=AIM,
        report=run.tell,
    )
    return [replace(row, note=f"at most {trial.peak_mib:,.0f} MiB in the import's processes")]


PART = Part("import", ("import",), rows, databases=(TEMPLATE,))
