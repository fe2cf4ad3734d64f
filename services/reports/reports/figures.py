"""Figures of organisations as of any day and as known at any moment: statements over the dated facts.

The rule of states: an aggregate's state on day D, as known at moment K, is the fact with the greatest
version among those that hold from D or before and were recorded at K or before. An owner numbers versions in
the order of recording, so the last word that already holds wins: a correction recorded late but effective
early replaces, from its effective day on, all that was said before it; a change recorded early but
effective later waits for its day.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from reports.formulas import Expression
from reports.indicators import Catalogue, rounded
from reports.models import MemberFact, OrganisationFact

_facts: sa.Table = MemberFact.__table__  # type: ignore[attr-defined]
_places: sa.Table = OrganisationFact.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Moment:
    as_of: date
    known_at: datetime | None = None
    """None: all that is known now."""

    def holds(self, fact: Any) -> sa.ColumnElement[bool]:
        terms = [fact.c.effective_on <= self.as_of]
        if self.known_at is not None:
            terms.append(fact.c.recorded_at <= self.known_at)
        return sa.and_(*terms)


def organisations_at(moment: Moment) -> sa.CTE:
    """The tree as it stood: one row for each organisation, closed ones too."""
    return (
        sa.select(_places)
        .ext(distinct_on(_places.c.organisation_id))
        .where(moment.holds(_places))
        .order_by(_places.c.organisation_id, _places.c.version.desc())
        .cte("organisation_then")
        .prefix_with("materialized", dialect="postgresql")
    )


def reach(tree: sa.CTE, roots: sa.ColumnElement[bool]) -> sa.CTE:
    """Ids of the organisations that meet `roots` and of all that stood below them."""
    found = sa.select(tree.c.organisation_id).where(roots).cte("reach", recursive=True)
    # UNION, not UNION ALL: back-dated moves may leave a circle on some past day, and it must end.
    return found.union(sa.select(tree.c.organisation_id).join(found, tree.c.parent_id == found.c.organisation_id))


def counted(catalogue: Catalogue, moment: Moment, within: sa.CTE | None) -> sa.CTE:
    """Per organisation the counts of its own members; no row where it has none. None: of all organisations."""
    fact, later = _facts.alias("fact"), _facts.alias("later")
    overruled = (
        sa.exists()
        .where(later.c.member_id == fact.c.member_id, later.c.version > fact.c.version)
        .where(moment.holds(later))
    )
    statement = (
        sa.select(
            fact.c.organisation_id,
            *(value.label(name) for name, value in catalogue.of_members(fact.c, moment.as_of).items()),
        )
        .where(moment.holds(fact), ~overruled)
        .group_by(fact.c.organisation_id)
    )
    if within is not None:
        statement = statement.where(fact.c.organisation_id.in_(sa.select(within.c.organisation_id)))
    return statement.cte("counted")


def rolled(catalogue: Catalogue, moment: Moment, tree: sa.CTE, within: sa.CTE | None = None) -> sa.CTE:
    """Every indicator of every organisation, summed over itself and all that stood below it.

    Columns: organisation_id, has_people (whether any count of members is above zero), and one for each
    indicator. `within` bounds the organisations, and must hold all that is below each of them.
    """
    inside = within if within is not None else tree
    up = sa.select(
        inside.c.organisation_id.label("node_id"), inside.c.organisation_id.label("organisation_id")
    ).cte("up", recursive=True)
    step = sa.select(up.c.node_id, tree.c.parent_id).join(tree, tree.c.organisation_id == up.c.organisation_id)
    if within is None:
        step = step.where(tree.c.parent_id.is_not(None))
    else:
        step = step.where(tree.c.parent_id.in_(sa.select(within.c.organisation_id)))
    up = up.union(step)
    own = counted(catalogue, moment, within)
    values, people = _sums(catalogue, own, tree)
    return (
        sa.select(
            up.c.organisation_id,
            (people > 0).label("has_people"),
            *(value.label(name) for name, value in values.items()),
        )
        .select_from(up)
        .join(tree, tree.c.organisation_id == up.c.node_id)
        .outerjoin(own, own.c.organisation_id == up.c.node_id)
        .group_by(up.c.organisation_id)
        .cte("rolled")
        .prefix_with("materialized", dialect="postgresql")
    )


def _sums(catalogue: Catalogue, own: sa.CTE, tree: sa.CTE) -> tuple[dict[str, Expression], Expression]:
    """Every indicator over a group of `tree` rows with their `own` counts; and the sum of all counts of members."""
    members = {
        column.key: sa.func.coalesce(sa.func.sum(column), 0) for column in own.c if column.key != "organisation_id"
    }
    values = catalogue.derive({**members, **catalogue.of_organisations(tree.c)})
    return values, sum(members.values(), sa.literal(0))


def subtree_figures(catalogue: Catalogue, moment: Moment, root: UUID) -> sa.Select[Any]:
    """One row: every indicator over the subtree of `root` as it stood; nothing is counted before it stood."""
    tree = organisations_at(moment)
    within = reach(tree, tree.c.organisation_id == root)
    own = counted(catalogue, moment, within)
    values, _ = _sums(catalogue, own, tree)
    return (
        sa.select(*(rounded(value, catalogue.indicators[name].unit).label(name) for name, value in values.items()))
        .select_from(within)
        .join(tree, tree.c.organisation_id == within.c.organisation_id)
        .outerjoin(own, own.c.organisation_id == within.c.organisation_id)
    )
