"""`union rebuild`: what a service knows of the others, from the topics again."""

import asyncio
from typing import Annotated

import typer
from rich.progress import Progress

from common.db import Database
from common.errors import BusinessError
from common.rebuild import Rebuilt
from common.rebuild import rebuild as rebuild_from_topics
from union import output, platform, stack
from union.events import republish_all, with_database


def rebuild(
    service: Annotated[str, typer.Argument(help="registry, cards, cashback or reports")],
    dry_run: Annotated[bool, typer.Option(help="Compare only.")] = False,
    republish: Annotated[
        bool, typer.Option(help="First let the owners send their histories again: what compaction has forgotten.")
    ] = False,
    prune: Annotated[bool, typer.Option(help="Remove rows that the topics do not tell of, too.")] = False,
) -> None:
    """Read again from the topics what a service knows of the others, compare, and put right what differs."""
    chosen_service = platform.service_named(service)
    settings = platform.settings_of(chosen_service)
    subscriptions = chosen_service.subscriptions(settings)
    if republish:
        total = asyncio.run(republish_all(platform.services(), [s.topic.name for s in subscriptions]))
        output.say(f"Republished {total} events.")
        stack.wait_until_quiet(output.console)

    async def work(database: Database) -> Rebuilt:
        with Progress(console=output.console, disable=not output.console.is_terminal) as bars:
            bar = bars.add_task(f"read the topics of {service}", total=None)
            return await rebuild_from_topics(
                subscriptions,
                database,
                settings,
                lambda done, total: bars.update(bar, completed=done, total=total),
                dry_run,
                prune,
                chosen_service.derived,
            )

    try:
        result = asyncio.run(with_database(settings, work))
    except (BusinessError, OSError) as error:
        output.refuse(str(error))
    output.table(
        f"{service}: {result.records} records read, {result.unreadable} unreadable",
        ["table", "rows", "as they should be", "missing", "differing", "extra"],
        [[d.table, d.live, d.rebuilt, d.missing, d.differing, d.extra] for d in result.differences],
    )
    left = [d for d in result.differences if (d.extra and not prune) or (dry_run and not d.same)]
    if all(d.same for d in result.differences):
        output.say("The service has what the topics tell of, to the row.")
    elif dry_run:
        output.say("Nothing was changed: without --dry-run what is missing or differs is put right.")
    else:
        output.say("Put right." if not left else "Put right, but for extra rows: --republish, or --prune them.")
    if left:
        raise typer.Exit(1)
