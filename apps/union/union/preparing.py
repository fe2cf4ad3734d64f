"""What the one-machine stack does before its services start: schemas and topics. Repeatable."""

import asyncio

from common import migrate
from common.events import TOPICS
from common.settings import Settings
from common.topics import provision
from local_stack import Addresses
from union import platform


def databases(addresses: Addresses) -> None:
    for service in platform.services():
        migrate.upgrade(service, addresses.database_urls[service.name])


def topics(addresses: Addresses) -> None:
    settings = Settings(
        database_url=addresses.database_urls["registry"],
        kafka_bootstrap=addresses.kafka_bootstrap,
        jwks_url=addresses.jwks_url,
    )
    asyncio.run(provision(settings, TOPICS))
