"""A batch: gone on with after a kill, judged as the pure engine judges, taken back."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner
from uuid_utils.compat import uuid7

from common.db import Database
from common.events.registry import MemberAdmitted, MemberRetracted
from common.outbox import publish, shard_of
from common.settings import Settings
from common.testing import eventually
from registry import rules
from registry.cli import import_app
from registry.commands.import_batches import import_members, roll_back_batch
from registry.commands.import_records import indexed_organisations
from registry.commands.importing import FileProgress
from registry.importing.mapping import NO_MAPPING, Mapping
from registry.importing.organisation_index import OrganisationIndex
from registry.models import Organisation
from tests.unit.registry.reference import SourceFile, classify

AS_OF = date(2022, 1, 1)
NOW = datetime(2022, 1, 11, tzinfo=UTC)
Count = Callable[[str], Awaitable[int]]
_SURNAMES = ("Иванова", "Ёлкина", "Журавлёва", "Рябова", "Семёнова", "Попова", "Авдеева", "Еремеева")
_NAMES = ("Анна", "Алёна", "Елена", "Мария", "Марья", "Пётр", "Ольга")
_FATHERS = ("Петровна", "Львовна", "Ильинична", "Семёновна")


@pytest.fixture
async def school(database: Database) -> Organisation:
    root = Organisation(organisation_id=uuid7(), kind="federal", code="0", name="Профсоюз", **_said("Профсоюз"))
    region = _under(root, "regional", "R", "Заречная областная организация")
    made = [root, region, *(_under(region, "primary", f"P{n}", f"ППО МБОУ «СОШ № {n}»") for n in range(1, 4))]
    async with database.sessions.begin() as session:
        for organisation in made:
            session.add(organisation)
            await session.flush()
        session.add_all(organisation.period(organisation.opened_on) for organisation in made)
    return made[2]


def _said(name: str) -> dict[str, Any]:
    return {"search_name": rules.search_name(name), "opened_on": date(2000, 1, 1)}


def _under(parent: Organisation, kind: str, code: str, name: str) -> Organisation:
    return Organisation(
        organisation_id=uuid7(), parent_id=parent.organisation_id, kind=kind, code=code, name=name, **_said(name)
    )


@pytest.fixture
def count(database: Database) -> Count:
    async def read(table: str) -> int:
        async with database.sessions() as session:
            return int((await session.execute(sa.text(f"select count(*) from {table}"))).scalar_one())

    return read


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def register(rows: Sequence[tuple[str, ...]]) -> bytes:
    lines = ["ФИО;Дата рождения;ППО;№ билета;Телефон", *(";".join(row) for row in rows)]
    return "\r\n".join(lines).encode()


def crowd(dice: random.Random, size: int) -> list[tuple[str, ...]]:
    """Few names and few birth dates: nearly everybody is like somebody else."""
    rows: list[tuple[str, ...]] = []
    for _ in range(size):
        parts = [dice.choice(_SURNAMES), dice.choice(_NAMES), dice.choice(_FATHERS)]
        habit = dice.randrange(8)
        if habit == 0:
            parts[0], parts[1] = parts[1], parts[0]
        elif habit == 1:
            at = dice.randrange(1, len(parts[0]) - 1)
            parts[0] = parts[0][:at] + parts[0][at + 1] + parts[0][at] + parts[0][at + 2 :]
        elif habit == 2:
            parts[1] = parts[1].upper()
        elif habit == 3:
            parts[0] = parts[0].replace("ё", "е").replace("а", "a")
        elif habit == 4:
            parts.pop()
        born = date(1980, 1, 1 + dice.randrange(3)) if dice.random() < 0.9 else date(2015, 5, 5)
        card = str(100_000 + dice.randrange(40)) if dice.random() < 0.5 else ""
        phone = f"+7913000{dice.randrange(20):04}" if dice.random() < 0.3 else ""
        rows.append((" ".join(parts), f"{born:%d.%m.%Y}", f"СОШ № {dice.randrange(1, 5)}", card, phone))
    return rows


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dry_run", [False, True])
async def test_sets_are_judged_as_one_row_after_another_would_be(
    database: Database,
    school: Organisation,
    tmp_path: Path,
    seed: int,
    dry_run: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # groups of one file or two: what is compared stands in the set, in the run, or in the base
    monkeypatch.setattr("registry.commands.importing.GROUP_ROWS", 150)
    print(f"seed {seed}")
    dice = random.Random(seed)
    contents = {f"{n}.csv": register(crowd(dice, 100)) for n in range(5)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    async with database.sessions() as session:
        index = OrganisationIndex(await indexed_organisations(session, None))
    result = await import_members(database, files_in(tmp_path), AS_OF, dry_run=dry_run, now=NOW)
    for expected in classify([SourceFile(*item) for item in contents.items()], index, [], AS_OF):
        ours = result.report["files"][expected.name]["rows"]
        theirs = [
            (r.row, r.outcome, r.reason, [r.of.file, r.of.sheet, r.of.row] if r.of else None)
            for r in expected.rows
        ]
        assert [(row["row"], row["outcome"], row["reason"], row["of"]) for row in ours] == theirs
    reasons = {row["reason"] for file in result.report["files"].values() for row in file["rows"]}
    assert {"same_register_exact", "same_register_typo", "same_register_swapped", "member_elsewhere"} <= reasons


_IMPORTER = """
import asyncio, sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from common.db import Database
from registry.config import RegistrySettings
from registry.commands import importing
from registry.commands.import_batches import import_members

