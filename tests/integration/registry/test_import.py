"""The registers of the example region come into the base, once."""

import asyncio
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import CliRunner
from uuid_utils.compat import uuid7

from common.db import Database
from common.events.registry import MemberAdmitted, OrganisationCreated
from common.settings import Settings
from common.testing import eventually
from registry import rules
from registry.cli import import_app
from registry.commands.applications import admit_applicant, submit_application
from registry.commands.import_batches import import_members
from registry.commands.import_organisations import import_organisations
from registry.commands.importing import FileProgress
from registry.commands.organisations import close_organisation
from registry.consent_texts import CURRENT
from registry.errors import RegistryChanged
from registry.models import Organisation, Person

OMSK = Path(__file__).parents[3] / "examples" / "omsk"
AS_OF = date(2021, 1, 1)
NOW = datetime(2021, 1, 11, 9, tzinfo=UTC)
EXPECTED = json.loads((OMSK / "expected.json").read_text())["totals"]


def files() -> list[Path]:
    return sorted((OMSK / "members").iterdir())


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def counts(database: Database) -> dict[str, int]:
    tables = ("organisation", "person", "member", "membership", "outbox", "consent", "import_file")
    async with database.sessions() as session:
        return {table: await session.scalar(sa.text(f"select count(*) from {table}")) for table in tables}


async def test_a_region_is_imported_once(database: Database, published: Any, tmp_path: Path) -> None:
    tree = await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    assert (tree.created, tree.known, tree.refused) == (EXPECTED["organisations"] + 1, 0, ())
    roots = [event for event in await published(OrganisationCreated) if event.parent_id is None]
    assert [(root.kind, str(root.effective_on)) for root in roots] == [("federal", "2021-01-01")]

    first = await import_members(database, files()[:3], AS_OF, now=NOW)
    seen: list[FileProgress] = []
    rest = await import_members(database, files(), AS_OF, tmp_path, seen.append, now=NOW)
    assert [file.status for file in seen].count("already_imported") == 3
    assert [file.done for file in seen] == list(range(1, EXPECTED["files"] + 1))
    for outcome in ("accepted", "duplicate", "rejected"):
        assert first.totals[outcome] + rest.totals[outcome] == EXPECTED[outcome]
    assert names_in(tmp_path) == {f"{path.name}.xlsx" for path in files()[3:]}

    after = await counts(database)
    assert after["person"] == after["member"] == after["membership"] == EXPECTED["accepted"]
    assert after["consent"] == 0
    admitted = await published(MemberAdmitted)
    assert len({event.member_id for event in admitted}) == EXPECTED["accepted"]
    assert {(event.origin, event.version, event.status) for event in admitted} == {("import", 1, "member")}
    assert all(event.effective_on == event.joined_on <= AS_OF for event in admitted)

    again = await import_members(database, files(), AS_OF, now=NOW)
    assert again.totals["files_already_imported"] == EXPECTED["files"]
    assert again.totals["accepted"] == 0
    assert (await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)).already_imported
    assert await counts(database) == after


async def test_the_same_bytes_under_two_names_count_once(database: Database, tmp_path: Path) -> None:
    await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    copy = tmp_path / "ещё раз.csv"
    copy.write_bytes((OMSK / "members" / "T02.csv").read_bytes())
    result = await import_members(database, [OMSK / "members" / "T02.csv", copy], AS_OF, now=NOW)
    assert {file.name: file.status for file in result.files} == {
        "T02.csv": "imported",
        copy.name: "already_imported",
    }


async def test_who_is_a_member_already_is_not_imported_again(database: Database, tmp_path: Path) -> None:
    await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    original = OMSK / "members" / "T02.csv"
    first = await import_members(database, [original], AS_OF, now=NOW)
    changed = tmp_path / "T02.csv"
    changed.write_bytes(original.read_bytes() + b"\r\n")
    second = await import_members(database, [changed], AS_OF, now=NOW)
    assert second.totals["accepted"] == 0
    assert second.totals["duplicate"] == first.totals["accepted"] + first.totals["duplicate"]


async def test_a_dry_run_writes_nothing(database: Database) -> None:
    tree = await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF, dry_run=True)
    assert tree.created == EXPECTED["organisations"] + 1
    assert set((await counts(database)).values()) == {0}
    await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    before = await counts(database)
    result = await import_members(database, files()[:2], AS_OF, dry_run=True)
    assert result.totals["accepted"] > 0
    assert {file.status for file in result.files} == {"read"}
    assert await counts(database) == before


