"""What an operator may say in a values file, and what is refused with a reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import tools


@pytest.mark.parametrize(
    "wrong",
    [
        "image.repo=registry.example/union",
        "image.tag=latest",
        "image.digest=sha256:short",
        "image.pullPolicy=Sometimes",
        "tokens.jwksUrl=login.example",
        "postgres.sslMode=prefer",
        "postgres.password=hunter2",
        "services.cards.postgres.password=hunter2",
        "services.cards.postgres.secret.password=hunter2",
        "services.cards.kafka.password=hunter2",
        "services.cards.files.card_number_key_file.content=hunter2",
        "kafka.bootstrap=kafka",
        "kafka.securityProtocol=SASL",
        "kafka.topicPartitions=0",
        "telemetry.logLevel=TRACE",
        "partners[0]=Books",
        "processes.api.replicas=many",
        "processes.scheduler.replicas=1",
        "processes.worker.autoscaling.min=0",
        "processes.api.autoscaling.lagThreshold=10",
        "services.payments.settings.x=1",
        "services.cards.enabled=maybe",
        "services.cards.files.erasure_key_file.name=x",
        "podSecurityContext.runAsUser=0",
        "podSecurityContext.runAsNonRoot=false",
        "services.cards.podSecurityContext.fsGroup=0",
        "services.cards.podSecurityContext.seccompProfile.type=Unconfined",
        "topologySpread[0].topologyKey=zone",
        "ingress.hosts.portal=portal.example",
        "ingress.paths[0]=/metrics",
        "networkPolicy.postgres[0].cidr=10.0.0.0/8",
        "networkPolicy.kafka.port=0",
        "monitoring.serviceMonitor.interval=often",
        # Settings are those of the code, within its bounds, and of the right service.
        "settings.log_levels=INFO",
        "settings.database_url=postgresql+asyncpg://x",
        "settings.consumer_batch=0",
        "services.registry.settings.transfer_days=0",
        "services.registry.settings.transfer_days=a month",
        "services.cards.settings.transfer_days=5",
        "services.cashback.settings.webhook_local_targets=true",
        "services.registry.settings.rate_limits.applications[0]=often",
    ],
)
def test_a_value_that_nothing_reads_or_nothing_bears_is_refused(wrong: str) -> None:
    made = tools.template("minimal", "--set", wrong)

    assert made.returncode != 0
    assert "values don't meet the specifications of the schema" in made.stderr, made.stderr


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("image.repository=", "image.repository is needed"),
        ("tokens.jwksUrl=", "tokens.jwksUrl is needed"),
        ("tokens.issuer=", "tokens.issuer is needed"),
        ("kafka.bootstrap=", "kafka.bootstrap is needed"),
        ("processes.api.autoscaling.min=9", "min is greater than max"),
        (
            "services.cards.files.card_number_key_file.name=",
            "services.cards.files.card_number_key_file.name is needed",
        ),
        (
            "services.cashback.files.ledger_key_file.name=",
            "services.cashback.files.ledger_key_file.name is needed",
        ),
    ],
)
def test_what_is_needed_is_asked_for_by_its_name(without: str, told: str) -> None:
    made = tools.template("minimal", "--set", without)

    assert made.returncode != 0
    assert told in made.stderr


def test_an_older_kubernetes_is_refused() -> None:
    made = tools.template("minimal", "--kube-version", "1.29.0")

    assert made.returncode != 0
    assert "kubeVersion" in made.stderr


def test_every_value_of_the_chart_is_explained_by_the_schema_and_used() -> None:
    """A value that stands in values.yaml alone would be read by no template."""
    values = yaml.safe_load((tools.CHART / "values.yaml").read_text())
    templates = "".join(path.read_text() for path in (tools.CHART / "templates").iterdir())

    def names(value: Any) -> set[str]:
        found: set[str] = set()
        for name, below in value.items() if isinstance(value, dict) else ():
            found |= {name} | names(below)
        return found

    # Settings and files travel by their names, peers and resources whole.
    travelling = names({k: values[k] for k in ("services",)}) | names(values["networkPolicy"])
    used = {name for name in names(values) - travelling if name not in templates}
    assert used <= {"requests", "limits", "cpu", "memory", "runAsUser", "runAsGroup", "fsGroup"}


def container(example: str, name: str, *arguments: str) -> dict[str, Any]:
    deployment = tools.of_kind(tools.resources(example, *arguments), "Deployment")[name]
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def variables(example: str, name: str, *arguments: str) -> dict[str, str]:
    return {v["name"]: v["value"] for v in container(example, name, *arguments)["env"] if "value" in v}


def test_settings_become_variables_and_a_services_own_go_before_those_of_all() -> None:
    sets = ("--set", "settings.max_body_bytes=2097152,services.cards.settings.max_body_bytes=4194304")

    # Numbers of values are floats to Helm: one in powers of ten would end the start.
    assert variables("minimal", "union-registry-api", *sets)["UNION_MAX_BODY_BYTES"] == "2097152"
    assert variables("minimal", "union-cards-api", *sets)["UNION_MAX_BODY_BYTES"] == "4194304"
    assert variables("production", "union-registry-api")["UNION_RATE_LIMITS"] == '{"applications":[40,60]}'


def test_a_tag_stands_in_when_there_is_no_digest() -> None:
    version = yaml.safe_load((tools.CHART / "Chart.yaml").read_text())["appVersion"]
    image = "registry.example/union-platform"

    assert container("minimal", "union-cards-api")["image"].startswith(f"{image}@sha256:")
    assert container("minimal", "union-cards-api", "--set", "image.digest=")["image"] == f"{image}:{version}"
    tagged = container("minimal", "union-cards-api", "--set", "image.digest=,image.tag=1.2.3")
    assert tagged["image"] == f"{image}:1.2.3"


def test_a_service_may_come_from_its_own_mirror_with_its_own_secret_and_ids() -> None:
    deployments = tools.of_kind(tools.resources("air-gapped"), "Deployment")

    def seen(name: str) -> tuple[str, list[dict[str, str]], int]:
        pod = deployments[name]["spec"]["template"]["spec"]
        image = pod["containers"][0]["image"].partition("@")[0]
        return image, pod["imagePullSecrets"], pod["securityContext"]["runAsUser"]

    assert seen("union-cards-api") == ("mirror.internal/cards/union-platform", [{"name": "mirror-cards"}], 20001)
    assert seen("union-reports-api") == (
        "mirror.internal/union/union-platform",
        [{"name": "mirror-internal"}],
        10001,
    )


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("keda.enabled=false", lambda r: r["kind"] in {"ScaledObject", "TriggerAuthentication", "ConfigMap"}),
        ("networkPolicy.enabled=false", lambda r: r["kind"] == "NetworkPolicy"),
        (
            "processes.api.autoscaling.enabled=false",
            lambda r: r["kind"] == "HorizontalPodAutoscaler",
        ),
        ("monitoring.serviceMonitor.enabled=false", lambda r: r["kind"] == "ServiceMonitor"),
        ("monitoring.prometheusRule.enabled=false", lambda r: r["kind"] == "PrometheusRule"),
        ("ingress.enabled=false", lambda r: r["kind"] == "Ingress"),
    ],
)
def test_what_is_switched_off_is_gone_and_nothing_else(
    switch: str, gone: Callable[[tools.Resource], bool], tmp_path: Path
) -> None:
    def names(resources: list[tools.Resource]) -> set[tuple[str, str]]:
        return {(each["kind"], each["metadata"]["name"]) for each in resources}

    whole = tools.resources("production")
    less = tools.resources("production", "--set", switch)

    assert names(less) == names([each for each in whole if not gone(each)])
    assert tools.judge_builtin(less, tmp_path) == []


def test_every_process_has_a_number_from_exactly_one_place() -> None:
    """Two that say how many there are would set it to and fro, at each release and each sync."""
    for example in tools.EXAMPLES:
        made = tools.resources(example)
        scaled = [
            each["spec"]["scaleTargetRef"]["name"]
            for kind in ("ScaledObject", "HorizontalPodAutoscaler")
            for each in tools.of_kind(made, kind).values()
        ]
        fixed = [name for name, each in tools.of_kind(made, "Deployment").items() if "replicas" in each["spec"]]
        assert sorted(scaled + fixed) == sorted(tools.of_kind(made, "Deployment"))


def test_no_worker_scales_beyond_the_partitions_or_to_none() -> None:
    made = tools.resources("production", "--set", "kafka.topicPartitions=5")
    for scaled in tools.of_kind(made, "ScaledObject").values():
        assert scaled["spec"]["maxReplicaCount"] == 5
        assert scaled["spec"]["minReplicaCount"] >= 1
        assert 1 <= scaled["spec"]["fallback"]["replicas"] <= 5
        down = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] >= 600
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


@pytest.mark.parametrize(
    ("protocol", "metadata", "parameters"),
    [
        ("SASL_SSL", {"sasl": "scram_sha512", "tls": "enable"}, {"username", "password", "ca"}),
        ("SASL_PLAINTEXT", {"sasl": "scram_sha512", "tls": "disable"}, {"username", "password"}),
        ("SSL", {"tls": "enable"}, {"cert", "key", "ca"}),
        ("PLAINTEXT", {}, None),
    ],
)
def test_keda_comes_to_the_broker_as_the_workers_do(
    protocol: str, metadata: dict[str, str], parameters: set[str] | None
) -> None:
    made = tools.resources("minimal", "--set", f"kafka.securityProtocol={protocol}")
    trigger = tools.of_kind(made, "ScaledObject")["union-cards-worker"]["spec"]["triggers"][0]
    authentication = tools.of_kind(made, "TriggerAuthentication").get("union-kafka")

    assert {name: trigger["metadata"].get(name) for name in ("sasl", "tls")} == {
        "sasl": metadata.get("sasl"),
        "tls": metadata.get("tls"),
    }
    if parameters is None:
        assert authentication is None
        assert "authenticationRef" not in trigger
    else:
        assert authentication is not None
        assert trigger["authenticationRef"] == {"name": "union-kafka"}
        given = [item for part in authentication["spec"].values() for item in part]
        assert {item["parameter"] for item in given} == parameters
    assert tools.judge_custom(made) == []
