"""What the chart tells a cluster, as committed in its renders, beside what the code takes.

`make check-deploy` holds the renders to the chart; nothing here needs Helm.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import Route

from common.app import Service, build_api, build_worker
from common.main import COMMANDS
from common.settings import Settings
from union import manifests
from union.kafka_resources import PARTITIONS, REPLICAS
from union.platform import services

SERVICES = services()

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy" / "chart"
EXAMPLES = ("minimal", "production", "air-gapped")
EXAMPLE = pytest.mark.parametrize("example", EXAMPLES)
SERVICE = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
ROLES = ("api", "worker", "migrate")


@pytest.fixture(scope="module")
def renders() -> dict[str, list[dict[str, Any]]]:
    # The C loader: three files of 3,000 lines.
    return {
        name: [
            document
            for document in yaml.load_all(
                (CHART / "examples" / name / "rendered.yaml").read_text(), Loader=yaml.CSafeLoader
            )
            if document
        ]
        for name in EXAMPLES
    }


def pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Pods of processes and jobs by name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in resources
        if each["kind"] in {"Deployment", "Job"}
    }


def variables(pod: dict[str, Any]) -> dict[str, str]:
    """The variables, a secret's value being a stand-in."""
    return {each["name"]: each.get("value", "secret") for each in pod["containers"][0]["env"]}


def test_the_made_files_are_those_of_the_code() -> None:
    assert manifests.check(ROOT) == []


