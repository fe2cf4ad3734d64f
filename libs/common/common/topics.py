"""Topics are provisioned from the code's catalogue, never made by a stray producer or consumer."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from common.events.base import Topic
from common.kafka import kafka_security
from common.settings import Settings

_DAY_MS = 24 * 60 * 60 * 1000


def topic_config(topic: Topic) -> dict[str, str]:
    """The broker's settings for a topic; the same source feeds the Kubernetes resources."""
    if topic.compacted:
        # Compaction must not overtake a consumer of effects: the longest outage it may have is a week.
        return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(7 * _DAY_MS)}
    return {"cleanup.policy": "delete", "retention.ms": str(topic.retention_days * _DAY_MS)}


async def provision(settings: Settings, topics: Sequence[Topic]) -> list[str]:
    """Create the topics that are missing; returns their names. Those that exist are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, **kafka_security(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            response = await admin.create_topics(
                [
                    NewTopic(
                        topic.name,
                        num_partitions=settings.topic_partitions,
                        replication_factor=settings.topic_replication,
                        topic_configs=topic_config(topic),
                    )
                    for topic in missing
                ]
            )
            for _, code, *_ in response.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error
        return [topic.name for topic in missing]
    finally:
        await admin.close()
