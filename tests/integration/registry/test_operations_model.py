"""Whatever is done to the tree and its members, undone and dated back: a tree on every day, nobody twice, and no
answer about a day changes but by an operation for that day, which the knowledge of before excludes.

A state machine plays random operations through the commands against a real database, in one transaction that is
rolled back. Its model is small: what it asked for and was not refused.
"""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from common.db import Database
from common.errors import BusinessError
from common.settings import Settings
from registry.commands.membership import change_member, end_membership
from registry.commands.operations.asking import Asked, ask_operation, carry_out_due
from registry.commands.transfers import accept_transfer, release_member
from registry.models import Member, OrganisationOperation
from tests.extent import tries
from tests.integration.registry.ground import DAYS, FIRST, NO_LIMITS, NOW, Ground, State, on_day

index = st.integers(0, 11)
ground = st.integers(4, 11)
"""Mostly those that have members."""
day = st.sampled_from(DAYS[:8])
late = st.sampled_from(DAYS[4:8])
"""Days for what nothing later may stand in the way of."""
categories = st.sampled_from(["working", "student", "pensioner", None])

_STAYS = sa.text("select from_on, to_on, member_id, organisation_id from membership")


class Tree(Ground):
    """What is done to the ground, and what holds after each step."""

    @rule(
        kind=st.sampled_from(
            ["create", "create", "rename", "move", "move", "merge", "merge", "split", "close", "close", "reopen"]
        ),
        a=index,
        b=index,
        early=day,
        on=late,
        chosen=categories,
        flag=st.booleans(),
        other_flag=st.booleans(),
    )
    def operate(
        self, kind: str, a: int, b: int, early: date, on: date, chosen: str | None, flag: bool, other_flag: bool
    ) -> None:
        """One rule for all kinds: the engine leaves out rules at random, and all of these should be played."""
        number = next(self.numbers)
        new = {"code": f"C{number}", "name": f"Н {number}"}
        ground, other = 4 + a % 8, 4 + b % 8
        match kind:
            case "create":
                parent = 2 + b % 4
                inside = "structural_unit" if parent > 3 else "primary"
                given = {"organisation": {**new, "kind": inside, "parent_id": self.at(parent)}}
                self.ask("create", parent, given, early)
            case "rename":
                self.ask("rename", a, {"changes": {"name": f"Имя {number}"}}, early)
            case "move":
                # Primaries go to a town, units to a primary; now and then anything to anywhere.
                likely = 2 + b % 2 if ground < 8 else 4 + b % 4
                self.ask("move", ground, {"parent_id": self.at(b if flag and other_flag else likely)}, early)
            case "merge":
                self.ask("merge", ground, {"into_id": self.at(other)}, on)
            case "split":
                to: State = {"new": new} if flag else {"into_id": self.at(other)}
                part = {**to, "categories": [chosen or "not_given"], "rest": other_flag}
                self.ask("split", ground, {"parts": [part], "close": other_flag}, on)
            case "close":
                # One that is empty, if there is one: of the others it is refused.
                state = self.run(self.answers())[DAYS[-1]]
                used = {home for home, status, *_ in state["members"].values() if status == "member"}
                used |= {parent for parent, _, status in state["tree"].values() if status == "active"}
                empty = [
                    n
                    for n, key in enumerate(self.organisations)
                    if key not in used and state["tree"].get(key, (None, None, ""))[2] == "active"
                ]
                self.ask("close", empty[a % len(empty)] if empty else len(self.organisations) - 1 - a % 4, {}, on)
            case "reopen":
                state = self.run(self.answers())[DAYS[-1]]["tree"]
                closed = [n for n, key in enumerate(self.organisations) if state[key][2] == "closed"]
                if closed:
                    self.ask("reopen", closed[a % len(closed)], {}, on)

    @rule(number=st.integers(0, 5), dry=st.booleans())
    def undo(self, number: int, dry: bool) -> None:
        if not self.operations:
            return
        undone = self.operations[-1 - number % len(self.operations)]

        async def trying() -> Any:
            operation = await self.session.get_one(OrganisationOperation, undone)
            asked = Asked("undo", operation.organisation_id, {}, operation.effective_on, "Ошибка", undone)
            return await ask_operation(self.session, asked, "a", NO_LIMITS, NOW, dry_run=dry)

        self.attempt("try to undo" if dry else "undo", trying, DAYS[-1] if dry else FIRST)

    @rule(organisation=ground, category=categories, on=day)
    def join(self, organisation: int, category: str | None, on: date) -> None:
        key = UUID(self.at(organisation))

        async def joining() -> None:
            kinds = sa.text("select kind from organisation where organisation_id = :id")
            kind = await self.session.scalar(kinds, {"id": key})
            states = {day: answer["tree"].get(key) for day, answer in (await self.answers()).items()}
            statuses = {state[2] if state else None for day, state in states.items() if day >= on}
            if statuses == {"active"} and kind in ("primary", "structural_unit"):
                await self._admit(key, on, category)

        self.run(self._whole(joining()))

    @rule(member=index, on=day, how=st.sampled_from(["left", "expelled"]))
    def leave(self, member: int, on: date, how: Any) -> None:
        key = self.members[member % len(self.members)]
        if self.attempt("leave", lambda: end_membership(self.session, key, how, None, on, NOW), on):
            self.ended.add(key)

    @rule(member=index, on=day, category=st.sampled_from(["working", "student", "pensioner"]))
    def recategorise(self, member: int, on: date, category: str) -> None:
        key = self.members[member % len(self.members)]
        self.attempt("recategorise", lambda: change_member(self.session, key, category, {}, on, NOW), on)

    @rule(member=index, into=ground, on=day)
    def transfer(self, member: int, into: int, on: date) -> None:
        key, to = self.members[member % len(self.members)], UUID(self.at(into))

        async def transferring() -> None:
            released = await release_member(self.session, key, to, on, 30, NOW)
            await self.session.flush()
            await accept_transfer(self.session, released.transfer_id, on, None, NOW)

        self.attempt("transfer", transferring, on)

    @rule(organisation=ground, into=ground, waited=st.integers(1, 30))
    def plan_and_wait(self, organisation: int, into: int, waited: int) -> None:
        """What is planned happens on its day, or is refused then; until then nothing of it is to be seen."""
        on = NOW.date() + timedelta(days=waited)
        subject = UUID(self.at(organisation))
        asked = Asked("merge", subject, {"into_id": self.at(into)}, on, "Проба")

        async def planning() -> Any:
            before = await self.answers()
            operation = await ask_operation(self.session, asked, "a", NO_LIMITS, NOW)
            assert operation.status == "scheduled"
            assert await self.answers() == before
            (carried,) = await carry_out_due(self.session, datetime.combine(on, datetime.min.time(), UTC))
            assert carried.status in ("done", "refused")
            # The machine's clock stands still: what was done ahead of it is taken back.
            raise _Rewound if carried.status == "done" else _Refused

        self.attempt("plan", planning, DAYS[-1])

    @invariant()
    def it_is_a_tree_and_nobody_is_twice_anywhere(self) -> None:
        self.run(self._check())

    async def _check(self) -> None:
        believed = await self.answers()
        all_stays = (await self.session.execute(_STAYS)).all()
        for on, state in believed.items():
            roots = [
                key for key, (parent, _, status) in state["tree"].items() if parent is None and status == "active"
            ]
            assert len(roots) <= 1
            assert not state["tree"] or len(roots) == 1
            for key, (_, _, status) in state["tree"].items():
                walked: set[UUID] = set()
                at: UUID | None = key
                while status == "active" and at is not None:
                    assert at not in walked, "a cycle"
                    assert state["tree"][at][2] == "active", "an active organisation under a closed one"
                    walked.add(at)
                    at = state["tree"][at][0]
            members = {key: value for key, value in state["members"].items() if value[1] == "member"}
            for organisation, _, _ in members.values():
                assert state["tree"][organisation][2] == "active", "a member of a closed organisation"
            stays = on_day(all_stays, on)
            assert stays == {key: value[:1] for key, value in members.items()}, "a member is where no stay is"
        final = believed[DAYS[-1]]["members"]
        assert set(final) == set(self.members), "a member lost or invented"
        assert sum(value[1] == "member" for value in final.values()) == len(self.members) - len(self.ended)
        rows = await self.session.execute(sa.select(Member.member_id, Member.organisation_id, Member.status))  # type: ignore[call-overload]
        assert {row[0]: (row[1], row[2]) for row in rows} == {key: value[:2] for key, value in final.items()}
        if self.seen:
            known_at, told = self.seen[len(self.seen) // 2]
            assert await self.answers(known_at) == told, "an answer of before has changed"
        moment = (await self.session.execute(sa.text("select clock_timestamp()"))).scalar_one()
        self.seen.append((moment, believed))

    @invariant()
    def who_follows_the_events_knows_the_same(self) -> None:
        self.run(self._check_followers())

    async def _check_followers(self) -> None:
        """As the reports do: of a day holds the greatest version among those whose day has come."""
        told: dict[str, dict[UUID, list[State]]] = {"organisation": {}, "member": {}}
        rows = await self.session.execute(sa.text("select key, topic, payload from outbox order by id"))
        for row in rows:
            by_key = told.get(row.topic.split(".")[1])
            if by_key is not None:
                by_key.setdefault(UUID(row.key), []).append(orjson.loads(row.payload))
        for events in (*told["organisation"].values(), *told["member"].values()):
            versions = [event["version"] for event in events]
            assert versions == sorted(set(versions)), "versions out of order"
        for on, state in (await self.answers()).items():
            followed = {
                kind: {key: past[-1] for key, events in by_key.items() if (past := _until(events, on))}
                for kind, by_key in told.items()
            }
            assert {
                key: (_key(event["parent_id"]), event["name"], event["status"])
                for key, event in followed["organisation"].items()
            } == state["tree"]
            assert {
                key: (_key(event["organisation_id"]), event["status"], event["category"])
                for key, event in followed["member"].items()
            } == state["members"]


def _until(events: list[State], day: date) -> list[State]:
    return [event for event in events if event["effective_on"] <= day.isoformat()]


def _key(value: str | None) -> UUID | None:
    return UUID(value) if value else None


class _Rewound(BusinessError):
    code = "rewound"

    def __init__(self) -> None:
        super().__init__("The clock goes back.")


class _Refused(_Rewound):
    code = "refused_on_its_day"


def test_random_operations_leave_a_tree_and_the_past_as_it_was(
    database_of_the_machine: tuple[Database, asyncio.AbstractEventLoop],
) -> None:
    Tree.database, Tree.loop = database_of_the_machine
    Tree.done = Counter()
    run_state_machine_as_test(
        Tree,
        settings=settings(
            max_examples=tries(24, long=80),
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(sorted(Tree.done.items())))
    for kind in (
        "create",
        "rename",
        "move",
        "merge",
        "split",
        "close",
        "undo",
        "transfer",
        "leave",
        "recategorise",
    ):
        assert Tree.done[kind], f"never done: {kind}"


@pytest.fixture
def database_of_the_machine(settings: Settings) -> Any:
    loop = asyncio.new_event_loop()
    database = Database.connect(settings)
    yield database, loop
    loop.run_until_complete(database.close())
    loop.close()
