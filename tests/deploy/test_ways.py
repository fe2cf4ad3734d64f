"""The network policies, read as a cluster reads them: which pod may open a connection to where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.deploy import tools
from union.platform import services

SERVICES = services()

SERVICE_NAMES = [service.name for service in SERVICES]


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod by labels in a namespace, or an address outside of the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = tools.NAMESPACE
    address: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)


POSTGRES = End({"cnpg.io/cluster": "any"})
KAFKA = End({"strimzi.io/cluster": "union", "strimzi.io/kind": "Kafka"})
DNS = End({"k8s-app": "kube-dns"}, "kube-system")
COLLECTOR = End({"app": "collector"}, "monitoring")
PROMETHEUS = End({"app": "prometheus"}, "monitoring")
INGRESS = End({"app": "nginx"}, "ingress-nginx")
STRANGER = End({"app": "stranger"}, "elsewhere")
NEIGHBOUR = End({"app": "neighbour"})
INTERNET = End(address="203.0.113.7")
METADATA_OF_THE_CLOUD = End(address="169.254.169.254")


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "Exists"
        if expression["key"] not in labels:
            return False
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


def is_peer(peer: Mapping[str, Any], end: End) -> bool:
    if block := peer.get("ipBlock"):
        if end.address is None:
            return False
        address = ip_address(end.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(but) for but in block.get("except", [])
        )
    if end.address is not None:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != tools.NAMESPACE:
        return False
    return selects(peer.get("podSelector", {}), end.labels)


def allowed(
    policies: list[tools.Resource], direction: str, pod: End, other: End, port: int, protocol: str
) -> bool:
    """Of one end alone; a connection needs both."""
    mine = [
        each["spec"]
        for each in policies
        if pod.address is None
        and pod.namespace == tools.NAMESPACE
        and selects(each["spec"]["podSelector"], pod.labels)
    ]
    mine = [spec for spec in mine if direction in spec["policyTypes"]]
    if not mine:
        return True
    rules = [rule for spec in mine for rule in spec.get(direction.lower(), [])]
    asked = other if direction == "Egress" else pod
    for rule in rules:
        peers = rule.get("to" if direction == "Egress" else "from")
        ports = rule.get("ports")
        fits = ports is None or any(
            each["protocol"] == protocol and asked.ports.get(each["port"], each["port"]) == port for each in ports
        )
        if fits and (peers is None or any(is_peer(peer, other) for peer in peers)):
            return True
    return False


@dataclass(frozen=True)
class Network:
    resources: list[tools.Resource]

    def process(self, service: str, role: str) -> End:
        kind = "Deployment" if role in ("api", "worker") else "Job"
        workload = tools.of_kind(self.resources, kind)[f"union-{service}-{role}"]
        template = workload["spec"]["template"]
        ports = {
            port["name"]: port["containerPort"] for port in template["spec"]["containers"][0].get("ports", [])
        }
        return End(template["metadata"]["labels"], ports=ports)

    def connects(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        policies = list(tools.of_kind(self.resources, "NetworkPolicy").values())
        return allowed(policies, "Egress", source, target, port, protocol) and allowed(
            policies, "Ingress", target, source, port, protocol
        )


PROCESSES = [(service, role) for service in SERVICE_NAMES for role in ("api", "worker", "migrate")]


@pytest.fixture(scope="module")
def production() -> Network:
    return Network(tools.resources("production"))


def test_each_process_reaches_what_it_needs_and_nothing_else(production: Network) -> None:
    targets = {
        "postgres": (POSTGRES, 5432),
        "kafka": (KAFKA, 9093),
        "collector": (COLLECTOR, 4318),
        "internet": (INTERNET, 443),
        "registry": (production.process("registry", "api"), 8000),
        "stranger": (STRANGER, 443),
        "neighbour": (NEIGHBOUR, 8080),
        "metadata": (METADATA_OF_THE_CLOUD, 80),
        "internet by http": (INTERNET, 80),
        "postgres by ssh": (POSTGRES, 22),
    }
    reached = {
        f"{service}-{role}": {
            name
            for name, (target, port) in targets.items()
            if production.connects(production.process(service, role), target, port)
        }
        for service, role in PROCESSES
    }

    # The internet: the issuer's keys for an API, partners' webhooks for cashback's worker.
    api, worker = {"postgres", "collector", "internet"}, {"postgres", "kafka", "collector"}
    assert reached == {
        "registry-api": api,
        "cards-api": api | {"registry"},
        "cashback-api": api | {"registry"},
        "reports-api": api,
        "registry-worker": worker,
        "cards-worker": worker,
        "cashback-worker": worker | {"internet"},
        "reports-worker": worker,
        **{f"{service}-migrate": {"postgres"} for service in SERVICE_NAMES},
    }


def test_each_process_is_reached_by_those_who_need_it_and_nobody_else(production: Network) -> None:
    sources = {"ingress": INGRESS, "prometheus": PROMETHEUS, "stranger": STRANGER, "neighbour": NEIGHBOUR}
    for service, role in PROCESSES:
        target = production.process(service, role)
        reached = {name for name, source in sources.items() if production.connects(source, target, 8000)}
        assert reached == {"api": {"ingress", "prometheus"}, "worker": {"prometheus"}, "migrate": set()}[role]


def test_names_are_found_by_everybody(production: Network) -> None:
    for service, role in PROCESSES:
        for protocol in ("UDP", "TCP"):
            assert production.connects(production.process(service, role), DNS, 53, protocol)


def test_without_a_way_out_nobody_reaches_the_internet() -> None:
    sealed = Network(tools.resources("air-gapped"))
    for service, role in [*PROCESSES, ("registry", "topics")]:
        process = sealed.process(service, role)
        assert not sealed.connects(process, INTERNET, 443)
        assert sealed.connects(process, End(address="10.20.1.9"), 9094) == (role in ("worker", "topics"))
        port = 6433 if service == "cashback" else 6432
        assert sealed.connects(process, End(address="10.20.0.9"), port) == (role != "topics")


def test_a_process_without_its_policy_reaches_nothing(production: Network) -> None:
    """Default deny stands by itself: what is forgotten is closed."""
    left = Network(
        [
            each
            for each in production.resources
            if each["metadata"]["name"] != "union-cards-worker" or each["kind"] != "NetworkPolicy"
        ]
    )
    worker = left.process("cards", "worker")

    assert not left.connects(worker, POSTGRES, 5432)
    assert not left.connects(PROMETHEUS, worker, 8000)


def test_the_databases_let_in_their_own_service_alone() -> None:
    policies = tools.of_kind(tools.platform("production"), "NetworkPolicy")
    chart = Network(tools.resources("production"))
    for owner in SERVICE_NAMES:
        database = End({"cnpg.io/cluster": f"{owner}-postgres"})
        [policy] = [p for p in policies.values() if selects(p["spec"]["podSelector"], database.labels)]
        for service, role in PROCESSES:
            source = chart.process(service, role)
            assert allowed([policy], "Ingress", database, source, 5432, "TCP") == (service == owner)
        assert allowed([policy], "Ingress", database, End({"cnpg.io/cluster": f"{owner}-postgres"}), 5432, "TCP")
        assert not allowed([policy], "Ingress", database, NEIGHBOUR, 5432, "TCP")
