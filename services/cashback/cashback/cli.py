"""For operators: `union ledger …`. The database is the cashback service's."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
import typer
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from cashback import ledger
from cashback.commands import payouts

ledger_app = typer.Typer(help="The bonus programme's ledger", no_args_is_help=True)

DatabaseUrl = Annotated[
    str,
    typer.Option(
        envvar=["UNION_CASHBACK_DATABASE_URL", "UNION_DATABASE_URL"],
        help="postgresql+asyncpg://… of the cashback service; needed unless the one-machine stack runs",
        show_envvar=True,
    ),
]


async def verify_database(database_url: str) -> ledger.Verification:
    """Walk through the whole ledger in one snapshot."""
    engine = create_async_engine(database_url, hide_parameters=True)
    try:
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(sa.text("set transaction isolation level repeatable read, read only"))
            return await ledger.verify(session)
    finally:
        await engine.dispose()


@ledger_app.command("verify")
def verify(database_url: DatabaseUrl) -> None:
    """Rebuild every balance from the postings and compare. Ends with 1 when anything differs."""
    found = asyncio.run(verify_database(database_url))
    typer.echo(
        f"{found.accounts} accounts, {found.entries} entries, {found.postings} postings; total {found.total}"
    )
    for difference in found.differences:
        typer.echo(
            f"account {difference.account_id} ({difference.kind}): stored {difference.stored},"
            f" by its postings {difference.derived}"
        )
    for entry_id in found.unbalanced:
        typer.echo(f"entry {entry_id}: its postings are not whole or do not sum to zero")
    typer.echo("the ledger is sound" if found.sound else "THE LEDGER DIFFERS")
    raise typer.Exit(0 if found.sound else 1)


async def expire_in_database(database_url: str, on: datetime, payable_days: int) -> int:
    engine = create_async_engine(database_url, hide_parameters=True)
    done = 0
    try:
        while True:
            async with AsyncSession(engine) as session, session.begin():
                count = await payouts.expire_balances(session, on.date(), payable_days)
            done += count
            if not count:
                return done
    finally:
        await engine.dispose()


@ledger_app.command("expire")
def expire(
    database_url: DatabaseUrl,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; today if left out")] = None,
    payable_days: Annotated[int, typer.Option(envvar="UNION_PAYABLE_DAYS", min=0)] = 365,
) -> None:
    """Expire the balances of those whose time to claim has ended before the day."""
    count = asyncio.run(expire_in_database(database_url, on or datetime.now(UTC), payable_days))
    typer.echo(f"{count} balances expired")
