"""Commands of a command line that are imported when they are called, so that none pays for the others' imports."""

from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


@dataclass(frozen=True)
class Place:
    """Where a command or a group of commands is: `module:name` of a function or of a Typer.

    `help` and `before` (called before any of its commands) are for a group; a function's docstring is its help.
    """

    where: str
    help: str | None = None
    before: Callable[[], None] | None = None


def lazy_group(places: Mapping[str, Place]) -> type[TyperGroup]:
    """The class for `typer.Typer(cls=…)`; the Typer needs a callback, as typer asks for one command at least."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _Commands(places)

        def list_commands(self, ctx: Any) -> list[str]:
            return list(self.commands)

    return LazyGroup


class _Commands(UserDict[str, Any]):
    """The group's table of commands: what is looked up is imported; the names alone import nothing."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, Place):
            self[name] = found = _load(name, found)
        return found


def _load(name: str, place: Place) -> Any:
    module, _, attribute = place.where.partition(":")
    found = getattr(import_module(module), attribute)
    one = typer.Typer()
    if isinstance(found, typer.Typer):
        before = place.before
        one.add_typer(found, name=name, help=place.help, callback=(lambda: before()) if before else None)
    else:
        one.command(name)(found)
    return get_group(one).commands[name]
