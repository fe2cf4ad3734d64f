"""`union topics`, `union republish`, `union parked …`: the operator's hand on the events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress
from sqlalchemy import ARRAY, Text, bindparam, text

from common import parking
from common.app import Service
from common.db import Database
from common.events import TOPICS, partner_topics, topic_of_partner
from common.main import registered_partners
from common.outbox import republish as republish_events
from common.processing import Processor
from common.settings import Settings
from common.topics import provision, topic_config
from union import output, platform

T = TypeVar("T")

parked_app = typer.Typer(
    help="Records that were set aside: look, retry in order, discard with a reason.", no_args_is_help=True
)

ServiceOption = Annotated[str | None, typer.Option("--service", help="registry, cards, cashback or reports")]


async def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    database = Database.connect(settings)
    try:
        return await work(database)
    finally:
        await database.close()


def chosen(service: str | None) -> list[Service]:
    return [platform.service_named(service)] if service else platform.services()


def topics(create: Annotated[bool, typer.Option(help="Create those that are missing.")] = False) -> None:
    """The topics of the catalogue and of each partner: owner, retention; with --create, make the missing ones."""
    made: list[str] = []
    every = [*TOPICS, *partner_topics(asyncio.run(known_partners()))]
    if create:
        made = asyncio.run(provision(platform.settings_of(platform.service_named("cashback")), every))
    output.table(
        "Topics",
        ["topic", "owner", "settings"],
        [[t.name, t.owner, ", ".join(f"{k}={v}" for k, v in topic_config(t).items())] for t in every],
    )
    if create:
        output.say(f"Created: {', '.join(made)}." if made else "All topics exist.")


async def known_partners() -> list[str]:
    """The codes in the services' registers of partners."""
    return [
        code
        for service in platform.services()
        if service.partners
        for code in await registered_partners(service, platform.settings_of(service))
    ]


def republish(
    service: ServiceOption = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only these topics.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Count only.")] = False,
) -> None:
    """Send the owners' histories again, with their first ids: projections catch up, effects do not repeat."""
    unknown = sorted(
        name for name in set(topic or ()) - {t.name for t in TOPICS} if topic_of_partner(name) is None
    )
    if unknown:
        output.refuse(f"There is no topic {', '.join(unknown)}; `union topics` lists them.")
    total = asyncio.run(republish_all(chosen(service), topic, dry_run))
    output.say(f"{'Would republish' if dry_run else 'Republished'} {total} events.")


async def republish_all(
    services: list[Service], topics: list[str] | None = None, dry_run: bool = False, quiet: bool = False
) -> int:
    """Republish the history of `services`, in transactions of 2,000 events; returns the number of events."""
    total = 0
    with Progress(console=output.console, disable=quiet or not output.console.is_terminal) as progress:
        for service in services:
            owned = [t.name for t in TOPICS if t.owner == service.name]

            async def work(database: Database, owned: list[str] = owned, service: Service = service) -> int:
                names = [*owned, *await sent_to_partners(database)]
                names = [name for name in names if topics is None or name in topics]
                known = await history_size(database, names)
                bar = progress.add_task(f"republish {service.name}", total=known)
                position, sent = 0, 0
                while not dry_run:
                    async with database.sessions.begin() as session:
                        position, count = await republish_events(session, names, position, 2_000)
                    progress.update(bar, advance=count)
                    sent += count
                    if not count:
                        break
                return known if dry_run else sent

            total += await with_database(platform.settings_of(service), work)
    return total


async def sent_to_partners(database: Database) -> list[str]:
    """The topics of single partners that this service has told something on."""
    async with database.sessions() as session:
        names = await session.scalars(
            text("select distinct topic from event_history where topic like 'partner.%'")
        )
        return [name for name in names if topic_of_partner(name) is not None]


async def history_size(database: Database, topics: list[str]) -> int:
    statement = text("select count(*) from event_history where topic = any(:topics)").bindparams(
        bindparam("topics", type_=ARRAY(Text))
    )
    async with database.sessions() as session:
        return int((await session.execute(statement, {"topics": topics})).scalar_one())


@parked_app.command("list")
def list_parked(service: ServiceOption = None) -> None:
    """What is set aside, in the order of retry."""
    rows: list[list[object]] = []
    for each in chosen(service):

        async def work(database: Database) -> list[parking.Parked]:
            async with database.sessions() as session:
                return await parking.parked_records(session)

        rows.extend(
            [each.name, p.id, p.consumer, p.record.key, p.code, p.attempts, f"{p.parked_at:%F %T}"]
            for p in asyncio.run(with_database(platform.settings_of(each), work))
        )
    if not rows:
        output.say("Nothing is parked.")
        return
    output.table("Parked records", ["service", "id", "consumer", "key", "code", "attempts", "parked at"], rows)


@parked_app.command("show")
def show_parked(service: str, parked_id: int) -> None:
    """One record: its reason, headers and body."""

    async def work(database: Database) -> parking.Parked | None:
        async with database.sessions() as session:
            return next(
                (p for p in await parking.parked_records(session, limit=100_000) if p.id == parked_id), None
            )

    item = asyncio.run(with_database(platform.settings_of(platform.service_named(service)), work))
    if item is None:
        output.refuse(f"{service} has no parked record {parked_id}; see `union parked list --service {service}`.")
    record = item.record
    output.say(f"{item.consumer} · {item.code} · {item.reason}")
    output.say(f"{record.topic}/{record.partition}@{record.offset} key {record.key}")
    for name, value in record.headers:
        output.say(f"  {name}: {(value or b'').decode(errors='backslashreplace')}")
    output.say("no body" if record.payload is None else record.payload.decode(errors="backslashreplace"))


@parked_app.command("retry")
def retry_parked(
    service: ServiceOption = None, key: Annotated[str | None, typer.Option(help="Only this key.")] = None
) -> None:
    """Process parked records again, per key in their order, until one fails. Exit code 1 when some are left."""
    all_left = 0
    for each in chosen(service):
        settings = platform.settings_of(each)

        async def work(database: Database, each: Service = each, settings: Settings = settings) -> tuple[int, int]:
            done = left = 0
            for subscription in each.subscriptions(settings):
                finished, remaining = await Processor(subscription, database).retry(key)
                done, left = done + finished, left + remaining
            return done, left

        done, left = asyncio.run(with_database(settings, work))
        all_left += left
        if done or left:
            output.say(f"{each.name}: finished {done}, left {left}")
    if all_left:
        output.refuse(
            f"{all_left} records are still parked; `union parked list` names them, `union parked show` tells why.",
            1,
        )
    output.say("Nothing is parked." if key is None else f"Nothing with the key {key} is parked.")


@parked_app.command("discard")
def discard_parked(
    service: str, parked_id: int, reason: Annotated[str, typer.Option(prompt="Why may it be lost?")]
) -> None:
    """Drop a record for good; those behind it can then be retried."""

    async def work(database: Database) -> bool:
        async with database.sessions.begin() as session:
            return await parking.release(session, parked_id)

    if not asyncio.run(with_database(platform.settings_of(platform.service_named(service)), work)):
        output.refuse(f"{service} has no parked record {parked_id}; see `union parked list --service {service}`.")
    output.say(f"Discarded {service} {parked_id}: {reason}")
