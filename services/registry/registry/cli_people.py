"""The operator's commands over people, mounted as `union member`: erasure, its act, its journal."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from common.db import Database
from common.errors import BusinessError
from common.events.registry import MemberErased
from registry.acts import Act, Told, text_of
from registry.commands import erasure_journal
from registry.commands.erasure import erase_person
from registry.config import RegistrySettings
from registry.keys import ErasureKey
from registry.models import Erasure
from registry.queries import records

T = TypeVar("T")

member_app = typer.Typer(help="People: erase one, print the act, keep the journal.", no_args_is_help=True)

_REFUSED = 1
_USAGE = 2


@member_app.command("erase")
def erase(
    member_id: Annotated[UUID | None, typer.Argument(help="Any record of the person.")] = None,
    *,
    request_number: Annotated[str, typer.Option(help="The number of the person's request.")] = "",
    requested_by: Annotated[str, typer.Option(help="Who asks.")] = "",
    approved_by: Annotated[str, typer.Option(help="Who approves: somebody else.")] = "",
    journal: Annotated[Path | None, typer.Option(help="A file kept apart, to which the erasure is added.")] = None,
    reapply: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A journal: erase again what a restore brought."),
    ] = None,
) -> None:
    """Erase a person everywhere, at once and for good; prints the act. Or, after a restore, --reapply JOURNAL."""
    if reapply is not None:
        _reapply(reapply)
        return
    if member_id is None or not request_number or not requested_by or not approved_by:
        _refuse("Give the member's id, --request-number, --requested-by and --approved-by.", _USAGE)
    if requested_by.strip().casefold() == approved_by.strip().casefold():
        _refuse("Somebody else must approve what you asked for: four eyes, two people.", _USAGE)
    _make_room(journal)

    async def work(session: AsyncSession, key: ErasureKey) -> tuple[str, str]:
        erasure = await erase_person(
            session,
            member_id,
            request_number=request_number,
            requested_by=f"operator: {requested_by.strip()}",
            approved_by=f"operator: {approved_by.strip()}",
            key=key,
            now=datetime.now(UTC),
        )
        return await _text(session, erasure), erasure_journal.journal_line(erasure, key)

    text, line = _run(work)
    if journal is not None:
        with journal.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    typer.echo(text)


@member_app.command("act")
def act(erasure_id: Annotated[UUID, typer.Argument(help="The number of the erasure.")]) -> None:
    """Print the act of an erasure."""

    async def work(session: AsyncSession, _key: ErasureKey) -> str | None:
        erasure = await session.get(Erasure, erasure_id)
        return await _text(session, erasure) if erasure else None

    text = _run(work)
    if text is None:
        _refuse("There is no erasure of this number; `union member journal -` lists them.")
    typer.echo(text)


@member_app.command("journal")
def journal_command(
    out: Annotated[Path, typer.Argument(help="Where the journal goes; - prints it.", metavar="OUT.jsonl")],
) -> None:
    """Write all erasures, sealed, to a file that is kept apart from the base and its backups."""

    async def work(session: AsyncSession, key: ErasureKey) -> list[str]:
        return [erasure_journal.journal_line(row, key) for row in await erasure_journal.erasures(session)]

    if str(out) != "-":
        _make_room(out)
    lines = _run(work)
    text = "".join(f"{line}\n" for line in lines)
    if str(out) == "-":
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"{len(lines)} erasures are in {out}.")


def _reapply(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()

    async def work(session: AsyncSession, key: ErasureKey) -> tuple[int, int]:
        entries = erasure_journal.read_journal(lines, key)
        now = datetime.now(UTC)
        again = [await erasure_journal.reapply(session, entry, key, now) for entry in entries]
        return sum(again), len(again)

    again, entries = _run(work)
    typer.echo(f"{entries} erasures in the journal: {again} done again, {entries - again} were still done.")


async def _text(session: AsyncSession, erasure: Erasure) -> str:
    act = Act.model_validate(erasure.act)
    sent = await records.sent(session, erasure.member_ids, MemberErased.event_type)
    told = [
        Told(member_id=UUID(member), version=version, sent=UUID(member) in sent)
        for member, version in act.told.items()
    ]
    return text_of(act, told)


def _run(work: Callable[[AsyncSession, ErasureKey], Awaitable[T]]) -> T:
    async def connected() -> T:
        settings = RegistrySettings()
        key = ErasureKey.load(settings)
        database = Database.connect(settings)
        try:
            async with database.sessions.begin() as session:
                return await work(session, key)
        finally:
            await database.close()

    try:
        return asyncio.run(connected())
    except BusinessError as refusal:
        _refuse(refusal.detail)


def _make_room(file: Path | None) -> None:
    """Before anything is done: a journal that cannot be written afterwards would be lost."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def _refuse(sentence: str, code: int = _REFUSED) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
