"""Registry, cards and reports count the same members, and where they do not it is found, to the organisation."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

import cards.keys
from cards.main import service as cards_service
from common.app import build_api
from common.auth import Role
from common.counts import CountBuckets
from common.credentials import ServiceToken
from common.db import Database
from common.events.base import Event
from common.processing import Processor
from common.settings import Settings
from common.testing import Client, Templates, TestIssuer, record_of
from reports import metrics
from reports.agreement import comparing, sources
from reports.agreement.comparing import Outcome
from reports.agreement.sources import NotComparable, OfBucket, OverHttp, Own
from reports.records import Disagreement
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import History
from tests.registry_side import RegistrySide, registry_side

NOON = datetime(2021, 3, 1, 12, tzinfo=UTC)
TOPICS = ("registry.organisation.v1", "registry.member.v1")
PATIENCE = timedelta(minutes=15)


@pytest.fixture
def extra_settings(tmp_path: Path, issuer: TestIssuer) -> dict[str, Any]:
    token = tmp_path / "token"
    token.write_text(issuer.token("internal_app", sub="service:reports"))
    return {"agreement_settle_seconds": 0, "service_token_file": token}


@dataclass
class InBetween:
    """A source beside which something happens before the second look at a bucket."""

    source: OverHttp
    happens: Callable[[], Awaitable[None]]
    _looked: set[str] = field(default_factory=set)

    async def buckets(self) -> CountBuckets:
        return await self.source.buckets()

    async def of_bucket(self, bucket: str) -> OfBucket:
        if bucket in self._looked:
            await self.happens()
        self._looked.add(bucket)
        return await self.source.of_bucket(bucket)


@dataclass
class Services:
    """A registry, a cards service and reports, each on a database of its own; this test is what lies between."""

    registry: RegistrySide
    clients: dict[str, httpx.AsyncClient]
    databases: dict[str, Database]
    processors: dict[str, dict[str, Processor]]
    settings: Any
    told: list[Event] = field(default_factory=list)
    before_second_look: Callable[[], Awaitable[None]] | None = None

    async def tell(self, *services: str) -> list[Event]:
        """Deliver what the registry has to say to these services; the others lose it."""
        new: list[Event] = []

        async def keep(event: Event) -> None:
            new.append(event)

        await self.registry.tell(keep, *TOPICS)
        self.told += new
        await self.deliver(new, *services)
        return new

    async def deliver(self, events: list[Event], *services: str) -> None:
        for name in services:
            for event in events:
                await self.processors[name][event.topic.name].process([record_of(event)])

    async def compare(self, now: datetime = NOON) -> Outcome:
        token = ServiceToken(self.settings)
        over_http = {name: OverHttp(name, client, token) for name, client in self.clients.items()}
        async with self.databases["reports"].sessions.begin() as session:
            asked: dict[str, Any] = {**over_http, "reports": Own(session)}
            if self.before_second_look:
                asked["registry"] = InBetween(over_http["registry"], self.before_second_look)
            return await comparing.compare(session, asked, now, self.settings)

    async def execute(self, service: str, statement: str, **values: Any) -> None:
        async with self.databases[service].sessions.begin() as session:
            await session.execute(sa.text(statement), values)


@pytest.fixture
async def services(
    templates: Templates, issuer: TestIssuer, settings: Settings, database: Database, service: Any, tmp_path: Path
) -> AsyncIterator[Services]:
    name = templates.copy(cards_service)
    files: dict[str, Any] = {
        key.removeprefix("UNION_").lower(): value for key, value in cards.keys.ensure(tmp_path).items()
    }
    of_cards = cards_service.settings(
        database_url=templates.url(name), jwks_url=issuer.jwks_url, database_pool=4, topic_partitions=3, **files
    )
    cards_database = Database.connect(of_cards)
    transport = httpx.ASGITransport(build_api(cards_service, of_cards, cards_database))
    async with (
        registry_side(templates, issuer) as registry,
        httpx.AsyncClient(transport=transport, base_url="http://cards") as of_cards_client,
    ):
        made = Services(
            registry,
            {"registry": registry.world.client, "cards": of_cards_client},
            {"registry": registry.database, "cards": cards_database, "reports": database},
            {
                "cards": {
                    s.topic.name: Processor(s, cards_database) for s in cards_service.subscriptions(of_cards)
                },
                "reports": {s.topic.name: Processor(s, database) for s in service.subscriptions(settings)},
            },
            settings,
        )
        for place in ("school", "school", "school", "other", "other", "university"):
            registry.members.append(await registry.world.member(getattr(registry.world, place)))
        await made.tell("cards", "reports")
        yield made
    await cards_database.close()
    templates.administer(f"drop database {name} with (force)")


def shown(found: Disagreement) -> tuple[UUID, dict[str, int], bool]:
    return found.organisation_id, found.members, found.drift


async def told_by_metrics(database: Database) -> tuple[float, float]:
    async with database.sessions() as session:
        await comparing.tell(session)
    return metrics.DRIFT._value.get(), metrics.WAITING._value.get()


async def test_services_that_heard_the_same_agree_on_every_organisation(
    services: Services, client: Client, issuer: TestIssuer, database: Database
) -> None:
    never = (await client.get("/v1/agreement", headers=issuer.bearer("federal_staff"))).json()
    assert (never["ran_at"], never["members"]) == (None, None)
    outcome = await services.compare()
    assert outcome.disagreements == []
    assert outcome.agreement.members == {"registry": 6, "cards": 6, "reports": 6}
    answer = (await client.get("/v1/agreement", headers=issuer.bearer("federal_staff"))).json()
    assert answer == {
        "ran_at": "2021-03-01T12:00:00Z",
        "drift": 0,
        "waiting": 0,
        "organisations": 3,
        "members": {"registry": 6, "cards": 6, "reports": 6},
        "unsent": 0,
        "parked": 0,
    }
    assert await told_by_metrics(database) == (0, 0)
    assert metrics.LAST_COMPARISON._value.get() == NOON.timestamp()


async def test_a_wrong_row_is_drift_at_once_and_named_to_those_who_see_the_organisation(
    services: Services, client: Client, issuer: TestIssuer, database: Database
) -> None:
    world = services.registry.world
    wrong = "update member set status = 'left' where member_id = :member"
    await services.execute("cards", wrong, member=services.registry.members[0])
    await services.compare()
    assert await told_by_metrics(database) == (1, 0)
    answers = {}
    for place in ("school", "other"):
        staff = issuer.bearer("primary_staff", organisation_id=getattr(world, place))
        summary = (await client.get("/v1/agreement", headers=staff)).json()
        assert (summary["members"], summary["organisations"], summary["unsent"]) == (None, None, None)
        items = (await client.get("/v1/agreement/differences", headers=staff)).json()["items"]
        answers[place] = (summary["drift"], items)
    assert answers["other"] == (0, [])
    assert answers["school"] == (
        1,
        [
            {
                "organisation_id": str(world.school),
                "members": {"registry": 3, "cards": 2, "reports": 3},
                "drift": True,
                "since": "2021-03-01T12:00:00Z",
            }
        ],
    )
    await services.execute("cards", wrong.replace("left", "member"), member=services.registry.members[0])
    await services.compare(NOON + timedelta(minutes=5))
    assert await told_by_metrics(database) == (0, 0)


async def test_lost_events_are_drift_when_they_stay_away_and_gone_after_a_republish(
    services: Services, database: Database
) -> None:
    world = services.registry.world
    await services.registry.world.member(world.university)
    await services.tell("cards")
    expected = (world.university, {"registry": 2, "cards": 2, "reports": 1})
    for minutes, drift in ((0, False), (14, False), (15, True), (20, True)):
        outcome = await services.compare(NOON + timedelta(minutes=minutes))
        assert [shown(found) for found in outcome.disagreements] == [(*expected, drift)], minutes
        assert outcome.disagreements[0].since == NOON
        assert await told_by_metrics(database) == (int(drift), int(not drift))
    # Another loss begins anew: it is not the difference that stood.
    await services.registry.world.member(world.university)
    await services.tell("cards")
    [found] = (await services.compare(NOON + timedelta(minutes=25))).disagreements
    assert (found.drift, found.since) == (False, NOON + timedelta(minutes=25))

    await services.deliver(services.told, "cards", "reports")
    assert (await services.compare(NOON + timedelta(minutes=30))).disagreements == []
    assert await told_by_metrics(database) == (0, 0)


async def test_what_is_on_its_way_is_no_difference(services: Services) -> None:
    world = services.registry.world
    late = services.registry.members[3]
    left = await world.client.post(
        f"/v1/members/{late}/leave",
        json={"effective_on": "2021-03-01"},
        headers={**world.federal, "If-Match": await world.etag(f"/v1/members/{late}")},
    )
    assert left.status_code == 200, left.text

    async def arrives() -> None:
        services.before_second_look = None
        await services.tell("cards", "reports")

    services.before_second_look = arrives
    outcome = await services.compare()
    assert outcome.disagreements == []
    # At the first look it was there: the registry had one member less, with the event still in its outbox.
    assert outcome.agreement.members == {"registry": 5, "cards": 6, "reports": 6}
    assert outcome.agreement.unsent > 0

    # Changing between the looks, and differing still: on its way as well.
    await services.execute("cards", "update member set status = 'left' where member_id = :m", m=late)

    async def one_more() -> None:
        services.before_second_look = None
        await world.member(world.other)

    services.before_second_look = one_more
    await services.execute("cards", "delete from member where member_id = :m", m=services.registry.members[4])
    assert (await services.compare()).disagreements == []


async def test_what_cannot_be_compared_leaves_what_was_known(
    services: Services, database: Database, issuer: TestIssuer, settings: Settings, work: Any, client: Client
) -> None:
    await services.execute("cards", "delete from member where member_id = :m", m=services.registry.members[0])
    await services.compare()
    token_file = settings.service_token_file
    assert token_file is not None
    for token, reason in ((issuer.token("member"), "status 403"), ("", "the service's token is empty")):
        token_file.write_text(token)
        with pytest.raises(NotComparable, match=reason):
            await services.compare(NOON + timedelta(hours=1))
    async with database.sessions() as session:
        assert len(list(await session.scalars(sa.select(Disagreement)))) == 1
    # Asked for by hand it says so too; the addresses of these settings have nobody behind them.
    assert (await client.post("/v1/agreement/runs")).status_code == 401
    for role in set(Role) - {Role.FEDERAL_STAFF, Role.INTERNAL_APP}:
        headers = issuer.bearer(role, organisation_id=services.registry.world.root)
        assert (await client.post("/v1/agreement/runs", headers=headers)).status_code == 403, role
    federal = issuer.bearer("federal_staff")
    job_id = (await client.post("/v1/agreement/runs", headers=federal)).json()["job_id"]
    await work()
    job = (await client.get(f"/v1/jobs/{job_id}", headers=federal)).json()
    assert (job["state"], job["code"]) == ("failed", "not_comparable")


async def test_a_service_without_a_token_of_its_own_compares_nothing(
    database: Database, settings: Settings
) -> None:
    alone = settings.model_copy(update={"service_token_file": None})
    async with database.sessions.begin() as session:
        await comparing.run(session, NOON, alone)  # type: ignore[arg-type]
        assert await session.scalar(sa.text("select count(*) from agreement")) == 0


async def test_a_bucket_of_many_organisations_is_read_to_its_end_page_by_page(
    client: Client,
    deliver_all: DeliverAll,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources, "_PAGE", 2)
    history = History()
    places = [
        history.organisation("primary", id_=UUID(f"0000000{n}-0000-7000-8000-0000000000ab")) for n in range(5)
    ]
    for place in places:
        history.member(place)
    await deliver_all(history.records())
    over_http = OverHttp("reports", client, ServiceToken(settings))
    async with database.sessions() as session:
        own = await Own(session).of_bucket("ab")
        assert await Own(session).buckets() == await over_http.buckets()
    assert own.keys() == set(places)
    assert await over_http.of_bucket("ab") == own
    assert await over_http.of_bucket("cd") == {}
