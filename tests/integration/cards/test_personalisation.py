"""Names reach the factory's file and the card's face from the real registry, and stay nowhere."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from common.app import build_api
from common.db import Database
from common.events import EVENTS
from common.persons import Persons
from common.testing import Client, Templates, TestIssuer
from registry.main import service as registry_service
from tests.integration.cards.conftest import Deliver
from tests.integration.cards.plastic import PlasticLine, done
from tests.integration.registry.conftest import World

NAMES = (("Ёлкина", "Анна", "Сергеевна"), ("Нгуен", "Мария", None), ("Абу-Саид", "Ольга", "Петровна"))
_TYPES = {event.event_type: event for event in EVENTS}


@dataclass
class People:
    """Members of one school in a registry of their own, known to cards by its events."""

    world: World
    members: list[str]
    database: Database


@pytest.fixture
async def registry(
    templates: Templates, issuer: TestIssuer, app: FastAPI
) -> AsyncIterator[tuple[Client, Database]]:
    """The registry itself, on a database of its own, asked by the cards API for names."""
    name = templates.copy(registry_service)
    settings = registry_service.settings(
        database_url=templates.url(name), jwks_url=issuer.jwks_url, database_pool=4, topic_partitions=3
    )
    database = Database.connect(settings)
    transport = httpx.ASGITransport(build_api(registry_service, settings, database))
    app.state.persons = Persons(httpx.AsyncClient(transport=transport, base_url="http://registry"))
    async with Client(transport=transport, base_url="http://registry") as client:
        yield client, database
    await database.close()
    templates.administer(f"drop database {name} with (force)")


@pytest.fixture
async def people(registry: tuple[Client, Database], issuer: TestIssuer, deliver: Deliver) -> People:
    client, database = registry
    world = await World(client, issuer).build()
    members = [
        await world.member(world.school, last_name=last, first_name=first, patronymic=patronymic)
        for last, first, patronymic in NAMES
    ]
    people = People(world, members, database)
    await tell(people, deliver)
    return people


async def tell(people: People, deliver: Deliver) -> None:
    """What the registry has to say, to cards; each event once."""
    async with people.database.sessions.begin() as session:
        rows = (await session.execute(sa.text("delete from outbox returning id, payload, headers"))).all()
    for row in sorted(rows, key=lambda row: row.id):
        event = _TYPES[row.headers["ce_type"]].model_validate_json(row.payload)
        if event.topic.name in ("registry.organisation.v1", "registry.member.v1"):
            await deliver(event)


@pytest.fixture
def office(line: PlasticLine, people: People) -> PlasticLine:
    """The line's people, in the registry's own tree."""
    world = people.world
    line.staff = line.issuer.bearer("territorial_staff", sub="staff", organisation_id=world.town)
    line.office = line.issuer.bearer("regional_staff", sub="office", organisation_id=world.region)
    return line


async def file_of(line: PlasticLine, batch: dict[str, Any], who: dict[str, str] | None = None) -> httpx.Response:
    address = f"/v1/plastic-batches/{batch['batch_id']}/personalisation-file"
    return await line.client.get(address, headers=who or line.office)


async def test_the_factory_reads_names_numbers_and_codes(
    office: PlasticLine, people: People, cards_of: Callable[..., Awaitable[list[Any]]], database: Database
) -> None:
    batch = await office.sent(people.world.school)
    answer = await file_of(office, batch)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    header, *cards, _ = office.factory.open(answer.content)
    assert header[2:4] == [batch["reference"], "1"]
    assert {tuple(card[3:6]) for card in cards} == {(a, b, c or "") for a, b, c in NAMES}
    async with database.sessions() as session:
        numbers = set(await session.scalars(sa.text("select number from card where form = 'plastic'")))
    assert {card[2] for card in cards} == numbers
    assert all(card[7].startswith("UC1:") for card in cards)
    again = office.factory.open((await file_of(office, batch)).content)
    assert (again[0][3], again[1:-1]) == ("2", cards)
    report = await office.report(batch)
    assert [(file["file_number"], file["cards"], file["made_by"]) for file in report["files"]] == [
        (1, 3, "office"),
        (2, 3, "office"),
    ]


async def test_names_stay_nowhere_in_cards_and_their_reading_is_in_the_registrys_log(
    office: PlasticLine, people: People, database: Database
) -> None:
    batch = await office.sent(people.world.school)
    assert (await file_of(office, batch)).status_code == 200
    async with database.sessions() as session:
        tables = list(
            await session.scalars(sa.text("select tablename from pg_tables where schemaname = 'public'"))
        )
        for table in tables:
            rows = await session.scalars(sa.text(f'select t::text from "{table}" t'))
            text = "\n".join(rows)
            assert not [name for names in NAMES for name in names[:1] if name in text], table
    async with people.database.sessions() as session:
        read = (
            await session.execute(sa.text("select subject, purpose from access_log where purpose like 'card%'"))
        ).all()
    assert {(row.subject, row.purpose) for row in read} == {("office", "card_personalisation")}


async def test_the_file_is_to_be_had_only_while_the_factory_works(office: PlasticLine, people: People) -> None:
    batch = await office.ordered(people.world.school)
    for step in ("approve", "send"):
        early = await file_of(office, batch)
        assert (early.status_code, early.json()["code"]) == (409, "batch_step_not_allowed")
        batch = done(await office.post(batch, step, office.office))
    serials = [piece["serial"] for piece in await office.pieces(batch)]
    batch = await office.answered(batch, 1, [(serials[0], "produced")])
    rest = office.factory.open((await file_of(office, batch)).content)
    assert [card[1] for card in rest[1:-1]] == serials[1:]
    batch = await office.answered(batch, 2, [(serial, "produced") for serial in serials[1:]])
    late = await file_of(office, batch)
    assert (late.status_code, late.json()["code"]) == (409, "batch_step_not_allowed")


async def test_without_the_right_to_the_names_there_is_no_file(
    office: PlasticLine, people: People, app: FastAPI
) -> None:
    batch = await office.sent(people.world.school)
    broken = httpx.AsyncClient(transport=httpx.MockTransport(_away), base_url="http://registry")
    named, app.state.persons = app.state.persons, Persons(broken)
    away = await file_of(office, batch)
    assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "names_unavailable", "2")
    app.state.persons = named
    # Cards still knows of her, the registry no longer tells of her: nothing is printed by halves.
    async with people.database.sessions.begin() as session:
        other = sa.text("update member set organisation_id = :other where member_id = :member")
        await session.execute(other, {"other": people.world.university, "member": UUID(people.members[0])})
    limited = office.issuer.bearer("regional_staff", sub="office", organisation_id=people.world.town)
    refused = await file_of(office, batch, limited)
    assert (refused.status_code, refused.json()["code"]) == (403, "names_withheld")
    assert (await office.report(batch))["files"] == []


def _away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("away", request=request)


async def test_without_the_factorys_certificate_nothing_is_printed(
    office: PlasticLine, people: People, app: FastAPI
) -> None:
    batch = await office.sent(people.world.school)
    app.state.settings = app.state.settings.model_copy(update={"card_factory_certificate_file": None})
    refused = await file_of(office, batch)
    assert (refused.status_code, refused.json()["code"]) == (409, "factory_key_missing")


async def test_a_card_has_a_face_for_its_holder_and_the_staff(
    office: PlasticLine, people: People, database: Database
) -> None:
    async with database.sessions() as session:
        found = sa.text("select card_id from card where member_id = :member and form = 'virtual'")
        card = (await session.execute(found, {"member": UUID(people.members[0])})).scalar_one()
    holder = office.issuer.bearer("member", sub="anna", member_id=people.members[0])
    for headers in (holder, office.staff):
        pdf = await office.client.get(f"/v1/cards/{card}/face", headers=headers)
        assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
        assert pdf.content.startswith(b"%PDF-")
    sides = [
        await office.client.get(
            f"/v1/cards/{card}/face?side={side}", headers={**holder, "Accept": "image/svg+xml"}
        )
        for side in ("front", "back")
    ]
    assert all(side.content.startswith(b"<svg") for side in sides)
    assert sides[0].content != sides[1].content
    stranger = office.issuer.bearer("member", sub="other", member_id=people.members[1])
    assert (await office.client.get(f"/v1/cards/{card}/face", headers=stranger)).status_code == 404
