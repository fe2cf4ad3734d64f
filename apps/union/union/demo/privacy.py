"""Looks for personal data where none may be: on every topic and in every log file."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, TopicPartition

from common.db import Database
from common.events import EVENTS, TOPICS, topic_of_partner

_WORD = re.compile(r"[^\W\d_]{3,}(?:-[^\W\d_]{2,})*")
_PHONE = re.compile(
    r"(?<![0-9A-Fa-f-])\+?[78]?[\s(-]*(9\d{2})[\s)-]*(\d{3})[\s-]*(\d{2})[\s-]*(\d{2})(?![0-9A-Fa-f-])"
)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_RUSSIAN_DATE = re.compile(r"(?<!\d)(\d{2})[./](\d{2})[./](\d{4})(?!\d)")
_BUSINESS_DATES = frozenset(
    name for event in EVENTS for name, info in event.model_fields.items() if "date" in str(info.annotation)
)
"""Days of the union's business (joined_on, effective_on …): they are in the contract, and may equal a birthday."""


@dataclass
class Scanner:
    """Finds surnames, phones and birth dates of known people in text."""

    surnames: frozenset[str]
    phones: frozenset[str]
    births: frozenset[date]
    birth_of: dict[str, date]
    """member id -> birth date: an event of a member may carry other people's birthdays as dates, never its own."""
    public_words: frozenset[str] = frozenset()
    """Words of organisations' names: public, though some are also surnames."""
    found: list[str] = field(default_factory=list)
    """What kind was found where; never the datum itself."""
    records: int = 0
    lines: int = 0

    @classmethod
    async def of_registry(cls, database: Database) -> "Scanner":
        async with database.sessions() as session:
            people = (await session.execute(sa.text("select last_name, phone, birth_date from person"))).all()
            births = await session.execute(
                sa.text("select member_id, birth_date from member join person using (person_id)")
            )
            names = (await session.execute(sa.text("select distinct name from organisation"))).scalars()
            public = {word.lower() for name in names for word in _WORD.findall(name)}
            return cls(
                surnames=frozenset(row.last_name.lower() for row in people if len(row.last_name) >= 3),
                phones=frozenset(re.sub(r"\D", "", row.phone)[-10:] for row in people if row.phone),
                births=frozenset(row.birth_date for row in people),
                birth_of={str(row.member_id): row.birth_date for row in births},
                public_words=frozenset(public),
            )

    def look(self, text: str, where: str, births: bool = True) -> int:
        """How many data are in `text`; each is noted with its kind and `where`."""
        before = len(self.found)
        for word in _WORD.findall(text):
            if word.lower() in self.surnames and word.lower() not in self.public_words:
                self.found.append(f"surname in {where}")
        self.found += [f"phone in {where}" for match in _PHONE.findall(text) if "".join(match) in self.phones]
        if births:
            self.found += [f"birth date in {where}" for day in _dates(text) if day in self.births]
        return len(self.found) - before

    def look_at_record(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> None:
        self.records += 1
        body = json.loads(value or b"null")
        self.look(" ".join(_texts(body)), topic, births=False)
        self.look(
            " ".join(text for _, raw in headers for text in [raw.decode()]), f"{topic} headers", births=False
        )
        self.look((key or b"").decode(), f"{topic} key", births=False)
        if isinstance(body, dict):
            rest = {name: item for name, item in body.items() if name not in _BUSINESS_DATES}
            self.found += [f"birth date in {topic}" for day in _dates(json.dumps(rest)) if day in self.births]
            own = self.birth_of.get(str(body.get("member_id")))
            if own is not None and own in set(_dates(json.dumps(body))):
                self.found.append(f"the member's own birth date in {topic}")

    def look_at_log(self, path: Path) -> None:
        with path.open(errors="replace") as log:
            for line in log:
                self.lines += 1
                # JSON escapes Cyrillic; both readings are looked at.
                text = line
                if "\\u" in line:
                    text += re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), line)
                self.look(text, path.name)

    def finds_what_is_planted(self) -> bool:
        """A check that cannot fail proves nothing: planted data of each kind must be found."""
        if not (self.surnames - self.public_words and self.phones and self.births):
            return False
        twin = Scanner(self.surnames, self.phones, self.births, {}, self.public_words)
        surname = min(self.surnames - self.public_words).title()
        phone, born = min(self.phones), min(self.births)
        text = f'{{"who": "{surname}", "tel": "8({phone[:3]}){phone[3:6]}-{phone[6:8]}-{phone[8:]}"}}'
        member = str(uuid.uuid4())
        twin.birth_of[member] = born
        twin.look_at_record(
            "planted", None, json.dumps({"member_id": member, "joined_on": born.isoformat()}).encode(), []
        )
        return twin.look(f"{text} {born:%d.%m.%Y}", "planted") == 3 and len(twin.found) == 4


def _dates(text: str) -> list[date]:
    found = []
    numbers = [(y, m, d) for y, m, d in _ISO_DATE.findall(text)]
    numbers += [(y, m, d) for d, m, y in _RUSSIAN_DATE.findall(text)]
    for year, month, day in numbers:
        try:
            found.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return found


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)


async def scan(scanner: Scanner, bootstrap: str, logs: Path) -> None:
    """Every record of every topic from the first on, and every line of every log."""
    # Without a group a partition begins where the reset says; seeking beside that would race with it.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        fetch_max_wait_ms=50,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partitions = []
        of_partners = [name for name in await consumer.topics() if topic_of_partner(name) is not None]
        for name in (*(topic.name for topic in TOPICS), *sorted(of_partners)):
            numbers = consumer.partitions_for_topic(name) or await _partitions(consumer, name)
            partitions += [TopicPartition(name, number) for number in numbers]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
                for record in records:
                    scanner.look_at_record(record.topic, record.key, record.value, record.headers)
    finally:
        await consumer.stop()
    await asyncio.to_thread(_scan_logs, scanner, logs)


def _scan_logs(scanner: Scanner, logs: Path) -> None:
    for path in sorted(logs.rglob("*.log")):
        scanner.look_at_log(path)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    cluster = await consumer._client.fetch_all_metadata()
    return set(cluster.partitions_for_topic(topic) or ())
