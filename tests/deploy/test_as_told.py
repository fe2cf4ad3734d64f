"""The eight processes and the jobs before them, run as the chart tells a cluster to run them.

Real processes, a real PostgreSQL, a real broker. What is not of a cluster here: addresses and ports, the root of the
mounted files, and the embedded servers, which know no TLS; whom the driver trusts, a door of its own shows.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import cards.keys
import cashback.keys
import registry.keys
from local_stack.kafka import Broker
from local_stack.ports import free_port
from local_stack.postgres import Postgres
from local_stack.unprivileged import let_enter
from tests.deploy import tools
from tests.deploy.door import Door, certificate
from tests.memory import memory
from union.platform import services

SERVICES = services()

SERVICE_NAMES = [service.name for service in SERVICES]
PROCESSES = [(service, role) for service in SERVICE_NAMES for role in ("api", "worker")]
START_SECONDS = 200
pytestmark = pytest.mark.timeout(480)  # twenty processes, on a machine that may be busy


@dataclass(frozen=True)
class Cluster:
    """What a cluster would have: Secrets, by name and key, and the servers behind the addresses."""

    folder: Path
    secrets: Mapping[str, Mapping[str, bytes]]
    resources: list[tools.Resource]

    def pod(self, kind: str, name: str) -> tuple[dict[str, Any], int]:
        workload = tools.of_kind(self.resources, kind)[name]
        pod = workload["spec"]["template"]["spec"]
        return pod, pod.get("terminationGracePeriodSeconds", 30)

    def start(self, kind: str, name: str, port: int = 0) -> subprocess.Popen[bytes]:
        """A pod's one process: its variables, the files that are mounted into it, and nothing else."""
        pod, _ = self.pod(kind, name)
        [container] = pod["containers"]
        root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            if source := volumes[mount["name"]].get("secret"):
                there = root / mount["mountPath"].lstrip("/")
                there.mkdir(parents=True)
                data = self.secrets[source["secretName"]]
                for item in source.get("items", [{"key": key, "path": key} for key in data]):
                    (there / item["path"]).write_bytes(data[item["key"]])
        variables: dict[str, str] = {}
        for variable in container["env"]:
            if source := variable.get("valueFrom"):
                reference = source["secretKeyRef"]
                value = self.secrets[reference["name"]][reference["key"]].decode()
            else:
                value = re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], variable["value"])
            variables[variable["name"]] = re.sub(r"^/run/", f"{root}/run/", value)
        here = {
            "UNION_HTTP_HOST": "127.0.0.1",
            "UNION_HTTP_PORT": str(port),
            "UNION_KAFKA_IDEMPOTENT": "false",
            "PATH": os.environ["PATH"],
        }
        with (root / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *container["args"]], env=variables | here, cwd=root, stdout=log, stderr=log
            )


