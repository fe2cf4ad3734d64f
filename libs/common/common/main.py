"""What every service's `python -m SERVICE.main COMMAND` can do."""

import argparse
import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import ProgrammingError

from common.app import Service, build_api, build_worker
from common.db import Database, sqlstate
from common.events import TOPICS, partner_topics
from common.serving import serve
from common.settings import Settings
from common.topics import provision

_NO_SUCH_TABLE = "42P01"

COMMANDS = ("api", "worker", "migrate", "topics")


async def registered_partners(service: Service, settings: Settings) -> list[str]:
    """The codes in the service's register of partners; none before its first migration."""
    if service.partners is None:
        return []
    database = Database.connect(settings)
    try:
        async with database.sessions() as session:
            return await service.partners(session)
    except ProgrammingError as error:
        if sqlstate(error) != _NO_SUCH_TABLE:
            raise
        return []
    finally:
        await database.close()


def run(service: Service, arguments: Sequence[str] | None = None) -> None:
    """Run one of the service's processes, or one of its two set-up steps, until it ends.

    Settings are read here, once; a missing one ends the start with its name.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {service.name}.main", description=service.title)
    parser.add_argument("command", choices=COMMANDS)
    command: str = parser.parse_args(arguments).command
    settings: Settings = service.settings()
    if command == "migrate":
        from common import migrate  # alembic takes a quarter of a process's start, and eight of nine never need it

        migrate.upgrade(service, settings.database_url.get_secret_value())
    elif command == "topics":
        # Its partners' topics too, those in its register and those that only its settings name.
        named = {s.topic for s in service.subscriptions(settings) if s.topic.template}
        registered = set(partner_topics(asyncio.run(registered_partners(service, settings))))
        of_partners = sorted(named | registered, key=lambda topic: topic.name)
        asyncio.run(provision(settings, [*TOPICS, *of_partners]))
    else:
        build = build_api if command == "api" else build_worker
        serve(lambda: build(service, settings), settings, service.name, f"{service.name}-{command}")
