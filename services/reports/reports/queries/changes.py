"""Why a figure changed: movements that add up to the whole difference.

A difference between two moments is taken in two steps: what was learnt later about the first day, and what happened
from the first day to the second, as known at the end. Within a step each member (each organisation, where others than
members are counted) adds what it counts for at the end less what it counted for at the beginning, under exactly one
cause. So the movements add up by construction.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal
from common.http import PageParams, paginate
from reports.counting import own
from reports.errors import NotOpenable, OneOfTwo
from reports.figures import Ctes
from reports.formulas import Expression
from reports.indicators import Catalogue, Derived, MemberCount
from reports.queries.opening import known
from reports.queries.reading import check_visible, make_room, statistics
from reports.states import Moment, in_force, members, organisations

StepName = Literal["learnt", "happened"]
_BROKEN_UP = ("registry.organisation_merged.v1", "registry.organisation_split.v1")


@dataclass(frozen=True)
class Movement:
    step: StepName
    cause: str
    amount: int
    entities: int


@dataclass(frozen=True)
class Change:
    before: Decimal | None
    after: Decimal | None
    movements: list[Movement]
    """Empty of a derived indicator: see `of`."""
    of: dict[str, "Change"]


async def changes(
    session: AsyncSession,
    principal: Principal,
    catalogue: Catalogue,
    organisation_id: UUID,
    name: str,
    first: Moment,
    last: Moment,
) -> Change:
    """Raises OneOfTwo when the moments are not in order."""
    known(catalogue, name)
    _check_order(first, last)
    await check_visible(session, principal, organisation_id)
    await make_room(session)
    part = catalogue.only(name)
    before = await statistics(session, principal, part, organisation_id, first)
    after = await statistics(session, principal, part, organisation_id, last)
    found = {}
    for each, indicator in part.indicators.items():
        movements = []
        if not isinstance(indicator, Derived):
            for step, relation in _steps(catalogue, organisation_id, each, first, last):
                rows = await session.execute(
                    sa.select(relation.c.cause, sa.func.sum(relation.c.delta), sa.func.count())
                    .group_by(relation.c.cause)
                    .order_by(relation.c.cause)
                )
                movements += [Movement(step, row[0], int(row[1]), row[2]) for row in rows]
        found[each] = Change(before.values[each], after.values[each], movements, {})
    own_change = found.pop(name)
    return Change(own_change.before, own_change.after, own_change.movements, found)


async def moved(
    session: AsyncSession,
    principal: Principal,
    catalogue: Catalogue,
    organisation_id: UUID,
    name: str,
    first: Moment,
    last: Moment,
    step: StepName,
    cause: str,
    page: PageParams,
) -> tuple[list[Any], str | None]:
    """(entity_id, delta) of the movements of one cause, by id."""
    if isinstance(known(catalogue, name), Derived):
        raise NotOpenable(name)
    _check_order(first, last)
    await check_visible(session, principal, organisation_id)
    await make_room(session)
    for each, relation in _steps(catalogue, organisation_id, name, first, last):
        if each == step:
            statement = sa.select(relation.c.entity_id, relation.c.delta).where(relation.c.cause == cause)
            return await paginate(session, statement, relation.c.entity_id, page)
    return [], None


def _check_order(first: Moment, last: Moment) -> None:
    if first.as_of > last.as_of:
        raise OneOfTwo
    if first.known_at is None and last.known_at is not None:
        raise OneOfTwo
    if first.known_at is not None and last.known_at is not None and first.known_at > last.known_at:
        raise OneOfTwo


def _steps(catalogue: Catalogue, node: UUID, name: str, first: Moment, last: Moment) -> list[tuple[StepName, Any]]:
    """Relations (entity_id, delta, cause), one for each step that is not empty by its moments alone."""
    middle = Moment(first.as_of, last.known_at)
    found: list[tuple[StepName, Any]] = []
    of_members = isinstance(catalogue.indicators[name], MemberCount)
    relation = _of_members if of_members else _of_organisations
    if first != middle:
        found.append(("learnt", relation(catalogue, node, name, first, middle, "learnt")))
    if middle != last:
        found.append(("happened", relation(catalogue, node, name, middle, last, "happened")))
    return found


class _Side:
    """One of the two moments: the tree, and the node's subtree in it."""

    def __init__(self, node: UUID, moment: Moment, name: str) -> None:
        self.moment = moment
        self.name = name
        self.tree = Ctes().keep(f"tree_{name}", organisations(moment))
        found = sa.select(self.tree.c.organisation_id).where(self.tree.c.organisation_id == node)
        below = found.cte(f"reach_{name}", recursive=True)
        self.reach = below.union(
            sa.select(self.tree.c.organisation_id).join(below, self.tree.c.parent_id == below.c.organisation_id)
        )
        self.within = sa.select(self.reach.c.organisation_id)