async def test_a_file_that_is_no_register_is_refused_and_the_others_come_in(
    database: Database, tmp_path: Path
) -> None:
    await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    note = tmp_path / "0-note.txt"
    note.write_text("Добрый день! Списки пришлём завтра.")
    result = await import_members(database, [note, OMSK / "members" / "T02.csv"], AS_OF, tmp_path / "out", now=NOW)
    assert {file.name: file.status for file in result.files} == {note.name: "refused", "T02.csv": "imported"}
    assert result.report["files"][note.name]["status"] == "refused"
    assert (await counts(database))["import_file"] == 2


async def organisation_of(database: Database, name: str) -> UUID:
    async with database.sessions() as session:
        found = sa.select(col(Organisation.organisation_id)).where(col(Organisation.name).contains(name))
        return (await session.scalars(found)).one()


async def test_who_is_admitted_while_a_file_is_read_is_not_imported_as_well(database: Database) -> None:
    await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    school = await organisation_of(database, "Большереченская СОШ № 1")
    born = date(1981, 8, 16)
    name = ("Вахтина", "Эсмира", "Аркадиевна")
    register = OMSK / "members" / "T02.csv"
    async with database.sessions.begin() as session:
        application = await submit_application(
            session,
            organisation_id=school,
            person=Person(
                person_id=uuid7(),
                last_name=name[0],
                first_name=name[1],
                patronymic=name[2],
                birth_date=born,
                match_key=rules.match_key(*name, born),
            ),
            category="working",
            consents=["membership"],
            consent_text_version=CURRENT,
            check_off=False,
            wished_on=AS_OF,
            follow_code="code",
            decision_days=30,
            now=NOW,
        )
        await session.flush()
        member_id = (await admit_applicant(session, application.application_id, "1", AS_OF, False, NOW)).member_id
        await session.flush()
        importing = asyncio.ensure_future(import_members(database, [register], AS_OF, now=NOW))

        async def waits_or_ends() -> bool:
            async with database.sessions() as look:
                waiting = sa.text("select exists (select from pg_locks where not granted)")
                return importing.done() or bool(await look.scalar(waiting))

        await eventually(waits_or_ends, timeout=20)
        assert not importing.done()
    result = await importing
    assert result.files[0].status == "imported"
    assert sum(row["of_person"] == str(member_id) for row in result.report["files"][register.name]["rows"]) == 1
    async with database.sessions() as session:
        twins = await session.scalar(
            sa.select(sa.func.count()).where(col(Person.match_key) == rules.match_key(*name, born))
        )
    assert twins == 1


async def test_nobody_is_imported_into_an_organisation_that_closes_meanwhile(database: Database) -> None:
    await import_organisations(database, OMSK / "organisations.xlsx", NOW, AS_OF)
    school = await organisation_of(database, "Большереченская СОШ № 1")
    async with database.sessions.begin() as session:
        await close_organisation(session, school, "merged", AS_OF, NOW)
        await session.flush()
        importing = asyncio.ensure_future(import_members(database, [OMSK / "members" / "T02.csv"], AS_OF, now=NOW))

        async def waits_or_ends() -> bool:
            async with database.sessions() as look:
                waiting = sa.text("select exists (select from pg_locks where not granted)")
                return importing.done() or bool(await look.scalar(waiting))

        await eventually(waits_or_ends, timeout=20)
    with pytest.raises(RegistryChanged):
        await importing
    assert (await counts(database))["member"] == 0


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("UNION_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("UNION_JWKS_URL", settings.jwks_url)
    return CliRunner()


def test_the_operator_imports_from_the_command_line(environment: CliRunner, tmp_path: Path) -> None:
    tree = environment.invoke(
        import_app, ["organisations", str(OMSK / "organisations.xlsx"), "--as-of", "2021-01-01"]
    )
    assert (tree.exit_code, "created" in tree.output) == (0, True), tree.output
    folder, report = tmp_path / "members", tmp_path / "out" / "report.json"
    folder.mkdir()
    for name in ("T02.csv", "T05.csv"):
        (folder / name).write_bytes((OMSK / "members" / name).read_bytes())
    arguments = ["members", str(folder), "--as-of", "2021-01-01", "--report", str(report)]
    result = environment.invoke(import_app, [*arguments, "--annotated", str(tmp_path / "marked")])
    assert result.exit_code == 0, result.output
    assert "T02.csv: imported, accepted " in result.output
    totals = json.loads(report.read_text())["totals"]
    assert totals["files"] == 2
    assert names_in(tmp_path / "marked") == {"T02.csv.xlsx", "T05.csv.xlsx"}
    again = environment.invoke(import_app, arguments)
    assert "T05.csv: already imported" in again.output
    wrong = environment.invoke(import_app, ["organisations", str(report)])
    assert wrong.exit_code == 1
