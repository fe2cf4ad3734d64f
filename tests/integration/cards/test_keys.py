"""Signing keys come and go while cards are in the field; the root key vouches for those that are trusted."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cards import commands, keys, qr
from cards.cli import card_app
from cards.errors import KeyStepNotAllowed
from cards.keyring import KeyRing
from cards.keys import SigningKey
from cards.models import Card
from common.db import Database
from common.settings import Settings
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Region
from union_card_verifier import Bundle, KeySet, NotTrusted, StatusList, verify
from union_card_verifier.cose import ESP256


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, str]:
    """Of this test alone: it makes more of them."""
    return {name.removeprefix("UNION_").lower(): file for name, file in keys.ensure(tmp_path / "keys").items()}


@pytest.fixture
def extra_settings(key_files: dict[str, str]) -> dict[str, Any]:
    return {**key_files, "card_status_list_refresh_seconds": 0, "card_keys_refresh_seconds": 0}


@pytest.fixture
async def plastic(region: Region, deliver: Deliver, cards_of: CardsOf) -> Card:
    """A card as it is printed: its code lives for years."""
    anna = Person(region.school)
    await deliver(anna.admitted())
    (card,) = await cards_of(anna)
    return card.model_copy(update={"form": "plastic", "expires_on": date(2035, 1, 1)})


@pytest.fixture
def operator(settings: Settings, extra_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """`await operator("list")`: what `union card keys list` prints; raises what it raises."""
    monkeypatch.setenv("UNION_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("UNION_JWKS_URL", settings.jwks_url)
    for name, value in extra_settings.items():
        monkeypatch.setenv(f"UNION_{name.upper()}", str(value))

    async def run(*arguments: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, card_app, ["keys", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return run


async def colour(client: Client, text: str) -> str:
    trusted = KeySet.read((await client.get("/.well-known/jwks.json")).json())
    listed = StatusList.read((await client.get("/v1/status-list")).content, trusted)
    return verify(text, trusted, datetime.now(UTC), listed).colour


async def test_cards_in_the_field_stay_green_over_a_rotation_and_turn_red_when_their_key_is_revoked(
    client: Client, app: Any, database: Database, plastic: Card, operator: Any
) -> None:
    old_key = await app.state.keys.current(database)
    printed = qr.text(plastic, old_key)
    assert await colour(client, printed) == "green"

    made = await operator("create", "--algorithm", "ed25519")
    assert "is next" in made
    # Verifiers have the next key before it signs anything.
    assert len((await client.get("/.well-known/jwks.json")).json()["keys"]) == 2
    assert (await app.state.keys.current(database)).kid == old_key.kid
    await operator("rotate")
    new_key = await app.state.keys.current(database)
    assert new_key.kid != old_key.kid
    later = qr.text(plastic, new_key)
    assert [await colour(client, code) for code in (printed, later)] == ["green", "green"]
    states = [line.split()[2] for line in (await operator("list")).splitlines()]
    assert states == ["retired", "current"]

    with pytest.raises(KeyStepNotAllowed, match="in the field"):
        await operator("revoke", old_key.jwk["kid"])
    await operator("revoke", old_key.jwk["kid"], "--compromised")
    assert [await colour(client, code) for code in (printed, later)] == ["red", "green"]
    assert [key["kid"] for key in (await client.get("/.well-known/jwks.json")).json()["keys"]] == [
        new_key.jwk["kid"]
    ]


async def test_the_bundle_needs_the_root_keys_word_for_the_keys_of_today(
    client: Client, app: Any, database: Database, plastic: Card, operator: Any
) -> None:
    address = "/v1/verification/bundle"
    none = await client.get(address)
    assert (none.status_code, none.json()["code"]) == (503, "bundle_not_certified")
    assert "1 keys certified" in await operator("certify")
    root = KeySet.read(json.loads(await operator("root")))
    printed = qr.text(plastic, await app.state.keys.current(database))

    async def judged(text: str) -> str:
        answer = await client.get(address)
        assert answer.headers["content-type"] == "application/union-card-bundle+cbor"
        bundle = Bundle.read(answer.content, root, datetime.now(UTC))
        return verify(text, bundle.keys, datetime.now(UTC), bundle.status_list).colour

    assert await judged(printed) == "green"
    # The next key is certified before it signs, so the rotation itself needs no root key.
    await operator("create")
    await operator("certify")
    await operator("rotate")
    later = qr.text(plastic, await app.state.keys.current(database))
    assert [await judged(text) for text in (printed, later)] == ["green", "green"]
    await operator("revoke", json.loads(await _jwks(client))["keys"][0]["kid"], "--compromised")
    assert (await client.get(address)).json()["code"] == "bundle_not_certified"
    await operator("certify", "--days", "1")
    assert [await judged(text) for text in (printed, later)] == ["red", "green"]
    stale = (await client.get(address)).content
    with pytest.raises(NotTrusted, match="keys_expired"):
        Bundle.read(stale, root, datetime.now(UTC) + timedelta(days=2))


async def _jwks(client: Client) -> str:
    return (await client.get("/.well-known/jwks.json")).text


async def test_the_command_line_judges_by_the_bundle(
    client: Client, app: Any, database: Database, plastic: Card, operator: Any, tmp_path: Path
) -> None:
    await operator("certify")
    root, bundle = tmp_path / "root.json", tmp_path / "bundle.cbor"
    root.write_text(await operator("root"))
    bundle.write_bytes((await client.get("/v1/verification/bundle")).content)
    text = qr.text(plastic, await app.state.keys.current(database))
    with_bundle = ["verify", text, "--bundle", str(bundle), "--root", str(root)]
    assert CliRunner().invoke(card_app, with_bundle).output == "green: valid\n"
    stale = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")
    assert CliRunner().invoke(card_app, [*with_bundle, "--at", stale]).output == "amber: status_stale\n"
    assert CliRunner().invoke(card_app, with_bundle[:-2]).exit_code == 2
    jwks = tmp_path / "jwks.json"
    jwks.write_text(await _jwks(client))
    assert CliRunner().invoke(card_app, [*with_bundle[:-1], str(jwks)]).exit_code == 2  # not the root's


async def test_an_unchanged_list_is_not_sent_twice(client: Client, region: Region, deliver: Deliver) -> None:
    anna = Person(region.school)
    await deliver(anna.admitted())
    first = await client.get("/v1/status-list")
    again = await client.get("/v1/status-list", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await deliver(anna.left())
    changed = await client.get("/v1/status-list", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_no_private_half_is_in_the_database(
    app: Any, database: Database, operator: Any, key_files: dict[str, str]
) -> None:
    await app.state.keys.current(database)
    await operator("create")
    await operator("certify")
    async with database.sessions() as session:
        rows = (await session.execute(sa.text("select jwk::text from trusted_key"))).scalars().all()
    assert len(rows) == 2
    assert all(set(json.loads(row)) == {"kty", "crv", "x", "y", "kid", "alg", "use"} for row in rows)
    folder = Path(key_files["card_signing_key_file"])
    assert modes(folder) == [0o600, 0o600]


def modes(folder: Path) -> list[int]:
    return [file.stat().st_mode & 0o777 for file in folder.glob("*.pem")]


async def test_a_key_takes_its_steps_in_order(database: Database, app: Any, operator: Any) -> None:
    current = await app.state.keys.current(database)
    now = datetime.now(UTC)
    with pytest.raises(KeyStepNotAllowed, match="no next key"):
        await operator("rotate")
    with pytest.raises(KeyStepNotAllowed, match="This key signs"):
        await operator("revoke", current.jwk["kid"], "--compromised")
    with pytest.raises(KeyStepNotAllowed, match="known already"):
        async with database.sessions.begin() as session:
            await commands.add_key(session, current, now)
    with pytest.raises(KeyStepNotAllowed, match="of its own"):
        async with database.sessions.begin() as session:
            await commands.certify_keys(session, current, 1, now)
    await operator("create")
    with pytest.raises(KeyStepNotAllowed, match="next key already"):
        await operator("create")


async def test_two_processes_that_start_at_once_agree_on_one_current_key(app: Any, database: Database) -> None:
    rings = [KeyRing(app.state.settings.card_signing_key_file, 0) for _ in range(5)]
    found = await asyncio.gather(*(ring.current(database) for ring in rings))
    assert len({key.kid for key in found}) == 1


async def test_a_process_without_the_current_keys_file_says_so_and_signs_with_no_other(
    client: Client, issuer: TestIssuer, database: Database, app: Any, plastic: Card
) -> None:
    await app.state.keys.current(database)
    other = SigningKey.of(keys.new_private(ESP256))
    now = datetime.now(UTC)
    async with database.sessions.begin() as session:
        await commands.add_key(session, other, now)
        await session.flush()
        await commands.rotate_keys(session, now)
    answer = await client.get(f"/v1/cards/{plastic.card_id}/qr", headers=issuer.bearer("federal_staff"))
    assert (answer.status_code, answer.json()["code"]) == (503, "signing_key_missing")
