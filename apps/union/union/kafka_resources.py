"""Topics and users of Kafka as resources of Strimzi: who may read and write what, and how fast."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.events import TOPICS, partner_topics
from common.events.base import Topic
from common.topics import topic_config

API = "kafka.strimzi.io/v1"
CLUSTER = "union"
"""The name of the Kafka resource in deploy/platform/kafka/base."""

PARTITIONS = 12
"""More can be had later only by breaking the order per key, so there are as many as workers may ever be wanted."""
REPLICAS = 3

_OF_PARTNERS = "partner."
_MEBIBYTE = 2**20

Resource = dict[str, Any]


def resource_name(name: str) -> str:
    """A topic's name as a name of Kubernetes, which knows no underscore."""
    return name.replace("_", "-")


def topic(topic: Topic) -> Resource:
    return {
        "apiVersion": API,
        "kind": "KafkaTopic",
        "metadata": _metadata(
            resource_name(topic.name),
            # The operator deletes a topic with its resource: no tool may prune one because a file was moved.
            annotations={"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"},
        ),
        "spec": {
            "topicName": topic.name,
            "partitions": PARTITIONS,
            "replicas": REPLICAS,
            "config": topic_config(topic),
        },
    }


def service_user(service: str, consumed: Iterable[str]) -> Resource:
    """A service writes the topics that it owns, reads those that it consumes, and enters its own groups.

    Who tells partners may also make their topics, because a partner comes while it runs.
    """
    owned = [topic.name for topic in TOPICS if topic.owner == service]
    consumed = list(consumed)
    acls = [_allow("topic", name, "Describe", "Write") for name in owned]
    acls += [_allow("topic", name, "Describe", "Read") for name in consumed if "{partner}" not in name]
    if any("{partner}" in name for name in consumed):
        acls.append(_allow("topic", _OF_PARTNERS, "Describe", "Read", "Write", "Create", prefix=True))
    if consumed:
        acls.append(_allow("group", f"{service}.", "Describe", "Read", prefix=True))
    return _user(f"union-{service}", acls, _quotas(50 * _MEBIBYTE, 100 * _MEBIBYTE, 200, 10))


def scaler_user() -> Resource:
    """KEDA looks at the ends of topics and at the offsets of groups, and reads no record."""
    acls = [_allow("topic", "*", "Describe"), _allow("group", "*", "Describe")]
    return _user("union-keda", acls, _quotas(0, _MEBIBYTE, 25, 1))


def partner(code: str) -> list[Resource]:
    """A partner's two topics and its user: it writes what it tells, reads what it is told, and sees nothing else."""
    topics = partner_topics([code])
    acls = [
        _allow("topic", each.name, "Describe", "Write" if each.owner == "partner" else "Read") for each in topics
    ]
    acls.append(_allow("group", f"{_OF_PARTNERS}{code}.", "Describe", "Read", prefix=True))
    user = _user(f"partner-{resource_name(code)}", acls, _quotas(_MEBIBYTE, 2 * _MEBIBYTE, 25, 1))
    return [*(topic(each) for each in topics), user]


def _allow(kind: str, name: str, *operations: str, prefix: bool = False) -> Resource:
    pattern = "prefix" if prefix else "literal"
    return {
        "resource": {"type": kind, "name": name, "patternType": pattern},
        "operations": list(operations),
    }


def _quotas(produced: int, consumed: int, request_percentage: int, mutations: int) -> Resource:
    """Bytes a second to and from each broker, per cent of its request threads, partitions made a second."""
    return {
        "producerByteRate": produced,
        "consumerByteRate": consumed,
        "requestPercentage": request_percentage,
        "controllerMutationRate": mutations,
    }


def _user(name: str, acls: Sequence[Resource], quotas: Resource) -> Resource:
    return {
        "apiVersion": API,
        "kind": "KafkaUser",
        "metadata": _metadata(name),
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": list(acls)},
            "quotas": quotas,
        },
    }


def _metadata(name: str, annotations: Mapping[str, str] | None = None) -> Resource:
    metadata: Resource = {"name": name, "labels": {"strimzi.io/cluster": CLUSTER}}
    return metadata | ({"annotations": dict(annotations)} if annotations else {})
