"""The cards service on a real database, and the registry's events that it lives on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from cards import keys
from cards.main import service as cards_service
from cards.models import Card
from common.app import Service
from common.db import Database
from common.events.base import Event
from common.events.registry import (
    ConsentGiven,
    ConsentWithdrawn,
    Kind,
    MemberAdmitted,
    MemberEvent,
    MemberExpelled,
    MemberLeft,
    MemberStatus,
    MemberTransferred,
    OrganisationCreated,
    Purpose,
)
from common.testing import Client, TestIssuer
from tests.integration.cards.plastic import Factory, PlasticLine

DAY = date(2026, 3, 1)


@pytest.fixture
def service() -> Service:
    return cards_service


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    environment = keys.ensure(tmp_path_factory.mktemp("keys"))
    return {name.removeprefix("UNION_").lower(): file for name, file in environment.items()}


@pytest.fixture(scope="session")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    return Factory()


@pytest.fixture
def extra_settings(key_files: dict[str, str], factory: Factory, tmp_path: Path) -> dict[str, Any]:
    certificate = tmp_path / "factory.pem"
    certificate.write_bytes(factory.pem())
    return {
        **key_files,
        "card_status_list_refresh_seconds": 0,
        "card_factory_certificate_file": certificate,
    }


def organisation(parent: UUID | None = None, kind: Kind = "primary") -> OrganisationCreated:
    return OrganisationCreated(
        organisation_id=uuid4(),
        parent_id=parent,
        kind=kind,
        code="x",
        name="School 1",
        status="active",
        institution_type=None,
        employed=None,
        students=None,
        version=1,
        effective_on=DAY,
    )


@dataclass
class Person:
    """A member as the registry tells of one: each call gives the event of the next version."""

    organisation_id: UUID
    consents: tuple[Purpose, ...] = ("membership", "cards")
    status: MemberStatus = "member"
    version: int = 0

    def __post_init__(self) -> None:
        self.member_id = uuid4()

    def _next(self, event: type[MemberEvent], **more: Any) -> Any:
        self.version += 1
        return event(
            member_id=self.member_id,
            organisation_id=self.organisation_id,
            status=self.status,
            category="working",
            sex="female",
            birth_year=1980,
            joined_on=DAY,
            left_on=None if self.status == "member" else DAY,
            consents=sorted(self.consents),
            version=self.version,
            effective_on=DAY,
            **more,
        )

    def admitted(self) -> MemberAdmitted:
        self.status = "member"
        return self._next(MemberAdmitted, origin="application")  # type: ignore[no-any-return]

    def left(self) -> MemberLeft:
        self.status = "left"
        return self._next(MemberLeft)  # type: ignore[no-any-return]

    def expelled(self) -> MemberExpelled:
        self.status = "expelled"
        return self._next(MemberExpelled)  # type: ignore[no-any-return]

    def transferred(self, to: UUID) -> MemberTransferred:
        before, self.organisation_id = self.organisation_id, to
        return self._next(MemberTransferred, from_organisation_id=before)  # type: ignore[no-any-return]

    def consented(self, purpose: Purpose = "cards") -> ConsentGiven:
        self.consents = tuple({*self.consents, purpose})
        return self._next(ConsentGiven, purpose=purpose)  # type: ignore[no-any-return]

    def withdrew(self, purpose: Purpose = "cards") -> ConsentWithdrawn:
        self.consents = tuple({*self.consents} - {purpose})
        return self._next(ConsentWithdrawn, purpose=purpose)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Region:
    """A region with two territories; `school` is in the first, `foreign` in the second."""

    federal: UUID
    region: UUID
    territory: UUID
    school: UUID
    other_territory: UUID
    foreign: UUID


@pytest.fixture
async def region(deliver: Callable[..., Awaitable[None]]) -> Region:
    federal = organisation(kind="federal")
    region = organisation(federal.organisation_id, "regional")
    territory, other = (organisation(region.organisation_id, "territorial") for _ in range(2))
    school, foreign = organisation(territory.organisation_id), organisation(other.organisation_id)
    tree = (federal, region, territory, school, other, foreign)
    await deliver(*tree)
    return Region(*(event.organisation_id for event in (federal, region, territory, school, other, foreign)))


@pytest.fixture
def cards_of(database: Database) -> Callable[..., Awaitable[list[Card]]]:
    """`await cards_of(person)`: the member's cards, oldest first."""

    async def read(person: Person) -> list[Card]:
        async with database.sessions() as session:
            statement = sa.select(Card).where(Card.member_id == person.member_id).order_by(Card.card_id)  # type: ignore[arg-type]
            return list((await session.scalars(statement)).all())

    return read


@pytest.fixture
def line(client: Client, issuer: TestIssuer, region: Region, factory: Factory) -> PlasticLine:
    return PlasticLine(client, issuer, region, factory)


Deliver = Callable[..., Awaitable[None]]
CardsOf = Callable[[Person], Awaitable[list[Card]]]
Published = Callable[..., Awaitable[list[Event]]]
