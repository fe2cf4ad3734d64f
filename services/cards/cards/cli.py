"""`union card …`: verify a card's QR code without a network, and the daily expiry."""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import httpx
import typer

from cards import commands
from cards.cli_keys import keys_app
from cards.config import CardsSettings
from cards.qr import card_terms
from common.db import Database
from common.errors import BusinessError
from union_card_verifier import Bundle, KeySet, NotTrusted, StatusList, verify

card_app = typer.Typer(help="Union cards: verification of a QR code, keys, expiry.", no_args_is_help=True)
card_app.add_typer(keys_app, name="keys", help="The keys that sign cards: which signs, which are trusted.")

EXIT_CODES = {"green": 0, "red": 1, "amber": 3}
_USAGE = 2
_EXPIRY_BATCH = 1000


@card_app.command("verify")
def verify_card(
    qr_text: Annotated[str | None, typer.Argument(help="The text of the QR code; or give --file")] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="A file with the text of the QR code")] = None,
    jwks: Annotated[str | None, typer.Option(help="File or address of the trusted keys")] = None,
    status_list: Annotated[
        str | None, typer.Option(help="File or address of the status list; without it no card is green")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option(help="File or address of the offline bundle, in place of keys and list")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="JWKS file of the root key that certifies the bundle")] = None,
    at: Annotated[datetime | None, typer.Option(help="Judge as of this moment (UTC), not now")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON")] = False,
) -> None:
    """Judge a card. Exit code: 0 green, 1 red, 3 amber, 2 when an input cannot be used."""
    if (qr_text is None) == (file is None):
        _refuse("Give either the text of the QR code or --file.")
    if (jwks is None) == (bundle is None) or (bundle is None) != (root is None):
        _refuse("Give either --jwks (and --status-list), or --bundle and --root.")
    now = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    statuses: StatusList | None = None
    try:
        text = file.read_text(errors="replace").strip("\r\n") if file else qr_text or ""
        if bundle is not None and root is not None:
            opened = Bundle.read(_read(bundle), KeySet.read(json.loads(root.read_bytes())), now)
            keys, statuses = opened.keys, opened.status_list
        else:
            keys = KeySet.read(json.loads(_read(jwks or "")))
            statuses = StatusList.read(_read(status_list), keys) if status_list else None
    except NotTrusted as error:
        _refuse(f"The list or bundle is not one that these keys sign ({error}); fetch it again.")
    except (OSError, ValueError, httpx.HTTPError) as error:
        _refuse(f"An input cannot be read ({type(error).__name__}); check the files and addresses.")
    verdict = verify(text, keys, now, statuses)
    if as_json:
        typer.echo(json.dumps(asdict(verdict), default=str))
    else:
        typer.echo(f"{verdict.colour}: {verdict.reason}")
    raise typer.Exit(EXIT_CODES[verdict.colour])


@card_app.command("expire")
def expire_cards() -> None:
    """End the cards whose day has come and renew the virtual ones of entitled members; a worker does it too.

    Reads the service's settings from the environment. May be run again at any time.
    """
    expired, renewed = asyncio.run(_expire(CardsSettings()))
    typer.echo(f"{expired} expired, {renewed} renewed")


async def _expire(settings: CardsSettings) -> tuple[int, int]:
    terms, database = card_terms(settings), Database.connect(settings)
    all_expired = all_renewed = 0
    try:
        while True:
            now = datetime.now(UTC)
            async with database.sessions.begin() as session:
                expired, renewed = await commands.expire_cards(
                    session, now.date(), _EXPIRY_BATCH, terms, "union card expire", now
                )
            all_expired, all_renewed = all_expired + expired, all_renewed + renewed
            if expired < _EXPIRY_BATCH:
                return all_expired, all_renewed
    finally:
        await database.close()


def _read(place: str) -> bytes:
    if place.startswith(("http://", "https://")):
        return httpx.get(place, timeout=10).raise_for_status().content
    return Path(place).read_bytes()


def _refuse(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(_USAGE)


def main() -> None:
    """The same commands where `union` is not installed: `python -m cards.cli keys list` in the service's image."""
    try:
        card_app()
    except BusinessError as error:
        typer.echo(error.detail, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
