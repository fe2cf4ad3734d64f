"""A phone of the staff loads an organisation of 5,000 members; a change reaches the next phone."""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from bench.client import serving
from bench.measure import Row, measure_alone
from bench.part import Part, Run
from bench.world import Servers
from common import migrate
from common.testing import TestIssuer
from local_stack.ports import HOST, free_port
from registry.main import service as registry
from tests.pocket import Pocket

MEMBERS = 5_000
PAGE = 2_000
DATABASE = "pocket"

_FILL = """
with place as (
    insert into organisation (organisation_id, kind, code, name, search_name, status, opened_on, version, parent_id)
    values ('{root}', 'federal', 'R', 'Профсоюз', ' профсоюз ', 'active', '2000-01-01', 1, null),
           ('{place}', 'regional', 'P', 'Регион', ' регион ', 'active', '2000-01-01', 1, '{root}')
), people as (
    insert into person (person_id, last_name, first_name, patronymic, birth_date, sex, phone, email, match_key)
    select gen_random_uuid(), 'Константинопольская', 'Александра', 'Владимировна', date '1980-01-01', 'female',
           '+7913' || lpad(n::text, 7, '0'), 'member' || n || '@example.org', 'x' || n
    from generate_series(1, {members}) as n returning person_id
), members as (
    insert into member (member_id, person_id, organisation_id, status, category, sex, birth_year, joined_on, version)
    select gen_random_uuid(), person_id, '{place}', 'member', 'working', 'female', 1980, '2020-01-01', 1
    from people
    returning member_id
)
insert into consent (consent_id, member_id, purpose, text_version, text_hash, channel, given_at)
select gen_random_uuid(), member_id, purpose, '2021-1', 'x', 'paper', now()
from members, unnest(array['cards', 'membership']) as purpose
"""


@contextlib.asynccontextmanager
async def phones(servers: Servers, issuer: TestIssuer) -> AsyncIterator[tuple[Pocket, Pocket]]:
    """Two phones of one office, before a registry of its own with 5,000 members."""
    url = servers.postgres.url(DATABASE)
    await asyncio.to_thread(migrate.upgrade, registry, url)
    place = uuid.uuid4()
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(sa.text(_FILL.format(root=uuid.uuid4(), place=place, members=MEMBERS)))
    await engine.dispose()
    with _api(servers, issuer) as port:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=60) as http:
            bearer = issuer.bearer("regional_staff", sub="bench", organisation_id=place)
            yield Pocket(http, bearer, page=PAGE), Pocket(http, bearer, page=PAGE)


@contextlib.contextmanager
def _api(servers: Servers, issuer: TestIssuer) -> Iterator[int]:
    port = free_port()
    environment = {
        "UNION_DATABASE_URL": servers.postgres.url(DATABASE),
        "UNION_JWKS_URL": issuer.jwks_url,
        "UNION_HTTP_PORT": str(port),
    }
    with serving("registry.main", "api", servers=servers, environment=environment, port=port):
        yield port


async def snapshot_rate(pocket: Pocket) -> float:
    """Members a second of a whole snapshot, as the phone gets it: 5,000 or more is the second that is asked for."""
    pocket.cursor = None
    begun = time.perf_counter()
    await pocket.pull()
    seconds = time.perf_counter() - begun
    if len(pocket.store.members) != MEMBERS:
        raise RuntimeError(f"the phone has {len(pocket.store.members)} members")
    return MEMBERS / seconds


_numbers = itertools.count(1)


async def propagation_rate(first: Pocket, second: Pocket, changes: int = 20) -> float:
    """Changes a second: made offline on one phone, sent, and fetched by the other, one after another."""
    members = sorted(first.store.members)
    begun = time.perf_counter()
    for number in range(changes):
        phone = f"+7999{next(_numbers):07d}"
        first.change(members[number], phone=phone)
        await first.synchronise()
        await second.pull()
        if second.store.members[members[number]]["phone"] != phone:
            raise RuntimeError("the change did not reach the other phone")
    return changes / (time.perf_counter() - begun)


async def rows(run: Run) -> list[Row]:
    """Both rows: the second needs what the first has loaded."""
    async with phones(run.servers, TestIssuer(run.servers.folder)) as (first, second):
        loaded = await measure_alone(
            f"pocket: snapshot of {MEMBERS:,} members",
            "members/s",
            lambda: snapshot_rate(first),
            turns=run.turns,
            report=run.tell,
        )
        await second.pull()
        changed = await measure_alone(
            "pocket: from one phone to another",
            "changes/s",
            lambda: propagation_rate(first, second),
            turns=run.turns,
            report=run.tell,
        )
    return [loaded, changed]


PART = Part("pocket", ("pocket",), rows, databases=(DATABASE,))
