"""The platform's own programs: each service once as `api` and once as `worker`, and the portal."""

import sys
from collections.abc import Mapping

from local_stack.postgres import DATABASES
from local_stack.stack import Addresses, Program


def service_programs(
    addresses: Addresses,
    *,
    shared_env: Mapping[str, str] | None = None,
    service_env: Mapping[str, Mapping[str, str]] | None = None,
    services: tuple[str, ...] = DATABASES,
) -> list[Program]:
    """Two programs per service, `cards-api` and `cards-worker`.

    `service_env` maps a service's name to what it alone is told, such as its secrets.
    """
    programs = []
    for service in services:
        env = {
            "UNION_DATABASE_URL": addresses.database_urls[service],
            "UNION_KAFKA_BOOTSTRAP": addresses.kafka_bootstrap,
            # The embedded broker knows no idempotent producers.
            "UNION_KAFKA_IDEMPOTENT": "false",
            # It does not end an empty fetch when data come: the wait is what an event takes longer.
            "UNION_KAFKA_FETCH_WAIT_MS": "150",
            "UNION_JWKS_URL": addresses.jwks_url,
            "UNION_HTTP_HOST": "127.0.0.1",
            **(shared_env or {}),
            **(service_env or {}).get(service, {}),
        }
        for role, port_name in (("api", service), ("worker", f"{service}_worker")):
            port = addresses.ports.of(port_name)
            programs.append(
                Program(
                    name=f"{service}-{role}",
                    argv=(sys.executable, "-m", f"{service}.main", role),
                    port=port,
                    env={**env, "UNION_HTTP_PORT": str(port)},
                    uses_broker=role == "worker",
                )
            )
    return programs


def portal_program(addresses: Addresses) -> Program:
    """The web applications, with the development issuer's sign-in; they have no database and hear no events."""
    port = addresses.ports.portal
    home = f"http://127.0.0.1:{port}"
    apis = {f"UNION_{name.upper()}_URL": f"http://127.0.0.1:{addresses.ports.of(name)}" for name in DATABASES}
    return Program(
        name="portal",
        argv=(sys.executable, "-m", "portal.main"),
        port=port,
        env={
            "UNION_HTTP_HOST": "127.0.0.1",
            "UNION_HTTP_PORT": str(port),
            "UNION_PORTAL_URL": home,
            "UNION_PORTAL_SECRET": addresses.keychain.secret("portal"),
            "UNION_JWKS_URL": addresses.jwks_url,
            "UNION_DEVELOPMENT_ISSUER": str(addresses.data_dir),
            **apis,
        },
    )
