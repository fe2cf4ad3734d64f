"""The chart, the platform's resources and the code say the same: names, rights, ways."""

import re
from collections.abc import Iterator

import pytest
import yaml

from common.app import Service
from tests.deploy import tools
from union.kafka_resources import PARTITIONS
from union.platform import services

SERVICES = services()

SERVICE_NAMES = [service.name for service in SERVICES]
SERVICE = pytest.mark.parametrize("service", SERVICES, ids=SERVICE_NAMES)


@pytest.fixture(scope="module")
def chart() -> list[tools.Resource]:
    return tools.resources("minimal")


@pytest.fixture(scope="module")
def platform() -> list[tools.Resource]:
    return tools.platform("production")


# ---- names ---------------------------------------------------------------------------------------------------------


def secrets_asked_for(resources: list[tools.Resource]) -> set[tuple[str, str]]:
    """(Secret, key) of every pod; a key of * stands for all of them."""

    def of_pods() -> Iterator[tuple[str, str]]:
        for each in resources:
            if each["kind"] not in {"Deployment", "Job"}:
                continue
            pod = each["spec"]["template"]["spec"]
            for variable in pod["containers"][0]["env"]:
                if source := variable.get("valueFrom"):
                    yield source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]
            for volume in pod["volumes"]:
                if source := volume.get("secret"):
                    for item in source.get("items", [{"key": "*"}]):
                        yield source["secretName"], item["key"]

    return set(of_pods())


def test_the_chart_asks_for_secrets_that_the_platform_makes_and_for_keys_that_the_readme_names(
    chart: list[tools.Resource], platform: list[tools.Resource]
) -> None:
    clusters, users = tools.of_kind(platform, "Cluster"), tools.of_kind(platform, "KafkaUser")
    [kafka] = tools.of_kind(platform, "Kafka")
    made_by_operators = (
        {(f"{name}-app", key) for name in clusters for key in ("username", "password")}
        | {(f"{name}-ca", "ca.crt") for name in clusters}
        | {(name, "password") for name in users}
        | {(f"{kafka}-cluster-ca-cert", "ca.crt")}
    )
    yours = secrets_asked_for(chart) - made_by_operators

    assert yours == {
        ("cards-signing-keys", "*"),
        ("cards-number-key", "card-number.key"),
        ("cashback-pairwise-key", "pairwise.key"),
        ("cashback-ledger-key", "ledger.pem"),
    }
    readme = (tools.ROOT / "deploy" / "README.md").read_text()
    assert [name for name, _ in sorted(yours) if name not in readme] == []


def test_a_missing_secret_is_seen(chart: list[tools.Resource], platform: list[tools.Resource]) -> None:
    renamed = tools.resources("minimal", "--set", "services.cards.postgres.secret.name=elsewhere")

    assert ("elsewhere", "password") in secrets_asked_for(renamed) - secrets_asked_for(chart)


@SERVICE
def test_each_service_goes_to_its_own_database(
    service: Service, chart: list[tools.Resource], platform: list[tools.Resource]
) -> None:
    cluster = tools.of_kind(platform, "Cluster")[f"{service.name}-postgres"]
    database = tools.of_kind(platform, "Database")[f"{service.name}-postgres"]
    assert cluster["spec"]["bootstrap"]["initdb"]["database"] == service.name
    assert cluster["spec"]["bootstrap"]["initdb"]["owner"] == database["spec"]["owner"] == service.name
    assert (database["spec"]["name"], database["spec"]["cluster"]["name"]) == (
        service.name,
        f"{service.name}-postgres",
    )
    assert {each["name"] for each in database["spec"]["extensions"]} >= extensions_of(service)

    for role in ("api", "worker", "migrate"):
        kind = "Job" if role == "migrate" else "Deployment"
        pod = tools.of_kind(chart, kind)[f"union-{service.name}-{role}"]["spec"]["template"]["spec"]
        variables = {v["name"]: v for v in pod["containers"][0]["env"]}
        address = variables["UNION_DATABASE_URL"]["value"]
        assert address.endswith(f"@{service.name}-postgres-rw:5432/{service.name}")
        for name in ("POSTGRES_USER", "POSTGRES_PASSWORD"):
            assert variables[name]["valueFrom"]["secretKeyRef"]["name"] == f"{service.name}-postgres-app"


def extensions_of(service: Service) -> set[str]:
    text = "".join(path.read_text().lower() for path in (service.migrations / "versions").glob("*.py"))
    return {name for name in ("ltree", "pg_trgm", "btree_gist") if name in text}


