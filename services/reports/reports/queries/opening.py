"""From a figure to the organisations below, and to the ids behind it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal
from common.errors import NotFound
from common.http import PageParams, paginate
from reports.counting import holders, own, transfers
from reports.errors import NotOpenable
from reports.figures import Ctes, reach, rolled
from reports.indicators import Catalogue, Derived, MemberCount, OfficeCount, TransferCount
from reports.queries.reading import check_visible, make_room
from reports.states import Moment, in_force, members, organisations


@dataclass(frozen=True)
class Below:
    """An organisation directly below, as it stood, with the figure over its subtree."""

    organisation_id: UUID
    code: str
    name: str
    kind: str
    value: Decimal | None


@dataclass(frozen=True)
class Opened:
    value: Decimal | None
    of: dict[str, Decimal | None]
    """The indicators that a derived one is reckoned from."""
    below: list[Below]
    itself: Decimal | None
    """What belongs to the organisation itself, not to one below; of a derived indicator None."""


def known(catalogue: Catalogue, name: str) -> Any:
    """The indicator. Raises NotFound."""
    if name not in catalogue.indicators:
        raise NotFound("indicator", name)
    return catalogue.indicators[name]


async def opened(
    session: AsyncSession,
    principal: Principal,
    catalogue: Catalogue,
    organisation_id: UUID,
    name: str,
    moment: Moment,
) -> Opened:
    """The figure, what it is reckoned from, and the same of everything directly below."""
    indicator = known(catalogue, name)
    await check_visible(session, principal, organisation_id)
    await make_room(session)
    part = catalogue.only(name)
    shelf = Ctes()
    tree = shelf.keep("organisation_then", organisations(moment))
    within = reach(tree, tree.c.organisation_id == organisation_id)
    sums = rolled(shelf, part, moment, tree, within)
    rows = (
        await session.execute(
            sa.select(
                tree.c.organisation_id,
                tree.c.code,
                tree.c.name,
                tree.c.kind,
                *(sa.cast(sums.c[each], sa.Numeric).label(f"value_{each}") for each in part.indicators),
            )
            .join(sums, sums.c.organisation_id == tree.c.organisation_id)
            .where(sa.or_(tree.c.organisation_id == organisation_id, tree.c.parent_id == organisation_id))
            .order_by(tree.c.code, tree.c.organisation_id)
        )
    ).all()
    of: dict[str, Decimal | None] = dict.fromkeys(part.indicators)
    below = []
    for row in rows:
        values = row._mapping
        if row.organisation_id == organisation_id:
            of = {each: values[f"value_{each}"] for each in part.indicators}
        else:
            below.append(Below(row.organisation_id, row.code, row.name, row.kind, values[f"value_{name}"]))
    value = of.pop(name)
    itself = None
    if not isinstance(indicator, Derived) and value is not None:
        itself = value - sum((each.value or Decimal(0) for each in below), Decimal(0))
    return Opened(value, of, below, itself)


async def behind(
    session: AsyncSession,
    principal: Principal,
    catalogue: Catalogue,
    organisation_id: UUID,
    name: str,
    moment: Moment,
    page: PageParams,
) -> tuple[list[Any], str | None]:
    """(entity_id, organisation_id, amount, effective_on, recorded_at, event_type) of everything that counts, by id.

    Ids of members where members are counted, of organisations else. Names: by the registry's API, to whom they belong.
    """
    known(catalogue, name)
    await check_visible(session, principal, organisation_id)
    await make_room(session)
    tree = Ctes().keep("organisation_then", organisations(moment))
    within = sa.select(reach(tree, tree.c.organisation_id == organisation_id).c.organisation_id)
    found = _rows(catalogue, name, moment, tree, within).subquery("found")
    first = {
        each: sa.func.max(found.c[each]).label(each) for each in ("effective_on", "recorded_at", "event_type")
    }
    grouped = (
        sa.select(
            found.c.entity_id,
            sa.cast(sa.func.min(sa.cast(found.c.organisation_id, sa.Text)), sa.Uuid).label("organisation_id"),
            sa.cast(sa.func.sum(found.c.amount), sa.Integer).label("amount"),
            *first.values(),
        )
        .group_by(found.c.entity_id)
        .subquery("behind")
    )
    return await paginate(session, sa.select(grouped), grouped.c.entity_id, page)


def _rows(catalogue: Catalogue, name: str, moment: Moment, tree: Any, within: sa.Select[Any]) -> sa.Select[Any]:
    indicator = catalogue.indicators[name]
    one = sa.literal(1).label("amount")
    stamps = ("effective_on", "recorded_at", "event_type")
    match indicator:
        case Derived():
            raise NotOpenable(name)
        case MemberCount(where=where):
            state = members(moment.known_at, within)
            return sa.select(
                state.c.member_id.label("entity_id"), state.c.organisation_id, one, *(state.c[s] for s in stamps)
            ).where(in_force(state, moment.as_of), where.sql(state.c, moment.as_of))
        case TransferCount(direction=direction):
            moved = transfers(direction, moment, within).subquery("moved")
            return sa.select(
                moved.c.member_id.label("entity_id"), moved.c.organisation_id, one, *(moved.c[s] for s in stamps)
            )
        case OfficeCount(where=where, declarable=False):
            held = holders(moment, within).subquery("held")
            return (
                sa.select(
                    held.c.member_id.label("entity_id"), held.c.organisation_id, one, *(held.c[s] for s in stamps)
                )
                .ext(distinct_on(held.c.member_id, held.c.organisation_id))
                .join(tree, tree.c.organisation_id == held.c.organisation_id)
                .where(tree.c.status == "active", tree.c.kind.in_(where.kind), where.sql(held.c, moment.as_of))
                # Of several offices the one that was told of first.
                .order_by(held.c.member_id, held.c.organisation_id, held.c.recorded_at, held.c.term_id)
            )
    mine = own(catalogue.only(name), moment, tree, within).subquery("mine")
    return (
        sa.select(
            mine.c.organisation_id.label("entity_id"),
            mine.c.organisation_id,
            mine.c[name].label("amount"),
            *(tree.c[s] for s in stamps),
        )
        .join(tree, tree.c.organisation_id == mine.c.organisation_id)
        .where(mine.c[name] != 0)
    )
