"""The node that the other tests against Apache Kafka stand on, and what the embedded broker cannot do."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import create_conn
from aiokafka.errors import UnknownTopicOrPartitionError

from local_stack.apache import HOST, ApacheKafka, free_port

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="module"),
]

STREAMS_GROUP_HEARTBEAT = 88  # Kafka 4.1 and later
UPDATE_METADATA = 6  # of ZooKeeper's time, gone with Kafka 4.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApacheKafka]:
    """A node of this module's own: it is frozen, killed and restarted, which a shared one would pass on."""
    kafka = ApacheKafka(tmp_path_factory.mktemp("apache-kafka"), free_port())
    await kafka.start()
    yield kafka
    await kafka.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def topic(node: ApacheKafka) -> str:
    name = f"test.{uuid4().hex}.v1"
    admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()
    return name


async def produce(node: ApacheKafka, topic: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=node.bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send(topic, key=b"member", value=value)
        await producer.flush()
    finally:
        await producer.stop()


async def consume(node: ApacheKafka, topic: str, group: str, count: int) -> list[bytes]:
    """The group's next `count` values, committed."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=node.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            values = [(await consumer.getone()).value for _ in range(count)]
        await consumer.commit()
    finally:
        await consumer.stop()
    return values


async def test_the_node_is_kafka_4(node: ApacheKafka) -> None:
    connection = await create_conn(HOST, node.port)
    try:
        supported = connection._versions
    finally:
        connection.close()

    assert STREAMS_GROUP_HEARTBEAT in supported
    assert UPDATE_METADATA not in supported
    assert re.search(r"Kafka version: 4\.\d+\.\d+", node.log_path.read_text())


async def test_an_idempotent_producer_is_taken_and_read_back_in_order(node: ApacheKafka, topic: str) -> None:
    values = [b"%d" % number for number in range(500)]

    await produce(node, topic, values)

    assert await consume(node, topic, "reader", 500) == values


async def test_a_group_resumes_at_its_committed_offset(node: ApacheKafka, topic: str) -> None:
    await produce(node, topic, [b"1", b"2"])
    assert await consume(node, topic, "resuming", 2) == [b"1", b"2"]

    await produce(node, topic, [b"3"])

    assert await consume(node, topic, "resuming", 1) == [b"3"]
    assert await consume(node, topic, "another", 3) == [b"1", b"2", b"3"]


async def test_a_topic_is_never_made_by_writing_to_it(node: ApacheKafka) -> None:
    name = f"unprovisioned.{uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([name])
        assert described["error_code"] == UnknownTopicOrPartitionError.errno
        assert name not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_frozen_node_answers_nothing_and_goes_on_when_thawed(node: ApacheKafka, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=node.bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"before", key=b"member")
        node.freeze()
        sending = asyncio.ensure_future(producer.send_and_wait(topic, b"meanwhile", key=b"member"))
        answered, _ = await asyncio.wait([sending], timeout=1)
        assert not answered
        node.thaw()
        await asyncio.wait_for(sending, timeout=20)
    finally:
        node.thaw()
        await producer.stop()

    assert await consume(node, topic, "after-the-freeze", 2) == [b"before", b"meanwhile"]


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_topics_data_and_offsets_outlast_the_process(node: ApacheKafka, topic: str, end: str) -> None:
    await produce(node, topic, [b"1", b"2"])
    assert await consume(node, topic, f"outlasting-{end}", 2) == [b"1", b"2"]
    first_pid = node.pid

    await (node.kill() if end == "kill" else node.stop())
    assert node.pid is None
    await node.start()

    assert node.pid not in {None, first_pid}
    await produce(node, topic, [b"3"])
    assert await consume(node, topic, f"outlasting-{end}", 1) == [b"3"]
    assert await consume(node, topic, f"rereading-{end}", 3) == [b"1", b"2", b"3"]
