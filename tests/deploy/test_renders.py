"""The chart, as Helm itself makes it: linted, equal to what is committed, and of valid resources."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import tools


@pytest.mark.parametrize("example", tools.EXAMPLES)
def test_helm_finds_nothing_in_the_chart(example: str) -> None:
    values = tools.CHART / "examples" / example / "values.yaml"
    linted = tools.helm("lint", "--strict", tools.CHART, "--values", values, "--kube-version", tools.KUBERNETES)

    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("example", tools.EXAMPLES)
def test_the_committed_render_is_what_the_chart_makes(example: str) -> None:
    assert tools.golden(example).read_text() == tools.rendered(example), "run make renders and read the difference"


def test_a_change_of_a_template_changes_a_render(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(tools.CHART, chart)
    helpers = chart / "templates" / "_pod.tpl"
    helpers.write_text(helpers.read_text().replace("failureThreshold: 6", "failureThreshold: 7"))
    made = tools.template("minimal", chart=chart)

    assert made.returncode == 0
    assert made.stdout != tools.golden("minimal").read_text()


def test_rules_of_the_folder_are_installed_their_tests_are_not_and_an_empty_file_is_refused(
    tmp_path: Path,
) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(tools.CHART, chart)
    for file in (chart / "alerts").glob("*"):
        file.unlink()
    rule = {"alert": "Lost", "expr": "up == 0", "annotations": {"summary": "{{ $labels.instance }} is away"}}
    groups = [{"name": "lost", "rules": [rule]}]
    (chart / "alerts" / "lost_ones.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (chart / "alerts" / "lost_test.yaml").write_text(
        yaml.safe_dump({"rule_files": ["lost_ones.yaml"], "tests": [{}]})
    )
    made = tools.documents(tools.template("production", chart=chart).stdout)

    rules = tools.of_kind(made, "PrometheusRule")
    assert {name: each["spec"]["groups"] for name, each in rules.items()} == {"union-lost-ones": groups}
    assert tools.judge_custom(made) == []
    (chart / "alerts" / "empty.yaml").write_text("groups: []\n")
    assert "holds no groups" in tools.template("production", chart=chart).stderr


def test_helm_refuses_a_broken_template(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(tools.CHART, chart)
    (chart / "templates" / "broken.yaml").write_text('{{ include "union.nowhere" . }}\n')

    assert (
        tools.helm("lint", "--strict", chart, "--values", chart / "examples/minimal/values.yaml").returncode != 0
    )


def test_the_package_holds_all_that_the_templates_read(tmp_path: Path) -> None:
    packaged = tools.helm("package", tools.CHART, "--destination", tmp_path)
    assert packaged.returncode == 0, packaged.stderr
    [archive] = tmp_path.glob("*.tgz")
    made = tools.template("production", chart=archive)

    assert made.stdout == tools.rendered("production")


@pytest.mark.parametrize("example", tools.EXAMPLES)
def test_every_resource_is_one_that_kubernetes_and_the_operators_know(example: str, tmp_path: Path) -> None:
    made = tools.resources(example)

    assert tools.judge_builtin(made, tmp_path) == []
    assert tools.judge_custom(made) == []


@pytest.mark.parametrize("overlay", tools.OVERLAYS)
def test_so_is_every_resource_of_the_platform(overlay: str, tmp_path: Path) -> None:
    made = tools.platform(overlay)

    assert tools.judge_builtin(made, tmp_path) == []
    assert tools.judge_custom(made) == []


def planted(resource: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with `value` at `path`, whose parts are keys and indices."""
    changed = copy.deepcopy(resource)
    *parents, last = path.split("/")
    place: Any = changed
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", "spec/replica", 2),
        ("Deployment", "spec/template/spec/containers/0/livenessProbe/httpGet/ports", "http"),
        ("Job", "spec/backoffLimit", "six"),
        ("NetworkPolicy", "spec/egresses", []),
        ("HorizontalPodAutoscaler", "spec/behavior/scaleDown/policies/0/periods", 60),
    ],
)
def test_a_field_that_kubernetes_does_not_know_is_found(kind: str, path: str, value: Any, tmp_path: Path) -> None:
    resource = next(iter(tools.of_kind(tools.resources("production"), kind).values()))

    assert tools.judge_builtin([resource], tmp_path) == []
    assert tools.judge_builtin([planted(resource, path, value)], tmp_path) != []


def test_a_kind_that_kubernetes_does_not_know_is_found(tmp_path: Path) -> None:
    old = {"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}

    assert tools.judge_builtin([old], tmp_path) != []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ScaledObject", "spec/minReplicas", 1),
        ("ScaledObject", "spec/fallback/behavior", "always"),
        ("TriggerAuthentication", "spec/secretTargetRef/0/secret", "x"),
        ("ServiceMonitor", "spec/endpoints/0/ports", "http"),
        ("Kafka", "spec/kafka/listeners/0/type", "clusterip"),
        ("Kafka", "spec/zookeeper", {}),
        ("KafkaNodePool", "spec/role", ["broker"]),
        ("KafkaTopic", "spec/partitions", 0),
        ("KafkaUser", "spec/authorization/acls/0/operations", ["Peek"]),
        ("Cluster", "spec/backup", {"barmanObjectStores": {}}),
        ("Database", "spec/cluster", {"named": "x"}),
        ("ScheduledBackup", "spec/method", "barman"),
        ("PodMonitor", "spec/podMetricsEndpoints/0/ports", "metrics"),
        ("ObjectStore", "spec/configuration/destination", "s3://x"),
        ("ObjectStore", "spec/retentionPolicy", "a month"),
    ],
)
def test_a_field_that_an_operator_does_not_know_is_found(kind: str, path: str, value: Any) -> None:
    everything = [*tools.resources("production"), *tools.platform("production")]
    resource = next(iter(tools.of_kind(everything, kind).values()))

    assert tools.judge_custom([resource]) == []
    assert tools.judge_custom([planted(resource, path, value)]) != []


def test_a_kind_without_a_schema_is_found() -> None:
    unknown = {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopics", "metadata": {"name": "x"}, "spec": {}}
    beta = {"apiVersion": "kafka.strimzi.io/v1beta2", "kind": "KafkaTopic", "metadata": {"name": "x"}, "spec": {}}

    assert len(tools.judge_custom([unknown, beta])) == 2


@pytest.mark.timeout(480)  # seconds on a machine of its own
def test_policies_hold_for_all_that_is_installed_and_a_breach_is_found(tmp_path: Path) -> None:
    # One run for both: checkov takes seconds to start.
    files = []
    for example in tools.EXAMPLES:
        files.append(tmp_path / f"{example}.yaml")
        files[-1].write_text(tools.rendered(example))
    deployment = tools.of_kind(tools.resources("minimal"), "Deployment")["union-cards-api"]
    container = copy.deepcopy(deployment)["spec"]["template"]["spec"]["containers"][0]
    del container["securityContext"]
    breach = planted(deployment, "metadata/name", "breach")
    breach["spec"]["template"]["spec"]["containers"] = [{**container, "image": "union-platform:latest"}]
    files.append(tmp_path / "breach.yaml")
    files[-1].write_text(yaml.safe_dump(breach))

    found = tools.judge_policy(files)

    assert [line for line in found if "breach" not in line] == []
    # Privilege escalation, writable root, capabilities, and an image that changes under its name.
    assert {"CKV_K8S_20", "CKV_K8S_22", "CKV_K8S_37", "CKV_K8S_14"} <= {line.split()[0] for line in found}
