"""The four services, and the settings that each has on this machine or in this environment."""

import os
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

import cards.keys
import cashback.keys
import registry.keys
from common.settings import Settings
from local_stack import Addresses, Program, Stack, portal_program, service_programs
from union import receivers, service_tokens

if TYPE_CHECKING:
    from common.app import Service

NAMES = ("registry", "cards", "cashback", "reports")
"""The services, each a package of this name. A service is imported when a command needs it, which most do not:
all four are three seconds of processor time."""

PREFIX = "UNION_"

DEMO_MEMORY = "demo.json"
"""Where, in the stack's data folder, `union demo` keeps what it played there."""


class Misconfigured(RuntimeError):
    """The environment does not say how to reach a service's parts; the message says what is missing."""


@cache
def service_named(name: str) -> "Service":
    if name not in NAMES:
        raise Misconfigured(f"There is no service {name}; choose one of {', '.join(NAMES)}.")
    service: Service = import_module(f"{name}.main").service
    return service


def services() -> list["Service"]:
    return [service_named(name) for name in NAMES]


def programs(addresses: Addresses) -> list[Program]:
    """The eight processes of the one-machine stack, each with what it alone is told, and the portal."""
    keys = addresses.data_dir / "keys"
    services = service_programs(
        addresses,
        service_env={
            "registry": registry.keys.ensure(keys),
            "cards": cards.keys.ensure(keys)
            | receivers.ensure(keys, receivers.FACTORY)
            | {"UNION_REGISTRY_URL": f"http://127.0.0.1:{addresses.ports.registry}"},
            "cashback": cashback.keys.ensure(keys)
            | receivers.ensure(keys, receivers.BANK)
            | {
                "UNION_REGISTRY_URL": f"http://127.0.0.1:{addresses.ports.registry}",
                # The partners of one machine are on it.
                "UNION_WEBHOOK_LOCAL_TARGETS": "true",
            },
            "reports": service_tokens.ensure(addresses.data_dir, "reports")
            | {
                "UNION_REGISTRY_URL": f"http://127.0.0.1:{addresses.ports.registry}",
                "UNION_CARDS_URL": f"http://127.0.0.1:{addresses.ports.cards}",
            },
        },
    )
    return [*services, portal_program(addresses)]


def local_stack() -> Stack:
    """The one-machine stack of UNION_DATA (or ./.local), nothing started."""
    return Stack(
        programs=programs,
        migrate=partial(_prepare, "databases"),
        provision_topics=partial(_prepare, "topics"),
        also_own=("keys", DEMO_MEMORY),
    )


def is_running(stack: Stack) -> bool:
    """Whether any process of the stack lives; asks none of them."""
    return any(stack.supervisor.find(name) for name in stack.supervisor.names())


def settings_of(service: "Service", stack: Stack | None = None) -> Settings:
    """A service's settings: of the running one-machine stack if there is one here, else of the environment.

    In the environment `UNION_CARDS_DATABASE_URL` is for cards alone and goes before `UNION_DATABASE_URL`.
    Raises Misconfigured naming the variables that are missing.
    """
    stack = stack or local_stack()
    if is_running(stack):
        environment: Mapping[str, str] = _program_environment(stack, service.name)
    else:
        environment = os.environ
    own = f"{PREFIX}{service.name.upper()}_"
    values: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)
    }
    values |= {
        name.removeprefix(own).lower(): value for name, value in environment.items() if name.startswith(own)
    }
    try:
        return service.settings(**{name: value for name, value in values.items() if value != ""})
    except ValidationError as error:
        raise misconfigured(service, error) from None


def misconfigured(service: "Service", error: ValidationError) -> Misconfigured:
    """What is missing or wrong among a service's settings, by the names of the variables; never a value."""
    missing, wrong = [], []
    for item in error.errors(include_input=False, include_url=False):
        variable = f"{PREFIX}{'_'.join(map(str, item['loc'])).upper()}"
        if item["type"] == "missing":
            missing.append(variable)
        else:
            wrong.append(f"{variable} is wrong ({item['msg']})")
    told = "; ".join([*([f"set {', '.join(sorted(missing))}"] if missing else []), *wrong])
    return Misconfigured(
        f"The settings of {service.name} are incomplete: {told}. Or start the one-machine stack with `union up`;"
        f" none runs on {local_stack().data_dir}."
    )


def owner_of(settings: str) -> "Service | None":
    """The service whose class of settings has this name."""
    return next((service for service in services() if service.settings.__name__ == settings), None)


def speak_for(name: str) -> None:
    """Give this process the environment of a service of the running one-machine stack, for its own commands."""
    stack = local_stack()
    if is_running(stack):
        os.environ.update(_program_environment(stack, name))


def _program_environment(stack: Stack, name: str) -> dict[str, str]:
    [program] = [p for p in programs(stack.addresses()) if p.name == f"{name}-worker"]
    return dict(program.env)


def _prepare(what: str, addresses: Addresses) -> None:
    getattr(import_module("union.preparing"), what)(addresses)