def _of_members(catalogue: Catalogue, node: UUID, name: str, first: Moment, last: Moment, step: StepName) -> Any:
    indicator = catalogue.indicators[name]
    assert isinstance(indicator, MemberCount)
    sides = (_Side(node, first, "before"), _Side(node, last, "after"))
    counted = []
    for side in sides:
        state = members(side.moment.known_at, side.within, f"state_{side.name}")
        counted.append(
            sa.select(state.c.member_id)
            .where(in_force(state, side.moment.as_of), indicator.where.sql(state.c, side.moment.as_of))
            .cte(f"counted_{side.name}")
        )
    one, two = counted
    delta = (
        sa.select(
            sa.func.coalesce(two.c.member_id, one.c.member_id).label("member_id"),
            sa.case((one.c.member_id.is_(None), 1), else_=-1).label("delta"),
        )
        .select_from(sa.join(one, two, one.c.member_id == two.c.member_id, full=True))
        .where(sa.or_(one.c.member_id.is_(None), two.c.member_id.is_(None)))
        .cte("delta")
        .prefix_with("materialized", dialect="postgresql")
    )
    if step == "learnt":
        return sa.select(
            delta.c.member_id.label("entity_id"), delta.c.delta, sa.literal("learnt_later").label("cause")
        ).subquery("movement")
    ids = sa.select(delta.c.member_id)
    states = []
    for side in sides:
        state = members(side.moment.known_at, None, f"any_{side.name}", of=ids)
        states.append(sa.select(state).where(in_force(state, side.moment.as_of)).subquery(f"then_{side.name}"))
    then, now = states
    windowed = bool(indicator.where.joined or indicator.where.ended)
    cause = _cause_of_member(then.c, now.c, delta.c.delta, sides, windowed)
    return (
        sa.select(delta.c.member_id.label("entity_id"), delta.c.delta, cause.label("cause"))
        .select_from(delta)
        .outerjoin(then, then.c.member_id == delta.c.member_id)
        .outerjoin(now, now.c.member_id == delta.c.member_id)
        .subquery("movement")
    )


def _cause_of_member(
    then: Any, now: Any, delta: Expression, sides: tuple[_Side, _Side], windowed: bool
) -> Expression:
    """Exactly one cause for each; `then` is null where the member was not known of on the first day.

    `windowed`: the indicator counts what happened within the year, not what is so on the day.
    """
    before, after = sides
    inside_then = then.organisation_id.in_(before.within)
    inside_now = now.organisation_id.in_(after.within)
    came, same_place = delta > 0, then.organisation_id == now.organisation_id
    left_behind = sa.alias(after.tree, "left_behind")
    broken_up = sa.exists().where(
        left_behind.c.organisation_id == then.organisation_id, left_behind.c.event_type.in_(_BROKEN_UP)
    )
    of_time = ("within_the_year_now", "no_longer_within_the_year") if windowed else ("aged_in", "aged_out")
    return sa.case(
        (
            sa.and_(came, sa.or_(then.status.is_(None), sa.and_(then.status != "member", now.status == "member"))),
            sa.case(
                (now.joined_on > before.moment.as_of, "joined"),
                (then.status.is_(None), "came_on_record"),
                else_="reinstated",
            ),
        ),
        (
            then.status != now.status,
            sa.case(
                (now.status == "merged", "double_removed"),
                (now.status == "member", "reinstated"),
                else_=now.status,
            ),
        ),
        (sa.and_(came, ~inside_then, same_place), "organisation_moved_in"),
        (sa.and_(~came, ~inside_now, same_place), "organisation_moved_out"),
        (sa.and_(sa.or_(~inside_then, ~inside_now), broken_up), "organisation_merged"),
        (sa.and_(came, ~inside_then), "transferred_in"),
        (sa.and_(~came, ~inside_now), "transferred_out"),
        (then.category.is_distinct_from(now.category), "category_changed"),
        (then.pedagogical.is_distinct_from(now.pedagogical), "position_changed"),
        (
            sa.or_(
                then.sex.is_distinct_from(now.sex),
                then.birth_year != now.birth_year,
                then.joined_on != now.joined_on,
                then.left_on.is_distinct_from(now.left_on),
            ),
            "corrected",
        ),
        # Nothing about the member has changed: the year has.
        else_=sa.case((came, of_time[0]), else_=of_time[1]),
    )


def _of_organisations(
    catalogue: Catalogue, node: UUID, name: str, first: Moment, last: Moment, step: StepName
) -> Any:
    part = catalogue.only(name)
    sides = (_Side(node, first, "before"), _Side(node, last, "after"))
    counted = []
    for side in sides:
        mine = own(part, side.moment, side.tree, side.within).subquery(f"own_{side.name}")
        counted.append(
            sa.select(
                mine.c.organisation_id, sa.func.coalesce(mine.c[name], 0).label("amount"), side.tree.c.status
            )
            .join(side.tree, side.tree.c.organisation_id == mine.c.organisation_id)
            .cte(f"counted_{side.name}")
        )
    one, two = counted
    delta = (
        sa.select(
            sa.func.coalesce(two.c.organisation_id, one.c.organisation_id).label("entity_id"),
            (sa.func.coalesce(two.c.amount, 0) - sa.func.coalesce(one.c.amount, 0)).label("delta"),
            one.c.status.label("status_then"),
            two.c.status.label("status_now"),
        )
        .select_from(sa.join(one, two, one.c.organisation_id == two.c.organisation_id, full=True))
        .where(sa.func.coalesce(two.c.amount, 0) != sa.func.coalesce(one.c.amount, 0))
        .subquery("delta")
    )
    cause: Expression = sa.literal("learnt_later")
    if step == "happened":
        then, now = sa.alias(sides[0].tree, "elsewhere_then"), sa.alias(sides[1].tree, "elsewhere_now")
        existed = sa.exists().where(then.c.organisation_id == delta.c.entity_id)
        broken_up = sa.exists().where(now.c.organisation_id == delta.c.entity_id, now.c.event_type.in_(_BROKEN_UP))
        closed = sa.and_(delta.c.status_then == "active", delta.c.status_now == "closed")
        cause = sa.case(
            (sa.and_(delta.c.status_then.is_(None), ~existed), "created"),
            (delta.c.status_then.is_(None), "organisation_moved_in"),
            (delta.c.status_now.is_(None), "organisation_moved_out"),
            (sa.and_(closed, broken_up), "organisation_merged"),
            (closed, "closed"),
            (sa.and_(delta.c.status_then == "closed", delta.c.status_now == "active"), "reopened"),
            else_="changed_within",
        )
    return sa.select(delta.c.entity_id, delta.c.delta, cause.label("cause")).subquery("movement")
