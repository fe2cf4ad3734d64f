"""The operator's commands of the registry, mounted as `union import`."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table as Grid

from common.db import Database
from common.errors import BusinessError
from registry.commands.import_batches import MembersImported, import_members, roll_back_batch
from registry.commands.import_organisations import OrganisationsImported, import_organisations
from registry.commands.import_records import office_of_code
from registry.commands.importing import FileProgress
from registry.config import RegistrySettings
from registry.importing.mapping import NO_MAPPING, Mapping, MappingInvalid
from registry.importing.refusals import UnreadableFile

T = TypeVar("T")

import_app = typer.Typer(help="Import registers: organisations first, then members.", no_args_is_help=True)

AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The date of the registers; default: today."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and decide, write nothing to the base.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="OUT.json", help="Where the report goes.")]
_REGISTERS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".csv", ".txt", ".tsv", ".htm", ".html"})


@import_app.command("organisations")
def organisations_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    as_of: AsOf = None,
    dry_run: DryRun = False,
    report: Report = None,
) -> None:
    """Import the register of organisations (the tree)."""
    _make_room(report)
    day = as_of.date() if as_of else None

    async def work(database: Database) -> OrganisationsImported:
        return await import_organisations(database, file, datetime.now(UTC), day, dry_run=dry_run)

    try:
        result = _run(work)
    except UnreadableFile as refusal:
        typer.echo(f"{file.name}: {refusal.message_ru}", err=True)
        raise typer.Exit(1) from None
    if result.already_imported:
        typer.echo(f"{file.name}: already imported")
    for refused in result.refused:
        typer.echo(f"{refused.sheet or file.name}, row {refused.row}: {refused.message_ru}", err=True)
    _print_counts(
        {"created": result.created, "known": result.known},
        Counter(refused.reason for refused in result.refused),
    )
    _write(report, result.report)


@import_app.command("members")
def members_command(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders of files.")],
    as_of: AsOf = None,
    dry_run: DryRun = False,
    report: Report = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping", metavar="FILE", exists=True, dir_okay=False, help="What the columns mean; YAML or JSON."
        ),
    ] = None,
    office: Annotated[
        str | None,
        typer.Option(
            "--office",
            metavar="CODE",
            help="Whose registers these are: only its organisations, its saved columns.",
        ),
    ] = None,
    annotated: Annotated[
        Path | None, typer.Option("--annotated", metavar="DIR", help="Copies with the decision beside each row.")
    ] = None,
) -> None:
    """Import registers of members. A file imported before has no second effect. Exit code 1 when one is refused."""
    files = list(registers(paths))
    if not files:
        typer.echo("No register is there: none of the files of the folder is a table.", err=True)
        raise typer.Exit(2)
    _make_room(report)
    corrections = _read_mapping(mapping)
    day = as_of.date() if as_of else datetime.now(UTC).date()

    async def work(database: Database) -> MembersImported:
        async with database.sessions() as session:
            within = await office_of_code(session, office) if office else None
        with _progress(len(files)) as advance:
            return await import_members(
                database,
                files,
                day,
                annotated,
                advance,
                dry_run=dry_run,
                mapping=corrections,
                office=within,
                with_rows=report is not None,
            )

    try:
        result = _run(work)
    except BusinessError as refusal:
        typer.echo(refusal.detail, err=True)
        raise typer.Exit(1) from None
    outcomes = ("accepted", "duplicate", "rejected")
    files_seen = ("files", "files_refused", "files_already_imported")
    _print_counts(
        {name: result.totals.get(name, 0) for name in outcomes},
        {name: count for name, count in result.totals.items() if name not in {*outcomes, *files_seen}},
    )
    _write(report, result.report)
    if not dry_run:
        typer.echo(f"batch {result.batch_id}: union import rollback takes it back")
    refused = [
        (name, file["refusal"]["message"]) for name, file in result.report["files"].items() if "refusal" in file
    ]
    for name, message in refused:
        typer.echo(f"{name}: {message}", err=True)
    if refused:
        raise typer.Exit(1)


@import_app.command("rollback")
def rollback_command(batch: Annotated[UUID, typer.Argument(help="As the import printed it.")]) -> None:
    """Take back the members whom an import admitted and nothing has happened to since."""

    async def work(database: Database) -> dict[str, int]:
        async with database.sessions.begin() as session:
            return await roll_back_batch(session, batch)

    try:
        _print_counts(_run(work), {})
    except BusinessError as refusal:
        typer.echo(refusal.detail, err=True)
        raise typer.Exit(1) from None


def _read_mapping(path: Path | None) -> Mapping:
    if path is None:
        return NO_MAPPING
    try:
        return Mapping.of_document(yaml.safe_load(path.read_text(encoding="utf-8-sig")))
    except (MappingInvalid, yaml.YAMLError, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, MappingInvalid) else "This is neither YAML nor JSON."
        typer.echo(f"{path.name}: {said}", err=True)
        raise typer.Exit(2) from None


def registers(paths: list[Path]) -> Iterator[Path]:
    """The files named, and those of the folders named that look like registers."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.suffix.lower() in _REGISTERS and p.is_file())
        else:
            yield path


def _run(work: Callable[[Database], Awaitable[T]]) -> T:
    async def connected() -> T:
        database = Database.connect(RegistrySettings())
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(connected())


@contextmanager
def _progress(files: int) -> Iterator[Callable[[FileProgress], None]]:
    """A bar on a terminal, a line a file elsewhere."""
    console = Console()
    if not console.is_terminal:
        yield lambda file: typer.echo(
            f"{file.name}: {file.status.replace('_', ' ')}, accepted {file.accepted},"
            f" duplicate {file.duplicate}, rejected {file.rejected}"
        )
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("members", total=files)

        def advance(file: FileProgress) -> None:
            bar.update(task, completed=file.done, description=file.name)

        yield advance


def _print_counts(outcomes: dict[str, int], reasons: dict[str, int]) -> None:
    grid = Grid("outcome", "rows")
    for name, count in outcomes.items():
        grid.add_row(name, str(count))
    for name, count in sorted(reasons.items()):
        grid.add_row(f"  {name}", str(count))
    Console().print(grid)


def _make_room(target: Path | None) -> None:
    """Before the import: a report that cannot be written afterwards would be lost."""
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


def _write(target: Path | None, document: dict[str, object]) -> None:
    if target is not None:
        target.write_text(json.dumps(document, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
