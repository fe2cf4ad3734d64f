"""`union doctor`: is each part there, and if not, what to do."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg
import httpx
import sqlalchemy as sa
import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from common import migrate
from common.app import Service
from common.auth import TokenVerifier
from common.db import Database
from common.events import TOPICS, partner_topics
from common.kafka import kafka_security
from common.settings import Settings
from union import output, platform, stack
from union.events import known_partners

_LEAST_FREE_BYTES = 1 << 30


def doctor() -> None:
    """Check settings, databases, schema versions, broker, topics, keys and disk; exit code 1 when one is ill."""
    findings = asyncio.run(_examine())
    output.table("Doctor", ["part", "state", "what to do"], findings)
    if any(state != "well" for _, state, _ in findings):
        raise typer.Exit(1)


async def _examine() -> list[tuple[str, str, str]]:
    findings: list[tuple[str, str, str]] = []

    async def check(part: str, advice: str, look: Callable[[], Awaitable[str | None]]) -> None:
        try:
            trouble = await look()
        except (SQLAlchemyError, asyncpg.PostgresError, OSError, KafkaError, httpx.HTTPError, ValueError) as error:
            trouble = type(error).__name__
        findings.append((part, "well", "") if trouble is None else (part, trouble, advice))

    findings += _processes()
    broker_checked = False
    for service in platform.services():
        try:
            settings = platform.settings_of(service)
        except platform.Misconfigured as error:
            findings.append((f"{service.name}: settings", "incomplete", str(error)))
            continue
        await check(
            f"{service.name}: database",
            f"`union migrate --service {service.name}`, if the database is up",
            partial(_schema, service, settings),
        )
        await check(
            f"{service.name}: token keys",
            "UNION_JWKS_URL must answer with the issuer's keys",
            partial(_keys, settings),
        )
        if not broker_checked:
            broker_checked = True
            await check(
                "broker: topics",
                "`union topics --create`, if the broker is up",
                partial(_topics, settings),
            )
    await check("disk", "free at least 1 GiB", _disk)
    return findings


def _processes() -> list[tuple[str, str, str]]:
    """Those of the one-machine stack, if one runs here, and what they have set aside."""
    local = platform.local_stack()
    if not platform.is_running(local):
        return []
    findings, parked = [], 0.0
    for process in local.status():
        state = "well" if process.ready else "not ready" if process.pid else "not running"
        findings.append((process.name, state, "" if process.ready else f"`union up`; its log is {process.log}"))
        if process.name.endswith("-worker"):
            parked += sum(value for _, value in stack.scrape(process.address)["events_parked_records"])
    findings.append(
        ("parked records", f"{parked:.0f}", "`union parked list`") if parked else ("parked records", "well", "")
    )
    return findings


async def _schema(service: Service, settings: Settings) -> str | None:
    database = Database.connect(settings)
    try:
        async with asyncio.timeout(5), database.engine.connect() as connection:
            current = await connection.scalar(sa.text("select version_num from alembic_version"))
    finally:
        await database.close()
    head = ScriptDirectory.from_config(migrate.config(service, "")).get_current_head()
    return None if current == head else f"schema {current}, this release has {head}"


async def _keys(settings: Settings) -> str | None:
    verifier = TokenVerifier(settings.jwks_url, settings.token_issuer, settings.token_audience)
    return None if await verifier.published_keys() else "no keys"


async def _topics(settings: Settings) -> str | None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, **kafka_security(settings))
    await admin.start()
    try:
        wanted = [*TOPICS, *partner_topics(await known_partners())]
        missing = {topic.name for topic in wanted} - set(await admin.list_topics())
    finally:
        await admin.close()
    return f"missing: {', '.join(sorted(missing))}" if missing else None


async def _disk() -> str | None:
    folder = platform.local_stack().data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return None if free >= _LEAST_FREE_BYTES else f"{free >> 20} MiB free"
