"""Reports on a base of the union's size: forming everything, hearing events, the cockpit, any figure of any day."""

import asyncio
import itertools
import logging
import random
import time
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import structlog

from bench import national
from bench.measure import Report, Row, Turns, measure, measure_most
from bench.part import Part, Run
from bench.projection import consuming_rate
from bench.relay import bare_producer_rate
from bench.world import Servers, execute, member_messages
from common import migrate
from common.app import build_api
from common.consumers import Subscription
from common.db import Database
from common.events.registry import MEMBER_EVENTS, MEMBERS
from common.projections import Projection
from common.testing import TestIssuer
from common.topics import provision
from reports import tallies
from reports.commands.forming import form_for
from reports.config import ReportsSettings
from reports.consumers import subscriptions
from reports.forms import FormBook
from reports.indicators import catalogue
from reports.main import service
from reports.models import Member

DATABASES = ("national", "heard")
EVENTS, KEYS = 20_000, 5_000
AS_OF = date(2021, 1, 1)
COCKPITS, FIGURES = 400, 30
"""Requests in one turn."""

_BARE = """
insert into bare_report select organisation_id, jsonb_build_object(
  '01', count(*) filter (where status = 'member'),
  '02', count(*) filter (where status = 'member' and category = 'working'),
  '03', count(*) filter (where status = 'member' and category = 'student'),
  '04', count(*) filter (where status = 'member' and category = 'pensioner'),
  '05', count(*) filter (where status = 'member' and category is null),
  '06', count(*) filter (where status = 'member' and birth_year > 1985),
  '07', count(*) filter (where status = 'member' and sex = 'female'),
  '08', count(*) filter (where status = 'member' and pedagogical),
  '13', count(*) filter (where joined_on > date '2020-01-01' and joined_on <= date '2021-01-01'),
  '14', count(*) filter (where status = 'left' and left_on > date '2020-01-01' and left_on <= date '2021-01-01'),
  '15', count(*) filter (where status = 'expelled' and left_on > date '2020-01-01' and left_on <= date '2021-01-01'),
  '16', count(*) filter (where event_type = 'registry.member_transferred.v1'))
from member_fact group by organisation_id
"""
"""One GROUP BY over the same facts and the write of its result: no days, no tree, no sums, no revisions, no events."""


async def prepare(servers: Servers, size: national.Size, report: Report) -> None:
    """The base, migrated and filled, with its counters; and an empty one to hear events."""
    for database in DATABASES:
        await asyncio.to_thread(migrate.upgrade, service, servers.postgres.url(database))
    report(f"writing {size.organisations:,} organisations and {size.members:,} members")
    dsn = servers.dsn("national")
    await national.write(dsn, size)
    report("counting everything once")
    connected = Database.connect(_settings(servers, "national"))
    async with connected.sessions.begin() as session:
        await tallies.rebuild(session, datetime.now(UTC), None)
    await connected.close()
    await execute(dsn, "vacuum analyze")


def _settings(servers: Servers, database: str, **more: Any) -> ReportsSettings:
    return ReportsSettings(
        database_url=servers.postgres.url(database),
        kafka_bootstrap=servers.broker.bootstrap,
        kafka_idempotent=False,
        **{"jwks_url": "file:///none", **more},
    )


async def formation_row(servers: Servers, size: national.Size, turns: Turns, report: Report) -> Row:
    """Reports a second: everybody's, by all three forms, with sums, revisions and events; and the bare statement."""
    dsn = servers.dsn("national")
    database = Database.connect(_settings(servers, "national"))
    book = FormBook.read(ReportsSettings.model_fields["report_forms_folder"].default, catalogue())
    await execute(dsn, "create table if not exists bare_report (organisation_id uuid primary key, figures jsonb)")

    async def ours() -> float:
        await execute(
            dsn,
            "alter table report_revision disable trigger user",
            "truncate report, report_revision, outbox, tally_delta",
            "alter table report_revision enable trigger user",
            "vacuum analyze outbox",
        )
        begun = time.perf_counter()
        async with database.sessions.begin() as session:
            made = await form_for(session, book, list(book.newest.values()), AS_OF, datetime.now(UTC), None)
        seconds = time.perf_counter() - begun
        formed = sum(item.formed for item in made)
        if formed != size.organisations - 1:
            raise AssertionError(f"{formed} reports of {size.organisations} organisations")
        return formed / seconds

    async def limit() -> float:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute("truncate bare_report")
            await connection.execute("set work_mem = '128MB'; set jit = off")
            begun = time.perf_counter()
            await connection.execute(_BARE)
            return (size.organisations - 1) / (time.perf_counter() - begun)
        finally:
            await connection.close()

    try:
        return await measure("all reports", "reports/s", ours, limit, turns=turns, aim=1 / 3, report=report)
    finally:
        await database.close()