def test_every_database_is_backed_up_each_day_and_its_log_quotes_no_row(platform: list[tools.Resource]) -> None:
    stores = tools.of_kind(platform, "ObjectStore")
    backups = {
        each["spec"]["cluster"]["name"]: each for each in tools.of_kind(platform, "ScheduledBackup").values()
    }
    clusters = tools.of_kind(platform, "Cluster")

    assert backups.keys() == clusters.keys()
    for name, cluster in clusters.items():
        [archiver] = cluster["spec"]["plugins"]
        assert archiver["isWALArchiver"] is True
        assert archiver["parameters"]["barmanObjectName"] in stores
        assert backups[name]["spec"]["method"] == "plugin"
        assert backups[name]["spec"]["pluginConfiguration"]["name"] == archiver["name"]
        parameters = cluster["spec"]["postgresql"]["parameters"]
        assert parameters["log_error_verbosity"] == "terse"
        assert parameters["log_min_error_statement"] == "panic"


@pytest.mark.parametrize("overlay", tools.OVERLAYS)
def test_what_points_at_a_database_points_at_its_own(overlay: str) -> None:
    """Kustomize gives each service's copy its prefix; a pointer that it does not know would stay behind."""
    made = tools.platform(overlay)
    clusters = tools.of_kind(made, "Cluster").keys()
    for each in made:
        pointed = set(re.findall(r"cnpg.io/cluster: (\S+)", yaml.safe_dump(each)))
        if each["kind"] in {"Database", "ScheduledBackup"}:
            pointed.add(each["spec"]["cluster"]["name"])
        assert pointed <= ({each["metadata"]["name"]} & clusters), (each["kind"], each["metadata"]["name"])


@pytest.mark.parametrize("example", ["minimal", "production"])
@SERVICE
def test_a_service_at_its_most_finds_connections_enough(
    service: Service, example: str, platform: list[tools.Resource]
) -> None:
    made = tools.resources(example)
    connections = 0
    for role in ("api", "worker"):
        name = f"union-{service.name}-{role}"
        deployment = tools.of_kind(made, "Deployment")[name]
        variables = {
            v["name"]: v.get("value") for v in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        default = service.settings.model_fields["database_pool"].default
        pool = int(variables.get("UNION_DATABASE_POOL") or default)
        hpa, scaled = (tools.of_kind(made, kind).get(name) for kind in ("HorizontalPodAutoscaler", "ScaledObject"))
        most = (
            hpa["spec"]["maxReplicas"]
            if hpa
            else scaled["spec"]["maxReplicaCount"]
            if scaled
            else deployment["spec"]["replicas"]
        )
        # The pool and as much again when it is used up; one pod more while a release is rolled out.
        connections += (most + 1) * 2 * pool
    cluster = tools.of_kind(platform, "Cluster")[f"{service.name}-postgres"]

    # Migrations, replication, the operator and people come too.
    assert connections + 20 <= int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])


def test_the_chart_meets_the_brokers_where_the_platform_has_them(
    chart: list[tools.Resource], platform: list[tools.Resource]
) -> None:
    [(name, kafka)] = tools.of_kind(platform, "Kafka").items()
    listener = kafka["spec"]["kafka"]["listeners"][0]
    worker = tools.of_kind(chart, "Deployment")["union-cards-worker"]["spec"]["template"]["spec"]["containers"][0]
    variables = {v["name"]: v.get("value") for v in worker["env"]}

    assert variables["UNION_KAFKA_BOOTSTRAP"] == f"{name}-kafka-bootstrap:{listener['port']}"
    assert (listener["tls"], listener["authentication"]["type"]) == (True, "scram-sha-512")
    assert variables["UNION_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
    assert variables["UNION_KAFKA_SASL_MECHANISM"] == "SCRAM-SHA-512"
    assert variables["UNION_TOPIC_PARTITIONS"] == str(PARTITIONS)
    for service in SERVICES:
        pod = tools.of_kind(chart, "Deployment")[f"union-{service.name}-worker"]["spec"]["template"]["spec"]
        own = {v["name"]: v.get("value") for v in pod["containers"][0]["env"]}
        assert own["UNION_KAFKA_USERNAME"] in tools.of_kind(platform, "KafkaUser")


def test_a_restored_database_stands_beside_the_old_one_and_is_fed_by_its_backups(
    platform: list[tools.Resource],
) -> None:
    restored = tools.platform("postgres/restore")
    [(name, cluster)] = tools.of_kind(restored, "Cluster").items()
    [origin] = cluster["spec"]["externalClusters"]

    assert name not in tools.of_kind(platform, "Cluster")
    assert origin["plugin"]["parameters"]["serverName"] in tools.of_kind(platform, "Cluster")
    assert origin["plugin"]["parameters"]["barmanObjectName"] in tools.of_kind(platform, "ObjectStore")
    assert cluster["spec"]["bootstrap"]["recovery"]["source"] == origin["name"]
    for kind in ("Database", "ScheduledBackup"):
        [each] = tools.of_kind(restored, kind).values()
        assert each["spec"]["cluster"]["name"] == name
