"""A small union in one transaction: what a state machine of operations on the tree stands on."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from hypothesis.stateful import RuleBasedStateMachine, initialize
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.db import Database
from common.errors import BusinessError
from common.events.registry import MemberAdmitted
from registry.commands.membership import publish_member
from registry.commands.operations.asking import Asked, Limits, ask_operation
from registry.commands.organisations import create_organisation
from registry.models import Member, Membership, Person

Result = TypeVar("Result")
State = dict[str, Any]

FIRST = date(2021, 1, 1)
DAYS = [FIRST + timedelta(days=10 * n) for n in range(10)]
NOW = datetime.combine(DAYS[7], datetime.min.time(), UTC)
NO_LIMITS = Limits(10**6, 10**6)

_BELIEVED = (
    " where recorded_at <= coalesce(:known, 'infinity'::timestamptz)"
    " and (superseded_at is null or superseded_at > :known)"
)
_KNOWN = sa.bindparam("known", type_=sa.DateTime(timezone=True))
_TREE = sa.text(
    "select valid_from, valid_to, organisation_id, parent_id, name, status from organisation_period" + _BELIEVED
).bindparams(_KNOWN)
_MEMBERS = sa.text(
    "select valid_from, valid_to, member_id, organisation_id, status, category from member_period" + _BELIEVED
).bindparams(_KNOWN)


def on_day(rows: Sequence[Any], day: date) -> dict[UUID, tuple[Any, ...]]:
    """Of rows (from, to, key, …) those of the day by key; a key has one state on a day."""
    found = [row for row in rows if row[0] <= day and (row[1] is None or row[1] > day)]
    states = {row[2]: tuple(row[3:]) for row in found}
    assert len(states) == len(found), "two states of one thing on one day"
    return states


class Ground(RuleBasedStateMachine):
    """Plays against `database`; `loop` runs what is asynchronous. It is rolled back at the end."""

    database: Database
    loop: asyncio.AbstractEventLoop
    done: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.session: AsyncSession = self.database.sessions()
        self.numbers = itertools.count(1)
        self.organisations: list[UUID] = []
        self.members: list[UUID] = []
        self.operations: list[UUID] = []
        self.ended: set[UUID] = set()
        self.seen: list[tuple[datetime, dict[date, State]]] = []
        """Answers given of each day, and the moment of the knowledge."""

    def run(self, what: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(what)

    def teardown(self) -> None:
        self.run(self._end())

    async def _end(self) -> None:
        await self.session.rollback()
        await self.session.close()

    @initialize()
    def build(self) -> None:
        async def make() -> None:
            root = await self._create("federal", None)
            region = await self._create("regional", root)
            towns = [await self._create("territorial", region) for _ in range(2)]
            for n in range(4):
                await self._create("primary", towns[n % 2])
            for n in range(2):
                await self._create("structural_unit", self.organisations[4 + n])
            for n in range(6):
                await self._admit(self.organisations[4 + n % 6], DAYS[n % 3], None)

        self.run(self._whole(make()))

    async def _whole(self, what: Coroutine[Any, Any, None]) -> None:
        """In a savepoint: its events are written when it ends."""
        async with self.session.begin_nested():
            await what

    async def _create(self, kind: str, parent: UUID | None) -> UUID:
        number = next(self.numbers)
        made = await create_organisation(
            self.session,
            kind=kind,
            code=f"C{number}",
            name=f"Н {number}",
            parent_id=parent,
            opened_on=FIRST,
            now=NOW,
        )
        self.organisations.append(made.organisation_id)
        return made.organisation_id

    async def _admit(self, organisation: UUID, day: date, category: str | None) -> None:
        person = Person(
            person_id=uuid7(), last_name="Н", first_name="Н", birth_date=date(1980, 1, 1), match_key=str(uuid7())
        )
        self.session.add(person)
        await self.session.flush()
        member = Member(
            member_id=uuid7(),
            person_id=person.person_id,
            organisation_id=organisation,
            category=category,
            birth_year=1980,
            joined_on=day,
        )
        self.session.add(member)
        await self.session.flush()
        self.session.add(
            Membership(
                membership_id=uuid7(), member_id=member.member_id, organisation_id=organisation, from_on=day
            )
        )
        await publish_member(self.session, MemberAdmitted, member, day, origin="entry")
        self.members.append(member.member_id)

    def attempt(self, name: str, what: Callable[[], Awaitable[Any]], since: date) -> Any:
        """Try it. What is refused changes nothing; what is done changes no day before its own."""

        async def trying() -> Any:
            before = await self.answers()
            try:
                async with self.session.begin_nested():
                    result = await what()
            except BusinessError as refusal:
                self.session.expunge_all()
                self.done[f"{name} refused: {refusal.code}"] += 1
                result, unchanged = None, DAYS
            else:
                self.done[name] += 1
                unchanged = [day for day in DAYS if day < since]
            after = await self.answers()
            for day in unchanged:
                assert after[day] == before[day], (name, day)
            return result

        return self.run(trying())

    async def answers(self, known_at: datetime | None = None) -> dict[date, State]:
        """What is answered of each day; the states by key."""
        tree = (await self.session.execute(_TREE, {"known": known_at})).all()
        members = (await self.session.execute(_MEMBERS, {"known": known_at})).all()
        return {day: {"tree": on_day(tree, day), "members": on_day(members, day)} for day in DAYS}

    def ask(self, kind: str, organisation: int, arguments: State, day: date) -> None:
        subject = self.organisations[organisation % len(self.organisations)]
        asked = Asked(kind, subject, arguments, day, "Проба")
        operation = self.attempt(kind, lambda: ask_operation(self.session, asked, "a", NO_LIMITS, NOW), day)
        if operation is not None:
            self.operations.append(operation.operation_id)
            if operation.effects:
                self.organisations += [UUID(key) for key in operation.effects["created"]]

    def at(self, number: int) -> str:
        return str(self.organisations[number % len(self.organisations)])