async def consuming_row(servers: Servers, count: int, turns: Turns, report: Report) -> Row:
    """Events of members a second, with facts, intervals and counters; and by a projection alone."""
    dsn, own = servers.dsn("heard"), _settings(servers, "heard")
    numbers = itertools.count()

    def whole() -> Subscription:
        [found] = [s for s in subscriptions(own) if s.topic is MEMBERS]
        found.consumer = f"bench-whole-{next(numbers)}"
        return found

    def alone() -> Subscription:
        found = Subscription(f"bench-alone-{next(numbers)}", MEMBERS)
        found.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)
        return found

    clear = "truncate member, member_fact, tally_delta"

    async def ours() -> float:
        await execute(dsn, clear, "alter table member enable trigger user")
        return await consuming_rate(own, whole(), count)

    async def limit() -> float:
        await execute(dsn, clear, "alter table member disable trigger user")
        return await consuming_rate(own, alone(), count)

    return await measure("hearing members", "events/s", ours, limit, turns=turns, aim=0.5, report=report)


async def reading_rows(servers: Servers, size: national.Size, turns: Turns, report: Report) -> list[Row]:
    """The slowest of a hundred cockpits, and the slowest figure of a region, through the whole API."""
    # A line a request is production's to write, not this table's.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    issuer = TestIssuer(servers.folder)
    settings = _settings(servers, "national", jwks_url=issuer.jwks_url)
    database = Database.connect(settings)
    transport = httpx.ASGITransport(build_api(service, settings, database))
    headers = issuer.bearer("federal_staff")
    dice = random.Random(11)
    async with database.sessions.begin() as session:
        await tallies.add_up(session, datetime.now(UTC), None)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://reports", headers=headers) as client:

            async def milliseconds(address: str, **wanted: Any) -> float:
                begun = time.perf_counter()
                answer = await client.get(address, params=wanted)
                seconds = time.perf_counter() - begun
                if answer.status_code != 200:
                    raise AssertionError(answer.text)
                return seconds * 1000

            async def cockpits() -> float:
                took = []
                for number in range(COCKPITS):
                    highest = (1, national.REGIONS + 1, size.above, size.organisations)[number % 4]
                    node = _id(dice.randrange(highest))
                    took.append(await milliseconds(f"/v1/organisations/{node}/cockpit"))
                return sorted(took)[int(len(took) * 0.99)]

            async def figures() -> float:
                took = []
                for number in range(FIGURES):
                    wanted = {"organisation_id": str(_id(dice.randrange(1, national.REGIONS + 1)))}
                    wanted["as_of"] = str(date(dice.choice([2019, 2020, 2021]), dice.randint(1, 12), 1))
                    if number % 2:
                        wanted["known_at"] = f"2020-{dice.randint(1, 12):02d}-01T00:00:00Z"
                    took.append(await milliseconds("/v1/statistics", **wanted))
                return max(took)

            return [
                await measure_most("cockpit, p99", "ms", cockpits, turns=turns, most=50, report=report),
                await measure_most("a region's figures", "ms", figures, turns=turns, most=1000, report=report),
            ]
    finally:
        await database.close()


def _id(number: int) -> UUID:
    return UUID(f"00000000-0000-7000-8000-{number:012x}")


async def rows(run: Run) -> list[Row]:
    """Measure the wanted rows on a base of the wanted size."""
    servers, turns, size = run.servers, run.turns, national.Size.share(run.size)
    await prepare(servers, size, run.tell)
    found = []
    if run.wanted & {"formation", "reading"}:
        # The cockpit shows reports: they are formed even when the row is not wanted.
        formed = await formation_row(
            servers, size, turns if "formation" in run.wanted else turns.no_more_than(1), run.tell
        )
        found += [formed] if "formation" in run.wanted else []
    if "hearing" in run.wanted:
        settings = _settings(servers, "heard")
        await provision(settings, [MEMBERS])
        await bare_producer_rate(settings, member_messages(EVENTS, KEYS))
        found.append(await consuming_row(servers, EVENTS, turns, run.tell))
    if "reading" in run.wanted:
        found += await reading_rows(servers, size, turns, run.tell)
    return found


PART = Part("reports", ("formation", "hearing", "reading"), rows, databases=DATABASES)