importing.GROUP_ROWS = 300

async def main():
    database = Database.connect(RegistrySettings())
    files = sorted(Path(sys.argv[1]).iterdir())
    await import_members(database, files, date(2022, 1, 1), None, lambda f: print(f.name, flush=True), processes=1)

asyncio.run(main())
"""


async def test_an_import_that_was_killed_goes_on_and_nothing_is_twice_and_nothing_lost(
    database: Database, school: Organisation, settings: Settings, tmp_path: Path, count: Count, published: Any
) -> None:
    days = [date(1960, 1, 1) + timedelta(days=n) for n in range(4_000)]
    people = [("Иванова Анна Петровна", f"{day:%d.%m.%Y}", "P1", "", "") for day in days]
    for number in range(20):
        (tmp_path / f"{number:02}.csv").write_bytes(register(people[number * 200 : number * 200 + 200]))
    environment = {
        **os.environ,
        "UNION_DATABASE_URL": settings.database_url.get_secret_value(),
        "UNION_JWKS_URL": settings.jwks_url,
    }
    importing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _IMPORTER, str(tmp_path)), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert importing.stdout is not None
    for _ in range(5):
        assert await importing.stdout.readline()
    importing.send_signal(signal.SIGKILL)
    await importing.wait()

    async def let_go() -> bool:
        here = "(select oid from pg_database where datname = current_database())"
        return await count(f"pg_locks where locktype = 'advisory' and database = {here}") == 0

    await eventually(let_go)
    before = await count("member")
    assert 0 < before < len(people)
    assert before == await count("person") == await count("membership") == len(await published(MemberAdmitted))
    seen: list[FileProgress] = []
    result = await import_members(database, files_in(tmp_path), AS_OF, None, seen.append, now=NOW)
    assert result.totals["files_already_imported"] * 200 == before
    assert result.totals["accepted"] == len(people) - before
    assert await count("member") == await count("person") == await count("membership") == len(people)
    assert len({event.member_id for event in await published(MemberAdmitted)}) == len(people)
    assert len(seen) == 20


async def test_a_batch_is_taken_back_but_for_those_to_whom_something_has_happened(
    database: Database, school: Organisation, tmp_path: Path, count: Count, published: Any
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(register([(f"{name} Анна Львовна", "01.02.1980", "P1", "", "") for name in _SURNAMES]))
    batch = await import_members(database, [path], AS_OF, now=NOW)
    other = tmp_path / "b.csv"
    other.write_bytes(register([("Другая Вера Ильинична", "01.02.1980", "P1", "", "")]))
    await import_members(database, [other], AS_OF, now=NOW)
    first, second, *_ = [event.member_id for event in await published(MemberAdmitted)]
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text("update member set category = 'student', version = 2 where member_id = :id"), {"id": first}
        )
        await session.execute(
            sa.text(
                "insert into transfer (transfer_id, member_id, from_organisation_id, to_organisation_id, status,"
                " released_on, deadline, version) select uuidv7(), member_id, organisation_id,"
                " (select organisation_id from organisation where code = 'P2'), 'released', '2022-01-02',"
                " '2022-02-02', 1"
                " from member where member_id = :id"
            ),
            {"id": second},
        )
    async with database.sessions.begin() as session:
        totals = await roll_back_batch(session, batch.batch_id)
    assert totals == {"retracted": len(_SURNAMES) - 2, "changed": 1, "transfer_open": 1}
    retracted = await published(MemberRetracted)
    assert {first, second}.isdisjoint(event.member_id for event in retracted)
    assert await count("member where status = 'retracted' and left_on = joined_on") == len(_SURNAMES) - 2
    assert await count("membership where to_on is null") == 3
    assert await count("membership where end_reason = 'retracted' and to_on = from_on") == len(_SURNAMES) - 2
    # the same file comes in again; the two who stayed are members already
    again = await import_members(database, [path], AS_OF, now=NOW)
    assert (again.totals["accepted"], again.totals["duplicate"]) == (len(_SURNAMES) - 2, 2)


def test_the_operator_corrects_the_columns_and_takes_an_import_back(
    database: Database,
    school: Organisation,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNION_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("UNION_JWKS_URL", settings.jwks_url)
    odd, mapping = tmp_path / "odd.csv", tmp_path / "mapping.yaml"
    odd.write_text("Кто;Дата 1;Дата 2;Где\nИванова Анна Петровна;03.04.2001;01.02.1980;P1\n")
    mapping.write_text(
        "columns:\n  Дата 1: joined_on\n  column C: birth_date\n  Кто: full_name\n  Где: organisation\n"
    )
    cli = CliRunner()
    run = [
        "members",
        str(odd),
        "--as-of",
        "2022-01-01",
        "--mapping",
        str(mapping),
        "--report",
        str(tmp_path / "r.json"),
    ]
    result = cli.invoke(import_app, run)
    assert (result.exit_code, "accepted 1" in result.output) == (0, True), result.output
    batch = result.output.split("batch ")[1].split(":")[0]
    nowhere = cli.invoke(import_app, [*run, "--office", "P404"])
    assert (nowhere.exit_code, "P404" in nowhere.output) == (1, True), nowhere.output
    mapping.write_text("columns: {Кто: salary}")
    refused = cli.invoke(import_app, run)
    assert (refused.exit_code, "There is no field 'salary'" in refused.output) == (2, True)
    back = cli.invoke(import_app, ["rollback", batch])
    assert (back.exit_code, "retracted" in back.output) == (0, True), back.output
    again = cli.invoke(import_app, ["rollback", batch])
    assert (again.exit_code, "nothing to roll back" in again.output) == (1, True)


async def test_events_written_in_a_set_are_as_those_written_one_by_one(
    database: Database, school: Organisation, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(register([(f"{name} Анна Львовна", "01.02.1980", "P1", "", "") for name in _SURNAMES]))
    await import_members(database, [path], AS_OF, now=NOW)
    async with database.sessions.begin() as session:
        ours = (await session.execute(sa.text("select shard, topic, key, payload, headers from outbox"))).all()
        publish(session, MemberAdmitted.model_validate_json(ours[0].payload))
    async with database.sessions() as session:
        *_, one = (await session.execute(sa.text("select * from outbox order by id"))).all()
    assert len(ours) == len({row.headers["ce_id"] for row in ours}) == len(_SURNAMES)
    for row in ours:
        assert (row.shard, row.topic) == (shard_of(row.key, 4), one.topic)
        assert row.headers["ce_subject"] == row.key
        assert (row.headers.keys(), row.headers["ce_sequence"]) == (one.headers.keys(), "1")
    assert json.loads(ours[0].payload) == json.loads(one.payload)
    same = ("ce_type", "ce_source", "ce_dataschema", "ce_specversion", "content-type")
    assert [ours[0].headers[name] for name in same] == [one.headers[name] for name in same]


async def test_of_an_office_only_its_organisations_are_known_and_its_columns_remembered(
    database: Database, school: Organisation, tmp_path: Path
) -> None:
    """«Когда» means the birth date: the office says it once. Another office's registers know nothing of it."""
    async with database.sessions.begin() as session:
        second = _under(await session.get_one(Organisation, school.parent_id), "primary", "P9", "ППО «Лицей № 9»")
        session.add(second)

    def sheet(name: str, person: str) -> Path:
        path = tmp_path / name
        path.write_text(f"Кто;Когда;Ещё когда;Где\n{person};01.02.1980;03.04.1985;СОШ № 1\n")
        return path

    said = Mapping.of_document({"columns": {"Кто": "full_name", "Когда": "joined_on", "Ещё когда": "birth_date"}})

    async def born(
        path: Path, office: Organisation, mapping: Mapping = NO_MAPPING
    ) -> list[tuple[str, str | None]]:
        result = await import_members(
            database, [path], AS_OF, now=NOW, mapping=mapping, office=office.organisation_id
        )
        rows = result.report["files"][path.name]["rows"]
        return [(row["outcome"], row["reason"]) for row in rows]

    await import_members(
        database, [sheet("0.csv", "Пробная Анна Ильинична")], AS_OF, mapping=said, office=school.organisation_id,
        dry_run=True,
    )  # fmt: skip
    assert await born(sheet("1.csv", "Орлова Анна Ильинична"), school, said) == [("accepted", None)]
    assert await born(sheet("2.csv", "Орлова Инна Петровна"), school) == [("accepted", None)]
    assert await born(sheet("3.csv", "Орлова Яна Львовна"), second) == [], "what is a name there, nobody has said"
    elsewhere = await born(sheet("4.csv", "Орлова Яна Львовна"), second, said)
    assert elsewhere == [("rejected", "organisation_unknown")]
    async with database.sessions() as session:
        statement = "select first_name, birth_date from person order by first_name"
        found = [(row[0], str(row[1])) for row in await session.execute(sa.text(statement))]
        kept = list(await session.scalars(sa.text("select organisation_id from import_mapping")))
    assert found == [("Анна", "1985-04-03"), ("Инна", "1985-04-03")]
    assert sorted(kept) == sorted([school.organisation_id, second.organisation_id])
