"""The subscriptions of a worker on Kafka: FastStream reads, our processor decides, offsets follow."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from common import telemetry
from common.consumers import Subscription
from common.db import Database
from common.kafka import kafka_security
from common.parking import Record
from common.processing import Processor
from common.settings import Settings

Records = tuple[ConsumerRecord, ...]

POLL_INTERVAL_SECONDS = 300.0
"""Kafka takes a worker that has not polled for so long out of the group; then it is not alive either."""


async def _raw(message: KafkaAckableMessage) -> Any:
    """A decoder that does nothing: a poison record must meet our own code, not FastStream's."""
    return message.raw_message


def _security(settings: Settings) -> BaseSecurity:
    """The same credentials as `kafka_security`, in FastStream's words."""
    arguments = kafka_security(settings)
    context, tls = arguments.get("ssl_context"), settings.kafka_security_protocol.endswith("SSL")
    if not settings.kafka_security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=tls)
    mechanisms = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return mechanisms[settings.kafka_sasl_mechanism](
        username=arguments["sasl_plain_username"] or "",
        password=arguments["sasl_plain_password"] or "",
        ssl_context=context,
        use_ssl=tls,
    )


class Streams:
    """One FastStream broker with a batch subscriber for each subscription."""

    def __init__(
        self, service: str, subscriptions: Sequence[Subscription], database: Database, settings: Settings
    ) -> None:
        self._broker = KafkaBroker(
            settings.kafka_bootstrap,
            client_id=f"{service}-worker",
            graceful_timeout=settings.shutdown_seconds,
            security=_security(settings),
            # Not FastStream's own logger, which prints exceptions with their texts: this one ends in our log.
            logger=logging.getLogger("union.streams"),
            # Injection into the handler and its validation of every record cost as much as all of our work.
            apply_types=False,
        )
        self._subscribers: list[tuple[Subscription, Any]] = []
        self._begun: dict[str, float] = {}
        """When the batch under way began, by consumer."""
        for subscription in subscriptions:
            self._subscribe(subscription, Processor(subscription, database), settings)

    def _subscribe(self, subscription: Subscription, processor: Processor, settings: Settings) -> None:
        async def parse(records: Records) -> KafkaAckableMessage:
            # FastStream's parser fails on a header that is not UTF-8, and the loop goes on past the whole batch;
            # it also answers to whatever topic a header `reply_to` names.
            return KafkaAckableMessage(raw_message=records, body=b"", consumer=subscriber.consumer)

        subscriber: Any = self._broker.subscriber(
            subscription.topic.name,
            group_id=subscription.consumer,
            batch=True,
            parser=parse,
            decoder=_raw,
            max_records=settings.consumer_batch,
            batch_timeout_ms=50,
            fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
            auto_offset_reset="earliest",
            # The only policy that commits what was processed and nothing else.
            ack_policy=AckPolicy.NACK_ON_ERROR,
            max_poll_interval_ms=int(POLL_INTERVAL_SECONDS * 1000),
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
        )
        subscriber(self._handler(subscription, processor))
        self._subscribers.append((subscription, subscriber))

    def _handler(self, subscription: Subscription, processor: Processor) -> Callable[[Records], Awaitable[None]]:
        async def handle(batch: Records) -> None:
            records = [Record.of(record) for record in batch]
            self._begun[subscription.consumer] = time.monotonic()
            try:
                await processor.process(records)
            finally:
                del self._begun[subscription.consumer]
            self.measure()

        handle.__name__ = subscription.consumer
        return handle

    async def start(self) -> None:
        """Join the groups, all at once: a join lasts as long as the broker waits for others, seconds each."""
        await self._broker.connect()
        async with asyncio.TaskGroup() as joining:
            for _, subscriber in self._subscribers:
                joining.create_task(subscriber.start())

    async def stop(self) -> None:
        """Finish the batches under way, commit their offsets, leave the groups."""
        await self._broker.stop()

    def _consumer(self, subscriber: Any) -> AIOKafkaConsumer | None:
        return subscriber.consumer

    @property
    def assigned(self) -> bool:
        """True when each subscription's group has given this worker its part, which may be no partition at all.

        A worker beyond the number of partitions is ready: it takes over when another one ends.
        """
        return all(self._assignment(subscriber) is not None for _, subscriber in self._subscribers)

    @property
    def alive(self) -> bool:
        """False when a subscription has ended, or a batch takes longer than Kafka waits for the next poll."""
        oldest = min(self._begun.values(), default=float("inf"))
        running = all(bool(subscriber.running) for _, subscriber in self._subscribers)
        return running and time.monotonic() - oldest < POLL_INTERVAL_SECONDS

    def _assignment(self, subscriber: Any) -> Any:
        consumer = self._consumer(subscriber)
        state = consumer._subscription.subscription if consumer is not None else None
        return state.assignment if state is not None else None

    def measure(self) -> None:
        """Set the lag of each partition this worker holds: records in the log that it has not read."""
        for subscription, subscriber in self._subscribers:
            consumer, assignment = self._consumer(subscriber), self._assignment(subscriber)
            if consumer is None or assignment is None:
                continue
            for partition in assignment.tps:
                end = consumer.highwater(partition)
                reading = assignment.state_value(partition)
                if end is not None and reading is not None and reading.has_valid_position:
                    telemetry.LAG.labels(subscription.consumer, partition.topic, partition.partition).set(
                        max(0, end - reading.position)
                    )
