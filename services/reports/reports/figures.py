"""Figures of organisations as of any day and as known at any moment, summed over all that stood below them.

Sums are exact by construction: each is made of the very rows of the organisations below, along the tree as it stood.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from reports.counting import own, told
from reports.formulas import Expression
from reports.indicators import Catalogue
from reports.records import SIDES
from reports.states import Moment, organisations


class Shelf(Protocol):
    """Where the steps of a computation are kept: within one statement, or in tables for a transaction."""

    def keep(self, name: str, rows: sa.Select[Any] | sa.CompoundSelect[Any]) -> Any:
        """A relation with the columns of `rows`, worked out once."""
        ...


class Ctes:
    """Everything in one statement, for reading."""

    def keep(self, name: str, rows: sa.Select[Any] | sa.CompoundSelect[Any]) -> sa.CTE:
        return rows.cte(name).prefix_with("materialized", dialect="postgresql")


def reach(tree: Any, roots: sa.ColumnElement[bool]) -> sa.CTE:
    """Ids of the organisations that meet `roots` and of all that stood below them."""
    found = sa.select(tree.c.organisation_id).where(roots).cte("reach", recursive=True)
    # UNION, not UNION ALL: back-dated moves may leave a circle on some past day, and it must end.
    return found.union(sa.select(tree.c.organisation_id).join(found, tree.c.parent_id == found.c.organisation_id))


def above(tree: Any, inside: Any) -> sa.CTE:
    """(node_id, organisation_id): each organisation of `inside` beside itself and all of these that stood above it."""
    up = sa.select(
        inside.c.organisation_id.label("node_id"), inside.c.organisation_id.label("organisation_id")
    ).cte("up", recursive=True)
    return up.union(
        sa.select(up.c.node_id, tree.c.parent_id)
        .join(tree, tree.c.organisation_id == up.c.organisation_id)
        .where(tree.c.parent_id.in_(sa.select(inside.c.organisation_id)))
    )


def rolled(shelf: Shelf, catalogue: Catalogue, moment: Moment, tree: Any, within: Any | None = None) -> Any:
    """Every indicator of every organisation, summed over itself and all that stood below it.

    Columns: organisation_id, has_people (whether any count of members is above zero), one for each
    indicator, and the sides of those that are declarable. `within` must hold all that is below each of its
    organisations.

    Most organisations have nothing below them: their figures are their own, and are added to the one above before
    anything goes further up.
    """
    bound = None if within is None else sa.select(within.c.organisation_id)
    mine = shelf.keep("own", own(catalogue, moment, tree, bound))
    parents = sa.select(tree.c.parent_id.label("organisation_id")).where(tree.c.parent_id.is_not(None)).distinct()
    if bound is not None:
        parents = parents.where(tree.c.organisation_id.in_(bound), tree.c.parent_id.in_(bound))
    inner = shelf.keep("inner", parents)
    itself, parent = inner.alias("itself"), inner.alias("parent")
    node = sa.func.coalesce(itself.c.organisation_id, parent.c.organisation_id)
    branch = shelf.keep(
        "branch",
        sa.select(
            node.label("node_id"),
            *(_total(c).label(c.key) for c in mine.c if c.key != "organisation_id"),
        )
        .select_from(mine)
        .join(tree, tree.c.organisation_id == mine.c.organisation_id)
        .outerjoin(itself, itself.c.organisation_id == mine.c.organisation_id)
        .outerjoin(parent, parent.c.organisation_id == tree.c.parent_id)
        .where(node.is_not(None))
        .group_by(node),
    )
    up = shelf.keep("above", sa.select(above(tree, inner)))
    summed = (
        sa.select(up.c.organisation_id, *_columns(catalogue, branch, _total))
        .join(branch, branch.c.node_id == up.c.node_id)
        .group_by(up.c.organisation_id)
    )
    alone = sa.select(mine.c.organisation_id, *_columns(catalogue, mine, _as_it_is)).where(
        mine.c.organisation_id.not_in(sa.select(inner.c.organisation_id))
    )
    return shelf.keep("rolled", sa.union_all(summed, alone))


Total = Callable[[Expression], Expression]


def _total(column: Expression) -> Expression:
    return sa.cast(sa.func.sum(column), sa.BigInteger)


def _as_it_is(column: Expression) -> Expression:
    return sa.cast(column, sa.BigInteger)


def _columns(catalogue: Catalogue, rows: Any, total: Total) -> list[sa.ColumnElement[Any]]:
    figures = _summed(catalogue, rows, total)
    return [
        (total(rows.c.people) > 0).label("has_people"),
        *(value.label(name) for name, value in figures.items()),
    ]


def _summed(catalogue: Catalogue, rows: Any, total: Total = _total) -> Mapping[str, Expression]:
    """Every indicator, and the sides, over a group of rows of `own`, or of one. Null: none of them knows."""
    counted: dict[str, Expression] = {name: total(rows.c[name]) for name in catalogue.primitive}
    sides = {told(name, side): total(rows.c[told(name, side)]) for name in catalogue.declarable for side in SIDES}
    return {**catalogue.derive(counted), **sides}


def subtree_figures(catalogue: Catalogue, moment: Moment, root: UUID) -> sa.Select[Any]:
    """One row: every indicator over the subtree of `root` as it stood; nothing is counted before it stood."""
    shelf = Ctes()
    tree = shelf.keep("organisation_then", organisations(moment))
    within = reach(tree, tree.c.organisation_id == root)
    mine = own(catalogue, moment, tree, sa.select(within.c.organisation_id)).cte("own")
    counts = {name for name, found in catalogue.primitive.items() if getattr(found, "count", None)}
    counts -= catalogue.declarable.keys()
    return sa.select(
        *(
            # Where nothing stood, nothing is counted; what is asked of people is not known.
            sa.cast(sa.func.coalesce(value, 0) if name in counts else value, sa.Numeric).label(name)
            for name, value in _summed(catalogue, mine).items()
        )
    ).select_from(mine)
