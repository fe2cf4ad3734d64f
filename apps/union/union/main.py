"""`union`: the operator's command line."""

import asyncio
import sys
from functools import partial

import typer

from common.lazy_commands import Place, lazy_group
from union import output, platform

COMMANDS = {
    "up": Place("union.stack:up"),
    "down": Place("union.stack:down"),
    "status": Place("union.stack:status"),
    "token": Place("union.stack:token"),
    "doctor": Place("union.doctor:doctor"),
    "migrate": Place("union.migrating:migrate"),
    "topics": Place("union.events:topics"),
    "republish": Place("union.events:republish"),
    "rebuild": Place("union.rebuilding:rebuild"),
    "demo": Place("union.demo:demo"),
    "contracts": Place("union.contracts:contracts"),
    "manifests": Place("union.manifests:manifests"),
    "parked": Place(
        "union.events:parked_app", "Records that were set aside: look, retry in order, discard with a reason."
    ),
    "import": Place(
        "registry.cli:import_app",
        "Import registers of organisations and members.",
        partial(platform.speak_for, "registry"),
    ),
    "member": Place(
        "union.forgetting:member_app",
        "People: erase one, print the act, keep the journal.",
        partial(platform.speak_for, "registry"),
    ),
    "card": Place(
        "cards.cli:card_app",
        "Cards: verify a QR code offline, end those that expired.",
        partial(platform.speak_for, "cards"),
    ),
    "ledger": Place(
        "cashback.cli:ledger_app",
        "The ledger of the bonus programme.",
        partial(platform.speak_for, "cashback"),
    ),
}

app = typer.Typer(
    cls=lazy_group(COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


@app.callback()
def union() -> None:
    """Run and look after the union's platform: registry, cards, cashback, reports."""


def main() -> None:
    """The entry point: a refusal is one sentence and exit code 2, never a traceback."""
    try:
        app()
    except asyncio.CancelledError:
        sys.exit(130)
    except Exception as error:
        from union import refusals  # it knows every library that may refuse: imported by need

        told = refusals.sentence(error)
        if told is None:
            raise
        output.errors.print(output.plain(told), style="red", markup=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
