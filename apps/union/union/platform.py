"""The four services, and the settings that each has on this machine or in this environment."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

import cards.keys
import cards.main
import cashback.keys
import cashback.main
import registry.keys
import registry.main
import reports.main
from common import migrate
from common.app import Service
from common.events import TOPICS
from common.settings import Settings
from common.topics import provision
from local_stack import Addresses, Program, Stack, portal_program, service_programs
from union import receivers

SERVICES: tuple[Service, ...] = (
    registry.main.service,
    cards.main.service,
    cashback.main.service,
    reports.main.service,
)

PREFIX = "UNION_"

DEMO_MEMORY = "demo.json"
"""Where, in the stack's data folder, `union demo` keeps what it played there."""


class Misconfigured(RuntimeError):
    """The environment does not say how to reach a service's parts; the message says what is missing."""


def service_named(name: str) -> Service:
    for service in SERVICES:
        if service.name == name:
            return service
    raise Misconfigured(f"There is no service {name}; choose one of {', '.join(s.name for s in SERVICES)}.")


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
        },
    )
    return [*services, portal_program(addresses)]


def local_stack() -> Stack:
    """The one-machine stack of UNION_DATA (or ./.local), nothing started."""
    return Stack(programs=programs, migrate=_migrate, provision_topics=_provision, also_own=("keys", DEMO_MEMORY))


def is_running(stack: Stack) -> bool:
    """Whether any process of the stack lives; asks none of them."""
    return any(stack.supervisor.find(name) for name in stack.supervisor.names())


def settings_of(service: Service, stack: Stack | None = None) -> Settings:
    """A service's settings: of the running one-machine stack if there is one here, else of the environment.

    In the environment `UNION_CARDS_DATABASE_URL` is for cards alone and goes before `UNION_DATABASE_URL`.
    Raises Misconfigured naming the variables that are missing.
    """
    stack = stack or local_stack()
    if is_running(stack):
        environment: Mapping[str, str] = _program_environment(stack, service)
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


def misconfigured(service: Service, error: ValidationError) -> Misconfigured:
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


def owner_of(settings: str) -> Service | None:
    """The service whose class of settings has this name."""
    return next((service for service in SERVICES if service.settings.__name__ == settings), None)


def speak_for(name: str) -> None:
    """Give this process the environment of a service of the running one-machine stack, for its own commands."""
    stack = local_stack()
    if is_running(stack):
        os.environ.update(_program_environment(stack, service_named(name)))


def _program_environment(stack: Stack, service: Service) -> dict[str, str]:
    [program] = [p for p in programs(stack.addresses()) if p.name == f"{service.name}-worker"]
    return dict(program.env)


def _migrate(addresses: Addresses) -> None:
    for service in SERVICES:
        migrate.upgrade(service, addresses.database_urls[service.name])


def _provision(addresses: Addresses) -> None:
    settings = Settings(
        database_url=addresses.database_urls["registry"],
        kafka_bootstrap=addresses.kafka_bootstrap,
        jwks_url=addresses.jwks_url,
    )
    asyncio.run(provision(settings, TOPICS))
