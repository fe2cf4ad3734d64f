"""Kafka's users may do what the code does and nothing else; topics are those of the code; lag is that of its groups."""

from pathlib import Path

import pytest

from common.app import Service
from common.events import TOPICS
from common.events.cashback import TO_PARTNER
from common.events.partners import PURCHASE_REPORTS
from common.topics import topic_config
from tests.deploy import tools
from union import manifests
from union.kafka_resources import PARTITIONS, partner
from union.platform import services

SERVICES = services()

SERVICE_NAMES = [service.name for service in SERVICES]
SERVICE = pytest.mark.parametrize("service", SERVICES, ids=SERVICE_NAMES)


@pytest.fixture(scope="module")
def platform() -> list[tools.Resource]:
    return tools.platform("production")


def may(user: tools.Resource, kind: str, operation: str, name: str) -> bool:
    """Whether Kafka's authorizer lets this user do it."""
    for acl in user["spec"]["authorization"]["acls"]:
        resource = acl["resource"]
        exact = resource["patternType"] == "literal" and resource["name"] in (name, "*")
        prefixed = resource["patternType"] == "prefix" and name.startswith(resource["name"])
        if resource["type"] == kind and (exact or prefixed) and {operation, "All"} & set(acl["operations"]):
            return True
    return False


def test_the_topics_are_those_of_union_topics(platform: list[tools.Resource]) -> None:
    made = {each["spec"]["topicName"]: each["spec"] for each in tools.of_kind(platform, "KafkaTopic").values()}
    ours = {name: spec for name, spec in made.items() if not name.startswith("partner.")}

    assert ours.keys() == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        assert made[topic.name]["config"] == topic_config(topic)
        assert made[topic.name]["partitions"] == PARTITIONS


@SERVICE
def test_a_service_may_do_with_topics_what_its_code_does_and_nothing_else(
    service: Service, platform: list[tools.Resource]
) -> None:
    user = tools.of_kind(platform, "KafkaUser")[f"union-{service.name}"]
    consumed = set(manifests.consumed(service))

    for topic in TOPICS:
        assert may(user, "topic", "Write", topic.name) == (topic.owner == service.name), topic.name
        assert may(user, "topic", "Read", topic.name) == (topic.name in consumed), topic.name
        assert not may(user, "topic", "Create", topic.name)
        assert not may(user, "topic", "Delete", topic.name)
    for name in SERVICE_NAMES:
        group_of_theirs = f"{name}.registry.member.v1"
        assert may(user, "group", "Read", group_of_theirs) == (name == service.name and bool(consumed))
    # It tells partners, hears them, and makes the topic of one that comes while it runs.
    for name in (TO_PARTNER.of("books").name, PURCHASE_REPORTS.of("books").name):
        for operation in ("Read", "Write", "Create"):
            assert may(user, "topic", operation, name) == (service.name == "cashback")


def test_a_partner_sees_its_own_two_topics_and_nothing_else(platform: list[tools.Resource]) -> None:
    user = tools.of_kind(platform, "KafkaUser")["partner-books"]

    assert may(user, "topic", "Read", "partner.books.cashback.v1")
    assert may(user, "topic", "Write", "partner.books.purchases.v1")
    assert may(user, "group", "Read", "partner.books.anything")
    assert not may(user, "topic", "Write", "partner.books.cashback.v1")
    assert not may(user, "topic", "Read", "partner.books.purchases.v1")
    # One whose code begins with this one's is another.
    others = [topic.name for topic in TOPICS] + ["partner.bookshop.cashback.v1", "partner.cinema.cashback.v1"]
    for name in others:
        for operation in ("Read", "Write", "Describe"):
            assert not may(user, "topic", operation, name), name
    for group in ("partner.bookshop.x", *(f"{name}.registry.member.v1" for name in SERVICE_NAMES)):
        assert not may(user, "group", "Read", group)
    assert user["spec"]["quotas"].keys() == {
        "producerByteRate",
        "consumerByteRate",
        "requestPercentage",
        "controllerMutationRate",
    }


def test_keda_may_look_and_read_nothing(platform: list[tools.Resource]) -> None:
    user = tools.of_kind(platform, "KafkaUser")["union-keda"]
    for topic in TOPICS:
        assert may(user, "topic", "Describe", topic.name)
        assert not may(user, "topic", "Read", topic.name)
    assert may(user, "group", "Describe", "cards.registry.member.v1")
    assert not may(user, "group", "Read", "cards.registry.member.v1")


@SERVICE
def test_workers_scale_by_the_lag_of_what_they_consume(service: Service) -> None:
    scaled = tools.of_kind(tools.resources("production"), "ScaledObject").get(f"union-{service.name}-worker")
    # books is the one partner of these values.
    expected = {name.replace("{partner}", "books") for name in manifests.consumed(service)}
    triggers = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]] if scaled else []

    assert {each["topic"] for each in triggers} == expected
    for each in triggers:
        assert each["consumerGroup"] == f"{service.name}.{each['topic']}"


def test_a_new_partner_is_a_folder_with_its_code_as_name(tmp_path: Path) -> None:
    for path in (manifests.SCHEMA,):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text((tools.ROOT / path).read_text())
    folder = tmp_path / manifests.PARTNERS / "cinema"
    folder.mkdir(parents=True)
    manifests.write(tmp_path)

    made = tools.documents((folder / "partner.yaml").read_text())
    assert made == partner("cinema")
    assert tools.judge_custom(made) == []
    assert manifests.check(tmp_path) == []
    (folder / "partner.yaml").write_text((folder / "partner.yaml").read_text().replace("Write", "All"))
    assert manifests.check(tmp_path) != []
