"""`union card …`: each command is imported when it is called; verifying needs neither database nor broker."""

import sys

import typer

from common.errors import BusinessError
from common.lazy_commands import Place, lazy_group

card_app = typer.Typer(
    cls=lazy_group(
        {
            "verify": Place("cards.cli_verify:verify_card"),
            "expire": Place("cards.cli_expiry:expire_cards"),
            "keys": Place("cards.cli_keys:keys_app", "The keys that sign cards: which signs, which are trusted."),
        }
    ),
    no_args_is_help=True,
)


@card_app.callback()
def cards() -> None:
    """Union cards: verification of a QR code, keys, expiry."""


def main() -> None:
    """The same commands where `union` is not installed: `python -m cards.cli keys list` in the service's image."""
    try:
        card_app()
    except BusinessError as error:
        typer.echo(error.detail, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