def key_files(folder: Path) -> dict[str, dict[str, bytes]]:
    """The Secrets that deploy/README.md tells to make."""
    made = cards.keys.ensure(folder) | cashback.keys.ensure(folder) | registry.keys.ensure(folder)

    def read(variable: str) -> bytes:
        place = Path(made[variable])
        return (next(place.glob("*.pem")) if place.is_dir() else place).read_bytes()

    return {
        "cards-signing-keys": {"2026.pem": read("UNION_CARD_SIGNING_KEY_FILE")},
        "cards-number-key": {"card-number.key": read("UNION_CARD_NUMBER_KEY_FILE")},
        "cashback-pairwise-key": {"pairwise.key": read("UNION_PAIRWISE_KEY_FILE")},
        "cashback-ledger-key": {"ledger.pem": read("UNION_LEDGER_KEY_FILE")},
        "registry-erasure-key": {"erasure.key": read("UNION_ERASURE_KEY_FILE")},
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="union-told-", dir=memory(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        let_enter(folder)
        postgres = Postgres(folder, free_port(), durable=False)
        broker = Broker(folder, free_port())
        try:
            postgres.start()
            postgres.ensure_databases(SERVICE_NAMES)
            broker.start()
            databases = {}
            for service in SERVICE_NAMES:
                address = urlsplit(postgres.url(service))
                databases[f"{service}-postgres-app"] = {
                    "username": str(address.username).encode(),
                    "password": str(address.password).encode(),
                }
                databases[f"{service}-postgres-ca"] = {"ca.crt": b""}
            sets = [
                f"kafka.bootstrap={broker.bootstrap.replace(',', chr(92) + ',')}",
                *("kafka.securityProtocol=PLAINTEXT", "kafka.createTopics=true", "kafka.topicReplication=1"),
                *(
                    f"postgres.port={postgres.port}",
                    "postgres.sslMode=disable",
                    "tokens.jwksUrl=http://127.0.0.1:9/",
                ),
                *(f"services.{service}.postgres.host=127.0.0.1" for service in SERVICE_NAMES),
                "services.registry.files.erasure_key_file.name=registry-erasure-key",
            ]
            resources = tools.resources("minimal", "--set", ",".join(sets))
            yield Cluster(folder, databases | key_files(folder / "keys"), resources)
        finally:
            broker.stop()
            postgres.stop()


def wait_for(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(seconds)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def migrated(cluster: Cluster) -> Cluster:
    """After the jobs of two releases, begun at one moment: who waits too long for the other is begun again."""
    names = [f"union-{service}-migrate" for service in [*SERVICE_NAMES, "cashback"]] + ["union-registry-topics"]
    waiting = [(name, cluster.start("Job", name)) for name in names]
    again = dict.fromkeys(names, tools.of_kind(cluster.resources, "Job")[names[0]]["spec"]["backoffLimit"])
    while waiting:
        name, job = waiting.pop(0)
        if wait_for(job, START_SECONDS) != 0:
            again[name] -= 1
            assert again[name] > 0, name
            waiting.append((name, cluster.start("Job", name)))
    return cluster


def test_every_process_becomes_ready_and_ends_in_good_order(migrated: Cluster) -> None:
    ports = {f"union-{service}-{role}": free_port() for service, role in PROCESSES}
    running = {name: migrated.start("Deployment", name, port) for name, port in ports.items()}
    try:
        with httpx.Client(timeout=5) as client:
            for name, port in ports.items():
                pod, _ = migrated.pod("Deployment", name)
                [container] = pod["containers"]
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    until_answered(client, port, container[probe]["httpGet"]["path"], running[name])
                assert b"outbox_unpublished_messages" in client.get(f"http://127.0.0.1:{port}/metrics").content
        started = time.monotonic()
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in running.items():
            _, grace = migrated.pod("Deployment", name)
            assert wait_for(process, grace - (time.monotonic() - started)) == 0, name
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def until_answered(client: httpx.Client, port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    """Until a probe is answered with 200, as the kubelet asks: again and again."""
    answered = "nothing"
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            answer = client.get(f"http://127.0.0.1:{port}{path}")
            if answer.status_code == 200:
                return
            answered = answer.text
        except httpx.HTTPError as error:
            answered = type(error).__name__
        time.sleep(0.1)
    raise AssertionError(f"{path}: {answered}")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_database_is_entered_only_when_its_certificate_is_of_the_authority(
    tmp_path: Path, migrated: Cluster, trusted: bool
) -> None:
    authority, chain, key = certificate(tmp_path)
    other, _, _ = certificate(tmp_path / "other")
    door = Door(chain, key)
    door.start()
    sets = f"services.reports.postgres.host=127.0.0.1,services.reports.postgres.port={door.port}"
    secrets = {**migrated.secrets, "reports-postgres-ca": {"ca.crt": authority if trusted else other}}
    told = Cluster(migrated.folder, secrets, tools.resources("minimal", "--set", sets))
    try:
        assert wait_for(told.start("Job", "union-reports-migrate"), START_SECONDS) != 0
    finally:
        door.close()

    assert [b"reports" in message for message in door.entered] == ([True] if trusted else [])


@pytest.mark.parametrize(
    ("secret", "name"),
    [("cards-number-key", "union-cards-worker"), ("cashback-pairwise-key", "union-cashback-api")],
)
def test_a_process_without_its_key_ends_at_once(migrated: Cluster, secret: str, name: str) -> None:
    emptied = dict.fromkeys(migrated.secrets[secret], b"")
    keyless = Cluster(migrated.folder, {**migrated.secrets, secret: emptied}, migrated.resources)

    assert wait_for(keyless.start("Deployment", name, free_port()), START_SECONDS) != 0
