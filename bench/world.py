"""What the rows share: the servers, a table to project into, events of realistic size."""

import contextlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from common.events.base import Event
from common.events.registry import MemberAdmitted, MemberChanged
from common.tables import add_kernel_tables
from local_stack.kafka import Broker
from local_stack.ports import free_port
from local_stack.postgres import Postgres

ROOT = Path(__file__).parents[1]


class Table(SQLModel, registry=registry()):
    """Base of the benchmark's tables."""


class Member(Table, table=True):
    """A projection of the whole of registry.member.v1."""

    __tablename__ = "member"
    member_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(index=True)
    status: str
    category: str | None
    sex: str | None
    birth_year: int
    joined_on: date
    left_on: date | None
    consents: list[str] = Field(sa_type=ARRAY(Text))
    version: int


add_kernel_tables(Table.metadata)


@dataclass(frozen=True)
class Servers:
    postgres: Postgres
    broker: Broker
    folder: Path

    def dsn(self, database: str) -> str:
        """The address for the driver itself, without SQLAlchemy."""
        return self.postgres.url(database, driver="postgresql")


@contextlib.contextmanager
def servers(databases: Sequence[str]) -> Iterator[Servers]:
    """PostgreSQL with production's durability and the embedded broker, on free ports, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="union-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres, broker = Postgres(folder, free_port(), durable=True), Broker(folder, free_port())
        try:
            postgres.start()
            postgres.ensure_databases(databases)
            broker.start()
            yield Servers(postgres, broker, folder)
        finally:
            broker.stop()
            postgres.stop()


@dataclass(frozen=True)
class Message:
    """An event as it stands in the outbox and on the wire."""

    topic: str
    key: str
    payload: bytes
    headers: dict[str, str]

    @property
    def wire_headers(self) -> list[tuple[str, bytes]]:
        return [(name, value.encode()) for name, value in self.headers.items()]


def member_messages(count: int, keys: int, consents: Sequence[str] | None = None) -> list[Message]:
    """`count` events of `keys` members, each member's versions in order; the same in every run but for ids.

    Everybody has `consents`, or each some.
    """
    dice = random.Random(7)  # the same shapes each time
    members = [uuid7() for _ in range(keys)]
    organisations = [uuid7() for _ in range(50)]
    return [
        _message(_event(dice, members[i % keys], organisations, i // keys + 1, consents)) for i in range(count)
    ]


def _event(
    dice: random.Random,
    member: UUID,
    organisations: Sequence[UUID],
    version: int,
    consents: Sequence[str] | None,
) -> Event:
    state = {
        "version": version,
        "effective_on": date(2024, dice.randint(1, 12), dice.randint(1, 28)),
        "member_id": member,
        "organisation_id": dice.choice(organisations),
        "status": "member",
        "category": dice.choice(["working", "student", "pensioner"]),
        "sex": dice.choice(["female", "male"]),
        "birth_year": dice.randint(1940, 2006),
        "joined_on": date(dice.randint(1980, 2024), dice.randint(1, 12), dice.randint(1, 28)),
        "left_on": None,
        "consents": consents or dice.choice([["membership"], ["bonus", "cards", "membership"]]),
    }
    return MemberAdmitted(origin="import", **state) if version == 1 else MemberChanged(**state)


def _message(event: Event) -> Message:
    return Message(
        topic=event.topic.name,
        key=event.key,
        payload=event.model_dump_json().encode(),
        headers={
            "ce_specversion": "1.0",
            "ce_id": str(uuid7()),
            "ce_type": event.event_type,
            "ce_source": event.source,
            "ce_subject": event.key,
            "ce_time": datetime.now(UTC).isoformat(),
            "ce_sequence": str(event.version),
            "ce_dataschema": event.schema_id(),
            "content-type": "application/json",
            "traceparent": f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01",
        },
    )


async def execute(dsn: str, *statements: str) -> None:
    """Run statements on a connection of their own."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
