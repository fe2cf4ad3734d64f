"""`union card keys …`: make a signing key, let the root key vouch, rotate, revoke. Private halves stay in files."""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from cards import commands
from cards.config import CardsSettings
from cards.errors import KeyStepNotAllowed
from cards.keyring import KeyRing, trusted_keys
from cards.keys import SigningKey, load_all, new_private, pem_of, write_once
from cards.models import KeyStatement, TrustedKey
from common.db import Database
from union_card_verifier.cose import ED25519, ESP256

T = TypeVar("T")

keys_app = typer.Typer(no_args_is_help=True)


class Algorithm(StrEnum):
    ES256 = "es256"
    ED25519 = "ed25519"


@keys_app.command("list")
def list_keys() -> None:
    """Every key with its state, and whether its private half is here."""
    settings = CardsSettings()
    here = load_all(settings.card_signing_key_file)

    async def read(session: AsyncSession) -> list[TrustedKey]:
        return list(await trusted_keys(session))

    for row in asyncio.run(_within(settings, read)):
        place = "private key here" if row.kid in here else "private key not here"
        typer.echo(f"{row.jwk['kid']}  {row.jwk['alg']:6} {row.state:8} since {row.changed_at:%Y-%m-%d}  {place}")


@keys_app.command("create")
def create_key(algorithm: Annotated[Algorithm, typer.Option(help="Kind of the key")] = Algorithm.ES256) -> None:
    """Make the next key: a file (mode 600) in the folder of the setting, trusted from now on, signing later."""
    settings = CardsSettings()
    folder = settings.card_signing_key_file
    if not folder.is_dir():
        raise KeyStepNotAllowed(
            "UNION_CARD_SIGNING_KEY_FILE names one file; let it name a folder with that file in it, and run this again."
        )
    key = SigningKey.of(new_private(ED25519 if algorithm is Algorithm.ED25519 else ESP256))

    async def add(session: AsyncSession) -> None:
        await commands.add_key(session, key, datetime.now(UTC))
        # Within the transaction: a key without its file is made known to nobody.
        write_once(folder / f"{key.jwk['kid']}.pem", lambda: pem_of(key.private))

    asyncio.run(_within(settings, add))
    typer.echo(f"{key.jwk['kid']} is next; give its file to every API process, certify, then rotate")


@keys_app.command("rotate")
def rotate_keys() -> None:
    """The next key signs from now on; the one before stays trusted."""
    settings = CardsSettings()
    here = load_all(settings.card_signing_key_file)

    async def rotate(session: AsyncSession) -> str:
        row = await commands.rotate_keys(session, datetime.now(UTC))
        if row.kid not in here:
            raise KeyStepNotAllowed("The next key's file is not here; nobody could sign with it.")
        return row.jwk["kid"]

    typer.echo(f"{asyncio.run(_within(settings, rotate))} signs from now on")


@keys_app.command("revoke")
def revoke_key(
    kid: Annotated[str, typer.Argument(help="The key's id, as `list` shows it")],
    compromised: Annotated[bool, typer.Option("--compromised", help="Even if its cards are in the field")] = False,
) -> None:
    """Trust a key no more: what it signed turns red."""
    settings = CardsSettings()
    try:
        raw = base64.urlsafe_b64decode(kid + "=" * (-len(kid) % 4))
    except (ValueError, binascii.Error):
        raise KeyStepNotAllowed("This is no key id; `union card keys list` shows them.") from None
    life = timedelta(days=366 * settings.card_years + 31)

    async def revoke(session: AsyncSession) -> None:
        await commands.revoke_key(session, raw, compromised, life, datetime.now(UTC))

    asyncio.run(_within(settings, revoke))
    typer.echo(f"{kid} is trusted no more; certify the keys that are left")


@keys_app.command("certify")
def certify_keys(
    root_key: Annotated[Path | None, typer.Option(help="PEM file of the root key; else the setting's")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long its word is good")] = 90,
) -> None:
    """Let the root key vouch for the keys that are trusted now: what offline bundles rest on."""
    settings = CardsSettings()
    root = _root(settings, root_key)

    async def certify(session: AsyncSession) -> KeyStatement:
        return await commands.certify_keys(session, root, days, datetime.now(UTC))

    statement = asyncio.run(_certified(settings, certify))
    typer.echo(f"{len(statement.kids)} keys certified until {statement.expires_at:%Y-%m-%d}")


@keys_app.command("root")
def root_jwks(
    root_key: Annotated[Path | None, typer.Option(help="PEM file of the root key; else the setting's")] = None,
) -> None:
    """The public half of the root key as a JWKS: what verifiers pin."""
    typer.echo(json.dumps(_root(CardsSettings(), root_key).jwks()))


def _root(settings: CardsSettings, file: Path | None) -> SigningKey:
    file = file or settings.card_root_key_file
    if file is None:
        raise KeyStepNotAllowed("Give the root key's PEM file with --root-key.")
    return SigningKey.load(file)


async def _certified(
    settings: CardsSettings, certify: Callable[[AsyncSession], Awaitable[KeyStatement]]
) -> KeyStatement:
    database = Database.connect(settings)
    try:
        # Before the first card was asked for no key is known yet.
        await KeyRing(settings.card_signing_key_file, 0).current(database)
        async with database.sessions.begin() as session:
            return await certify(session)
    finally:
        await database.close()


async def _within(settings: CardsSettings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    database = Database.connect(settings)
    try:
        async with database.sessions.begin() as session:
            return await work(session)
    finally:
        await database.close()
