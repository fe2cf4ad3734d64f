"""A small world: one region with a town, two schools and a university; people come in by the front door."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from common.app import Service
from common.db import Database
from common.testing import Client, TestIssuer
from registry.main import service as registry
from tests.pocket import Pocket

OPERATIONS, OPERATED_ON = "/v1/organisation-operations", "2021-06-01"
NAMES = ("Абрамова", "Борисова", "Волкова", "Громова", "Дроздова", "Ершова", "Жукова", "Зимина", "Иванова")


@pytest.fixture
def service() -> Service:
    return registry


@pytest.fixture(autouse=True)
def generous_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's applicants all come from one address, faster than people."""
    monkeypatch.setenv("UNION_RATE_LIMITS", '{"applications": [10000, 1], "follow_codes": [10000, 1]}')


@dataclass
class World:
    """Makes what a test needs through the API. Every method fails loudly when the API refuses."""

    client: Client
    issuer: TestIssuer
    organisations: dict[str, UUID] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def federal(self) -> dict[str, str]:
        return self.staff("federal_staff")

    def staff(self, role: str = "primary_staff", organisation: UUID | str | None = None) -> dict[str, str]:
        bearer = self.issuer.bearer(role, sub=f"{role}-1", organisation_id=organisation)
        return {**bearer, "X-Purpose": "membership_records"}

    def elected(self, role: str, organisation: UUID | str, member_id: str) -> dict[str, str]:
        """An elected person's token, which holds as long as the term of office does."""
        bearer = self.issuer.bearer(role, sub=member_id, organisation_id=organisation, member_id=member_id)
        return {**bearer, "X-Purpose": "membership_records"}

    def self(self, member_id: str) -> dict[str, str]:
        return self.issuer.bearer("member", sub="a-member", member_id=member_id)

    async def organisation(self, kind: str, parent: UUID | str | None, **fields: Any) -> UUID:
        number = next(self._numbers)
        body = {
            "kind": kind,
            "parent_id": str(parent) if parent else None,
            "code": f"C{number}",
            "name": f"Организация № {number}",
            "effective_on": "2020-01-01",
            **fields,
        }
        return UUID(
            done(await self.client.post("/v1/organisations", json=body, headers=self.federal), 201)[
                "organisation_id"
            ]
        )

    async def build(self) -> "World":
        made = self.organisations
        made["root"] = await self.organisation("federal", None, name="Профсоюз")
        made["region"] = await self.organisation("regional", made["root"], name="Омская областная организация")
        made["town"] = await self.organisation("territorial", made["region"], name="Тарская районная организация")
        made["school"] = await self.organisation(
            "primary", made["town"], name="ППО МБОУ «Берёзовская СОШ № 2»", institution_type="school", employed=40
        )
        made["other"] = await self.organisation("primary", made["town"], name="ППО МБОУ «СОШ № 12»")
        made["university"] = await self.organisation(
            "primary_with_territorial_rights", made["region"], name="ППО студентов университета"
        )
        return self

    def __getattr__(self, name: str) -> UUID:
        try:
            return self.organisations[name]
        except KeyError:
            raise AttributeError(name) from None

    def application(self, organisation: UUID, **fields: Any) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "organisation_id": str(organisation),
            "last_name": NAMES[number % len(NAMES)],
            "first_name": "Анна",
            "patronymic": "Петровна",
            "birth_date": f"19{60 + number % 40}-03-0{1 + number % 9}",
            "sex": "female",
            "phone": f"+7913{number:07d}",
            "email": f"anna{number}@example.org",
            "category": "working",
            "consents": ["membership", "cards"],
            "effective_on": "2021-02-01",
            **fields,
        }

    async def apply(self, organisation: UUID, **fields: Any) -> dict[str, Any]:
        response = await self.client.post("/v1/applications", json=self.application(organisation, **fields))
        return dict(done(response, 201))

    async def progress(self, receipt: dict[str, Any]) -> dict[str, Any]:
        """What the applicant sees with the follow code."""
        code = {"X-Follow-Code": receipt["follow_code"]}
        return dict(done(await self.client.get("/v1/public/application", headers=code)))

    async def member(self, organisation: UUID, **fields: Any) -> str:
        """An admitted member's id."""
        receipt = await self.apply(organisation, **fields)
        admitted = await self.client.post(
            f"/v1/applications/{receipt['application_id']}/admit",
            json={"protocol_number": "7", "effective_on": fields.get("effective_on", "2021-02-01")},
            headers=self.federal,
        )
        return str(done(admitted)["member_id"])

    async def etag(self, path: str) -> str:
        response = await self.client.get(path, headers=self.federal)
        done(response)
        return response.headers["etag"]

    async def patch(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self.client.patch(
            path, json=body, headers={**(headers or self.federal), "If-Match": await self.etag(path)}
        )


def done(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


@pytest.fixture(name="done")
def done_fixture() -> Callable[..., Any]:
    """`done(response, status=200)`: its JSON; fails with the answer's text otherwise."""
    return done


@pytest.fixture
def refused() -> Callable[..., Any]:
    """`refused(response, status, code)`: the problem; fails otherwise."""

    def check(response: httpx.Response, status: int, code: str) -> Any:
        body = response.json()
        assert (response.status_code, body.get("code")) == (status, code), response.text
        return body

    return check


@pytest.fixture
async def world(client: Client, issuer: TestIssuer) -> World:
    return await World(client, issuer).build()


def chair(world: Any) -> Pocket:
    return Pocket(world.client, world.staff("primary_staff", world.school))


@pytest.fixture
async def phone(world: Any) -> Pocket:
    """Of the school's chair, with one member on it: `phone.member`."""
    pocket = chair(world)
    pocket.member = await world.member(world.school)  # type: ignore[attr-defined]
    await pocket.pull()
    return pocket


@pytest.fixture
def ask(world: Any) -> Callable[..., Any]:
    """`await ask("merge", organisation, **fields)`: the answer to the asking."""

    async def send(operation: str, organisation: UUID, headers: Any = None, **fields: Any) -> Any:
        subject = {"operation": operation, "organisation_id": str(organisation)}
        body = {**subject, "effective_on": OPERATED_ON, "reason": "Так решено", **fields}
        return await world.client.post(OPERATIONS, json=body, headers=headers or world.federal)

    return send


@pytest.fixture
def undo(world: Any) -> Callable[..., Any]:
    async def send(operation: dict[str, Any], headers: Any = None, **fields: Any) -> Any:
        body = {"reason": "Ошибка", **fields}
        path = f"{OPERATIONS}/{operation['operation_id']}/undo"
        return await world.client.post(path, json=body, headers=headers or world.federal)

    return send


@pytest.fixture
def snapshot(database: Database) -> Callable[..., Any]:
    """`await snapshot()`: everything of the tree, the members and what is on its way, but the knowledge's history."""

    async def read(day: str | None = None) -> dict[str, Any]:
        queries = {
            "organisations": "select organisation_id, parent_id, name, status, closed_on from organisation",
            "members": "select member_id, organisation_id, status, joined_on from member",
            "stays": "select member_id, organisation_id, from_on, to_on, end_reason from membership",
            "waiting": "select application_id, organisation_id from application where status = 'submitted'",
            "days": "select d::date, organisation_id, parent_id, name, status from organisation_period,"
            " generate_series('2020-01-01'::date, '2022-01-01', '1 month') d where superseded_at is null"
            " and valid_from <= d and (valid_to is null or valid_to > d)",
            "member_days": "select d::date, member_id, organisation_id, status, category from member_period,"
            " generate_series('2020-01-01'::date, '2022-01-01', '1 month') d where superseded_at is null"
            " and valid_from <= d and (valid_to is null or valid_to > d)",
        }
        async with database.sessions() as session:
            return {
                name: sorted(map(repr, (await session.execute(sa.text(query))).all()))
                for name, query in queries.items()
            }

    return read


async def counts(world: Any, done: Any, organisation: UUID, **params: Any) -> dict[str, Any]:
    path = f"/v1/organisations/{organisation}/counts"
    return dict(done(await world.client.get(path, params=params, headers=world.federal)))
