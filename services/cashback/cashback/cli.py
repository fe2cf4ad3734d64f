"""For operators: `union ledger …`. The database is the cashback service's."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from cashback import audit, chain, keys
from cashback.commands import expiry
from cashback.models import Checkpoint
from common.outbox import OutboxSession

ledger_app = typer.Typer(help="The bonus programme's ledger", no_args_is_help=True)

DatabaseUrl = Annotated[
    str,
    typer.Option(
        envvar=["UNION_CASHBACK_DATABASE_URL", "UNION_DATABASE_URL"],
        help="postgresql+asyncpg://… of the cashback service; needed unless the one-machine stack runs",
        show_envvar=True,
    ),
]


@dataclass(frozen=True)
class Verified:
    books: audit.Verification
    chain: chain.ChainVerification

    @property
    def sound(self) -> bool:
        return self.books.sound and not self.chain.findings


async def verify_database(
    database_url: str, trusted: Sequence[Ed25519PublicKey], anchors: Sequence[chain.Anchor] = ()
) -> Verified:
    """Walk through the whole ledger and along its chain in one snapshot."""
    engine = create_async_engine(database_url, hide_parameters=True)
    try:
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(sa.text("set transaction isolation level repeatable read, read only"))
            return Verified(await audit.verify(session), await chain.verify_chain(session, trusted, anchors))
    finally:
        await engine.dispose()


@ledger_app.command("verify")
def verify(
    database_url: DatabaseUrl,
    key: Annotated[
        Path,
        typer.Option(
            envvar="UNION_LEDGER_KEY_FILE",
            help="PEM of the public keys that checkpoints may be signed with, or of the private one",
            exists=True,
            dir_okay=False,
        ),
    ],
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint kept elsewhere, as `union ledger checkpoint` prints it", exists=True),
    ] = None,
) -> None:
    """Rebuild every balance from the postings, follow the chain, check the seals. Ends with 1 on any difference."""
    anchors = [_anchor(path) for path in anchor or ()]
    found = asyncio.run(verify_database(database_url, _trusted(key), anchors))
    books, links = found.books, found.chain
    typer.echo(
        f"{books.accounts} accounts, {books.entries} entries, {books.postings} postings; total {books.total};"
        f" {links.links} in the chain, {links.waiting} wait for it, {links.checkpoints} checkpoints"
    )
    for difference in books.differences:
        typer.echo(
            f"account {difference.account_id} ({difference.kind}): stored {difference.stored},"
            f" by its postings {difference.derived}"
        )
    for entry_id in books.unbalanced:
        typer.echo(f"entry {entry_id}: its postings are not whole or do not sum to zero")
    for cap in books.caps:
        typer.echo(f"cap {cap.cap}: stored {cap.stored}, by its purchases {cap.derived}")
    for finding in links.findings:
        typer.echo(f"{finding.code}: {finding.sentence}")
    typer.echo("the ledger is sound" if found.sound else "THE LEDGER DIFFERS")
    raise typer.Exit(0 if found.sound else 1)


def _trusted(path: Path) -> list[Ed25519PublicKey]:
    try:
        return keys.ledger_public_keys(path)
    except (ValueError, TypeError):
        raise typer.BadParameter(f"{path} holds no Ed25519 key in PEM") from None


def _anchor(path: Path) -> chain.Anchor:
    try:
        said = json.loads(path.read_text())
        return chain.Anchor(
            date.fromisoformat(said["day"]),
            int(said["sequence"]),
            bytes.fromhex(said["digest"]),
            bytes.fromhex(said["signature"]),
        )
    except (ValueError, KeyError, TypeError):
        raise typer.BadParameter(f"{path} is not a checkpoint as `union ledger checkpoint` prints it") from None


@ledger_app.command("checkpoint")
def checkpoint(database_url: DatabaseUrl) -> None:
    """Print the newest checkpoint as JSON, to be kept where nobody who can write to the database can."""
    newest = asyncio.run(_newest(database_url))
    if newest is None:
        typer.echo("no checkpoint yet: the worker makes one for each day that has ended", err=True)
        raise typer.Exit(1)
    said = {
        "day": newest.day.isoformat(),
        "sequence": newest.sequence,
        "digest": newest.digest.hex(),
        "key_id": newest.key_id,
        "signature": newest.signature.hex(),
    }
    typer.echo(json.dumps(said))


async def _newest(database_url: str) -> Checkpoint | None:
    engine = create_async_engine(database_url, hide_parameters=True)
    try:
        async with AsyncSession(engine) as session:
            newest = sa.select(Checkpoint).order_by(sa.text("day desc")).limit(1)
            return (await session.scalars(newest)).first()
    finally:
        await engine.dispose()


async def expire_in_database(
    database_url: str, on: date, payable_days: int, unused_days: int, outbox_shards: int
) -> int:
    engine = create_async_engine(database_url, hide_parameters=True)
    sessions = async_sessionmaker(
        engine, expire_on_commit=False, sync_session_class=OutboxSession, info={"outbox_shards": outbox_shards}
    )
    done = 0
    try:
        while True:
            async with sessions.begin() as session:
                count = await expiry.expire_balances(session, on, payable_days)
            done += count
            if not count:
                break
        after = None
        while unused_days:
            async with sessions.begin() as session:
                count, after = await expiry.expire_unused(session, on, unused_days, after)
            done += count
            if after is None:
                break
        return done
    finally:
        await engine.dispose()


@ledger_app.command("expire")
def expire(
    database_url: DatabaseUrl,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; today if left out")] = None,
    payable_days: Annotated[int, typer.Option(envvar="UNION_PAYABLE_DAYS", min=0)] = 365,
    unused_days: Annotated[int, typer.Option(envvar="UNION_UNUSED_DAYS", min=0, help="0: never")] = 0,
    outbox_shards: Annotated[int, typer.Option(envvar="UNION_OUTBOX_SHARDS", min=1)] = 4,
) -> None:
    """Expire, as of a day, what nobody may claim any more. The worker does it daily as of today."""
    day = (on or datetime.now(UTC)).date()
    count = asyncio.run(expire_in_database(database_url, day, payable_days, unused_days, outbox_shards))
    typer.echo(f"{count} balances expired")