@EXAMPLE
@SERVICE
def test_every_process_gets_settings_that_the_code_takes(
    service: Service, example: str, renders: dict[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {f"UNION_{name.upper()}" for name in service.settings.model_fields}
    for role in ROLES:
        told = variables(pods(renders[example])[f"union-{service.name}-{role}"])
        ours = {name: value for name, value in told.items() if name.startswith("UNION_")}
        assert ours.keys() <= known
        with monkeypatch.context() as environment:
            for name, value in ours.items():
                environment.setenv(name, value)
            settings = service.settings()
        assert settings.kafka_idempotent is True
        if role != "migrate":
            assert (settings.http_host, settings.http_port) == ("0.0.0.0", 8000)
            assert settings.topic_partitions in (PARTITIONS, Settings.model_fields["topic_partitions"].default)


@EXAMPLE
def test_every_command_is_one_of_the_image(example: str, renders: dict[str, list[dict[str, Any]]]) -> None:
    modules = {f"{service.name}.main" for service in SERVICES}
    for pod in pods(renders[example]).values():
        module, command = pod["containers"][0]["args"]
        assert (module in modules, command in COMMANDS) == (True, True)
        assert "command" not in pod["containers"][0]


def paths_of(app: Any) -> set[str]:
    return {route.path for route in app.routes if isinstance(route, Route)}


async def test_the_probes_ask_what_the_processes_answer(renders: dict[str, list[dict[str, Any]]]) -> None:
    [service] = [each for each in SERVICES if each.name == "reports"]
    settings = service.settings(database_url="postgresql+asyncpg://u:p@127.0.0.1:1/x", jwks_url="file:///none")
    answered = paths_of(build_api(service, settings)) & paths_of(build_worker(service, settings))
    asked = {
        container[probe]["httpGet"]["path"]
        for pod in pods(renders["minimal"]).values()
        for container in pod["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        if probe in container
    }

    assert asked == {"/health/live", "/health/ready"}
    assert asked | {"/metrics"} <= answered


@EXAMPLE
@SERVICE
def test_each_key_is_given_to_the_processes_that_read_it_and_to_no_other(
    service: Service, example: str, renders: dict[str, list[dict[str, Any]]]
) -> None:
    facts = manifests.facts(service)["files"]
    for role in ROLES:
        pod = pods(renders[example])[f"union-{service.name}-{role}"]
        mounted = {
            mount["mountPath"].removeprefix("/run/files/") for mount in pod["containers"][0]["volumeMounts"]
        }
        read = {name for name, file in facts.items() if role in file["processes"]}
        assert mounted & facts.keys() <= read
        assert {name for name in read if facts[name]["required"]} <= mounted
        # A variable with a path stands for every file that is mounted, and for no place that is not.
        told = variables(pod)
        for name in mounted & facts.keys():
            assert told[f"UNION_{name.upper()}"].startswith(f"/run/files/{name}")


@EXAMPLE
def test_every_container_is_restricted(example: str, renders: dict[str, list[dict[str, Any]]]) -> None:
    for name, pod in pods(renders[example]).items():
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        # Uploads and what the standard library puts aside: the only place to write.
        writable = [mount for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert writable == [{"name": "tmp", "mountPath": "/tmp"}], name
        # Restricted pods may have these volumes alone.
        assert {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}} <= {
            *("secret", "configMap", "emptyDir")
        }, name
        for limit in ("cpu", "memory"):
            assert container["resources"]["limits"][limit], name


def test_the_user_is_the_images() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert user is not None
    assert values["podSecurityContext"]["runAsUser"] == int(user[1])
    assert values["podSecurityContext"]["runAsGroup"] == int(user[2])


@EXAMPLE
def test_no_process_is_killed_before_it_may_have_ended(
    example: str, renders: dict[str, list[dict[str, Any]]]
) -> None:
    for name, pod in pods(renders[example]).items():
        if name.endswith(("-migrate", "-topics")):
            continue
        shutdown = float(variables(pod)["UNION_SHUTDOWN_SECONDS"])
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        # The server's requests; of a worker then, one after another, consumers, rounds, jobs and relay.
        parts = 5 if name.endswith("-worker") else 1
        assert pod["terminationGracePeriodSeconds"] > before + parts * shutdown, name
        if name.endswith("-api"):
            assert before >= 5, name


@EXAMPLE
def test_jobs_before_a_release_need_nothing_that_comes_with_it(
    example: str, renders: dict[str, list[dict[str, Any]]]
) -> None:
    """Argo CD runs hooks before the chart's accounts and maps exist; Helm cannot change a job that is there."""
    made = {
        (each["kind"], each["metadata"]["name"])
        for each in renders[example]
        if "helm.sh/hook" not in each["metadata"].get("annotations", {})
    }
    jobs = [each for each in renders[example] if each["kind"] == "Job"]
    assert {each["metadata"]["name"] for each in jobs} >= {f"union-{service.name}-migrate" for service in SERVICES}
    for job in jobs:
        annotations, pod = job["metadata"]["annotations"], job["spec"]["template"]["spec"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
        assert "ttlSecondsAfterFinished" not in job["spec"]
        assert ("ServiceAccount", pod["serviceAccountName"]) not in made
        for volume in pod["volumes"]:
            if source := volume.get("configMap"):
                assert ("ConfigMap", source["name"]) not in made
        for each in pod["containers"][0]["env"]:
            assert "configMapKeyRef" not in each.get("valueFrom", {})
    policies = {each["metadata"]["name"]: each for each in renders[example] if each["kind"] == "NetworkPolicy"}
    for job in jobs:
        policy = policies[job["metadata"]["name"]]["metadata"]["annotations"]
        assert int(policy["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"]["helm.sh/hook-weight"])


def test_no_template_asks_the_cluster_or_chance() -> None:
    """Argo CD renders without a cluster, and again and again."""
    for template in (CHART / "templates").iterdir():
        assert not re.search(r"\b(lookup|rand\w+|now|genCA|gen\w+Cert|uuidv4)\b ", template.read_text()), (
            template.name
        )


def test_the_chart_makes_no_secret_and_no_value_holds_one(renders: dict[str, list[dict[str, Any]]]) -> None:
    for resources in renders.values():
        assert [each for each in resources if each["kind"] == "Secret"] == []
        for pod in pods(resources).values():
            for each in pod["containers"][0]["env"]:
                if "PASSWORD" in each["name"]:
                    assert "value" not in each, each["name"]


def test_the_number_of_partitions_is_the_same_everywhere() -> None:
    kafka = yaml.safe_load((CHART / "values.yaml").read_text())["kafka"]

    assert (kafka["topicPartitions"], kafka["topicReplication"]) == (PARTITIONS, REPLICAS)


@EXAMPLE
def test_every_alert_comes_with_the_chart(example: str, renders: dict[str, list[dict[str, Any]]]) -> None:
    read = [yaml.safe_load(file.read_text()) for file in sorted((CHART / "alerts").glob("*.yaml"))]
    files = [content for content in read if "tests" not in content]
    rules = [each for each in renders[example] if each["kind"] == "PrometheusRule"]
    expected = [content["groups"] for content in files] if example == "production" else []

    assert [each["spec"]["groups"] for each in rules] == expected
