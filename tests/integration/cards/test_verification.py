"""From the service to the till: keys and list fetched over HTTP, the code judged by `union card verify`."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cards.cli import card_app
from cards.numbers import SEGMENT
from cards.status_list import StatusListPublisher
from cards.verify import KeySet, StatusList, Verdict, verify
from common.db import Database
from common.events.cards import CardExpired
from common.settings import Settings
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Published, Region
from tests.integration.cards.plastic import PlasticLine, done


@pytest.fixture
async def anna(region: Region, deliver: Deliver) -> Person:
    anna = Person(region.school)
    await deliver(anna.admitted())
    return anna


async def code_of(client: Client, issuer: TestIssuer, card_id: Any) -> str:
    return (await client.get(f"/v1/cards/{card_id}/qr", headers=issuer.bearer("federal_staff"))).text


async def judge(client: Client, text: str, now: datetime | None = None) -> Verdict:
    """As a till does: keys and list without any token."""
    keys = KeySet.read((await client.get("/.well-known/jwks.json")).json())
    statuses = StatusList.read((await client.get("/v1/status-list")).content, keys)
    return verify(text, keys, now or datetime.now(UTC), statuses)


async def test_a_card_is_green_until_it_is_blocked(
    client: Client, issuer: TestIssuer, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    (card,) = await cards_of(anna)
    text = await code_of(client, issuer, card.card_id)
    verdict = await judge(client, text)
    assert (verdict.colour, verdict.reference) == ("green", card.reference.hex())
    assert (await judge(client, text, datetime.now(UTC) + timedelta(days=1))).colour == "amber"
    assert (await judge(client, text, datetime.now(UTC) + timedelta(days=6 * 365))).reason == "expired"
    await deliver(anna.left())
    verdict = await judge(client, text)
    assert (verdict.colour, verdict.reason) == ("red", "blocked")


async def test_a_plastic_card_is_not_good_before_it_is_handed_over(
    line: PlasticLine, client: Client, issuer: TestIssuer, region: Region, anna: Person, cards_of: CardsOf
) -> None:
    batch = await line.dispatched(region.school)
    text = await code_of(client, issuer, (await cards_of(anna))[1].card_id)
    assert (await judge(client, text)).reason == "not_active"
    done(await line.post(batch, "delivered", line.staff, json={}))
    assert (await judge(client, text)).reason == "not_active"
    done(await line.post(batch, "hand-over", line.staff, json={"receipt": "1"}))
    assert (await judge(client, text)).colour == "green"


async def test_keys_and_list_are_public_and_say_how_long_they_may_be_kept(client: Client, anna: Person) -> None:
    keys = await client.get("/.well-known/jwks.json")
    assert keys.headers["cache-control"] == "public, max-age=300"
    (key,) = keys.json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in key
    listed = await client.get("/v1/status-list")
    assert listed.headers["content-type"] == "application/statuslist+cwt"
    assert listed.headers["cache-control"] == "public, max-age=0"
    read = StatusList.read(listed.content, KeySet.read(keys.json()))
    assert len(read.bits) == SEGMENT // 4
    assert read.ttl == 12 * 3600


async def test_the_list_is_read_from_the_database_once_in_its_time(
    database: Database, app: Any, deliver: Deliver, anna: Person
) -> None:
    publisher = StatusListPublisher(app.state.signing_key, 600, refresh=60)
    now = datetime.now(UTC)
    first = await publisher.current(database, now)
    await deliver(anna.left())
    assert await publisher.current(database, now + timedelta(seconds=1)) == first


def run(*arguments: str) -> Any:
    return CliRunner().invoke(card_app, ["verify", *arguments])


async def test_the_command_line_says_green_amber_and_red_by_its_exit_code(
    client: Client, issuer: TestIssuer, anna: Person, deliver: Deliver, cards_of: CardsOf, tmp_path: Path
) -> None:
    text = await code_of(client, issuer, (await cards_of(anna))[0].card_id)
    jwks, good, revoked, code = (tmp_path / name for name in ("jwks.json", "good", "revoked", "code.txt"))
    jwks.write_bytes((await client.get("/.well-known/jwks.json")).content)
    good.write_bytes((await client.get("/v1/status-list")).content)
    await deliver(anna.left())
    revoked.write_bytes((await client.get("/v1/status-list")).content)
    code.write_text(text + "\n")

    green = run(text, "--jwks", str(jwks), "--status-list", str(good))
    assert (green.exit_code, green.output) == (0, "green: valid\n")
    amber = run("--file", str(code), "--jwks", str(jwks))
    assert (amber.exit_code, amber.output) == (3, "amber: status_unknown\n")
    red = run("--file", str(code), "--jwks", str(jwks), "--status-list", str(revoked), "--json")
    assert red.exit_code == 1
    told = json.loads(red.output)
    assert (told["colour"], told["reason"], told["tier"]) == ("red", "blocked", 0)
    tampered = run(text[:-1] + ("0" if text[-1] != "0" else "1"), "--jwks", str(jwks), "--status-list", str(good))
    assert tampered.exit_code == 1


async def test_inputs_that_cannot_be_used_are_told_from_bad_cards(
    client: Client, anna: Person, tmp_path: Path
) -> None:
    jwks, other = tmp_path / "jwks.json", tmp_path / "other"
    jwks.write_bytes((await client.get("/.well-known/jwks.json")).content)
    other.write_bytes(b"\xd2\x84 no list")
    for arguments in (
        ["--jwks", str(jwks)],
        ["UC1:X", "--file", str(jwks), "--jwks", str(jwks)],
        ["UC1:X", "--jwks", str(tmp_path / "missing")],
        ["UC1:X", "--jwks", str(other)],
        ["UC1:X", "--jwks", str(jwks), "--status-list", str(other)],
    ):
        assert run(*arguments).exit_code == 2
    assert run("UC1:X", "--jwks", str(jwks)).exit_code == 1


async def test_the_daily_expiry_ends_due_cards_and_renews_the_virtual_ones(
    region: Region,
    deliver: Deliver,
    cards_of: CardsOf,
    database: Database,
    settings: Settings,
    extra_settings: dict[str, Any],
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due, later = Person(region.school), Person(region.school)
    await deliver(due.admitted(), later.admitted())
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text("update card set expires_on = '2020-01-01' where member_id = :id"), {"id": due.member_id}
        )
    monkeypatch.setenv("UNION_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("UNION_JWKS_URL", settings.jwks_url)
    for name, value in extra_settings.items():
        monkeypatch.setenv(f"UNION_{name.upper()}", str(value))

    result = await asyncio.to_thread(CliRunner().invoke, card_app, ["expire"])
    assert (result.exit_code, result.output) == (0, "1 expired, 1 renewed\n")
    assert [card.status for card in await cards_of(due)] == ["expired", "active"]
    assert [card.status for card in await cards_of(later)] == ["active"]
    assert len(await published(CardExpired)) == 1
    again = await asyncio.to_thread(CliRunner().invoke, card_app, ["expire"])
    assert again.output == "0 expired, 0 renewed\n"
