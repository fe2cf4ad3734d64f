"""Whatever is created, moved and closed, on whatever days: a tree on every day, and the past stays."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal, Role
from common.db import Database
from common.errors import BusinessError
from common.http import PageParams
from registry.commands import organisations as commands
from registry.queries import organisations as queries
from registry.queries.moments import Moment
from tests.extent import tries

FIRST = date(2021, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(13)]
NOW = datetime(2021, 6, 1, tzinfo=UTC)
FEDERAL = Principal("test", frozenset({Role.FEDERAL_STAFF}))

State = dict[UUID, tuple[UUID | None, str]]
"""Of one day: parent and status by organisation."""

index = st.integers(0, 9)
day = st.sampled_from(DAYS)
inner_kind = st.sampled_from(["structural_unit", "structural_unit", "union_group"])
move = st.tuples(st.just("move"), index, index, day)
steps = st.lists(
    st.one_of(
        move,
        move,
        move,
        st.tuples(st.just("create"), inner_kind, index, st.sampled_from(DAYS[:4])),
        st.tuples(st.just("close"), index, day),
    ),
    min_size=6,
    max_size=25,
)


async def history(session: AsyncSession) -> dict[date, State]:
    rows = (await session.execute(sa.text("select * from organisation_period where superseded_at is null"))).all()
    return {
        day: {
            row.organisation_id: (row.parent_id, row.status)
            for row in rows
            if row.valid_from <= day and (row.valid_to is None or day < row.valid_to)
        }
        for day in DAYS
    }


def check_tree(state: State) -> None:
    roots = [key for key, (parent, _) in state.items() if parent is None]
    assert len(roots) == 1
    for key, (_, status) in state.items():
        seen: set[UUID] = set()
        at: UUID | None = key
        while at is not None and status == "active":
            assert at not in seen, "a cycle"
            assert state[at][1] == "active", "an active organisation under a closed one"
            seen.add(at)
            at = state[at][0]


async def create(session: AsyncSession, kind: str, parent: UUID | None, day: date, number: int) -> UUID:
    organisation = await commands.create_organisation(
        session,
        kind=kind,
        code=f"C{number}",
        name=f"Организация {number}",
        parent_id=parent,
        opened_on=day,
        institution_type=None,
        employed=None,
        students=None,
        now=NOW,
    )
    return organisation.organisation_id


async def take(session: AsyncSession, step: Sequence[Any], made: list[UUID]) -> date | None:
    """Try one step; the day from which it holds, or None when it was refused."""
    action, *arguments, day = step
    try:
        async with session.begin_nested():
            if action == "create":
                kind, parent = arguments
                made.append(await create(session, kind, made[parent % len(made)], day, len(made)))
            elif action == "move":
                moved, parent = (made[number % len(made)] for number in arguments)
                await commands.move_organisation(session, moved, parent, "Проба", day, NOW)
            else:
                await commands.close_organisation(session, made[arguments[0] % len(made)], "Проба", day, NOW)
    except BusinessError:
        return None
    return day  # type: ignore[no-any-return]


@settings(
    max_examples=tries(40, long=200),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
async def test_it_is_a_tree_on_every_day_and_the_past_stays(database: Database, steps: list[Any]) -> None:
    async with database.sessions() as session:
        root = await create(session, "federal", None, FIRST, 100)
        region = await create(session, "regional", root, FIRST, 101)
        made = [await create(session, "primary_with_territorial_rights", region, FIRST, n) for n in (102, 103)]
        made += [await create(session, "structural_unit", made[n % 2], FIRST, 104 + n) for n in range(5)]
        done: Counter[str] = Counter()
        for step in steps:
            before = await history(session)
            since = await take(session, step, made)
            after = await history(session)
            if since is None:
                assert after == before
                continue
            done[step[0]] += 1
            for day in DAYS:
                check_tree(after[day])
                if day < since:
                    assert after[day] == before[day]
        last = after[DAYS[-1]] if steps else {}
        if last:
            assert len(last) == 9 + done["create"]
            assert sum(status == "closed" for _, status in last.values()) == done["close"]
        for day in DAYS[::4]:
            rows, _ = await queries.organisations(
                session, FEDERAL, PageParams(limit=500), text=None, parent_id=None, kind=None, moment=Moment(day)
            )
            assert {row.organisation_id: (row.parent_id, row.status) for row in rows} == (await history(session))[
                day
            ]
        await session.rollback()
