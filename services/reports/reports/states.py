"""The rule of states: which version of an aggregate holds on a day, as known at a moment.

An aggregate's state on day D, as known at moment K, is the fact with the greatest version among those that hold from
D or before and were recorded at K or before. An owner numbers versions in the order of recording, so the last
word that already holds wins: a correction recorded late but effective early replaces, from its effective day on, all
that was said before it; a change recorded early but effective later waits for its day.

So each version holds in one interval of days: from its own effective day until the first effective day of any later
version. Triggers keep that interval beside each fact for all that is known now, and a question about now is a filter.
A question about an earlier knowledge makes the intervals anew, of the facts recorded by then.

Two exceptions of members. A record that was merged into another, or retracted, holds from always: it counts on no day.
An erasure after the membership had ended holds never: the totals of the past stand. Of terms of office the
first and the last day are those that the last version tells, on whatever day it was told.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from reports.formulas import Expression
from reports.models import NEVER, MemberFact, OfficeFact, OrganisationFact

MEMBERS: sa.Table = MemberFact.__table__  # type: ignore[attr-defined]
ORGANISATIONS: sa.Table = OrganisationFact.__table__  # type: ignore[attr-defined]
OFFICES: sa.Table = OfficeFact.__table__  # type: ignore[attr-defined]

ENDED = ("left", "expelled", "merged", "retracted", "erased")
"""After these an erasure ends nothing."""


@dataclass(frozen=True)
class Moment:
    as_of: date
    known_at: datetime | None = None
    """None: all that is known now."""


def in_force(states: Any, day: date) -> sa.ColumnElement[bool]:
    """Of a relation with holds_from and holds_until: the versions that hold on the day."""
    return sa.and_(states.c.holds_from <= day, states.c.holds_until > day)


def organisations(moment: Moment) -> sa.Select[Any]:
    """The tree as it stood: one row for each organisation, closed ones too."""
    states = organisation_spans(moment.known_at)
    return sa.select(*(states.c[c.name] for c in ORGANISATIONS.c if c.name != "holds_until")).where(
        states.c.effective_on <= moment.as_of, states.c.holds_until > moment.as_of
    )


def organisation_spans(known_at: datetime | None) -> Any:
    """Versions of organisations with their intervals."""
    if known_at is None:
        return ORGANISATIONS.alias("state")
    facts = ORGANISATIONS
    until = _next(facts.c.effective_on, facts.c.organisation_id, facts.c.version)
    return _select(facts, {"holds_until": until}).where(facts.c.recorded_at <= known_at).subquery("state")


def members(
    known_at: datetime | None,
    within: sa.Select[Any] | None,
    name: str = "state",
    *,
    moved: Literal["in", "out"] | None = None,
    of: sa.Select[Any] | None = None,
) -> Any:
    """Versions of members with their intervals: all of them, those at one of the organisations `within`, with `moved`
    those of transfers into or out of one of them; or those `of` these members."""
    facts = MEMBERS
    if known_at is None:
        if of is not None:
            return sa.select(facts).where(facts.c.member_id.in_(of)).subquery(name)
        if within is None:
            return facts.alias(name)
        return sa.select(facts).where(_at(facts, within, moved)).subquery(name)
    told = sa.select(facts).where(facts.c.recorded_at <= known_at)
    if of is not None:
        told = told.where(facts.c.member_id.in_(of))
    if within is not None:
        ever = MEMBERS.alias("ever")
        told = told.where(facts.c.member_id.in_(sa.select(ever.c.member_id).where(_at(ever, within, moved))))
    known = told.cte()
    before = sa.func.lag(known.c.status).over(partition_by=known.c.member_id, order_by=known.c.version)
    silent = sa.func.coalesce(sa.and_(known.c.status == "erased", before.in_(ENDED)), sa.false())
    marked = sa.select(known, silent.label("silent")).cte()
    loud = sa.case((~marked.c.silent, marked.c.holds_from))
    until = sa.case(
        (marked.c.silent, marked.c.holds_from),
        else_=_next(loud, marked.c.member_id, marked.c.version),
    )
    statement = _select(marked, {"holds_until": until}, but=("silent",))
    spans = statement.subquery(name)
    if within is None:
        return spans
    return sa.select(spans).where(_at(spans, within, moved)).subquery(f"{name}_within")


def _at(facts: Any, within: sa.Select[Any], moved: Literal["in", "out"] | None) -> sa.ColumnElement[bool]:
    place = facts.c.from_organisation_id if moved == "out" else facts.c.organisation_id
    # Two partial indexes hold the transfers alone.
    return (
        place.in_(within)
        if moved is None
        else sa.and_(facts.c.from_organisation_id.is_not(None), place.in_(within))
    )


def offices(known_at: datetime | None, within: sa.Select[Any] | None = None) -> Any:
    """Versions of terms of office with their intervals; `within` leaves out terms that were never at one of these."""
    facts = OFFICES
    if known_at is None:
        return facts.alias("term")
    told = sa.select(facts).where(facts.c.recorded_at <= known_at)
    if within is not None:
        ever = OFFICES.alias("ever")
        told = told.where(facts.c.term_id.in_(sa.select(ever.c.term_id).where(ever.c.organisation_id.in_(within))))
    known = told.cte()
    spread: Any = {"partition_by": known.c.term_id, "order_by": known.c.version, "range_": (None, None)}
    first = sa.func.first_value(known.c.version).over(**spread)
    starts = sa.func.last_value(known.c.starts_on).over(**spread)
    ends = sa.func.last_value(known.c.ends_on).over(**spread)
    holds_from = sa.case((known.c.version == first, starts), else_=sa.func.greatest(starts, known.c.effective_on))
    until = sa.func.least(ends + 1, _next(known.c.effective_on, known.c.term_id, known.c.version))
    return _select(known, {"holds_from": holds_from, "holds_until": until}).subquery("term")


def _next(day: Expression, key: Expression, version: Expression) -> Expression:
    """The first day from which any later version holds."""
    later = sa.func.min(day).over(partition_by=key, order_by=version, rows=(1, None))
    # Not as a parameter: the driver sends Python's last day as «infinity», which is another one to the database.
    return sa.func.coalesce(later, sa.literal_column(f"date '{NEVER}'"))


def _select(source: Any, replaced: dict[str, Expression], but: tuple[str, ...] = ()) -> sa.Select[Any]:
    return sa.select(*(replaced.get(c.name, c).label(c.name) for c in source.c if c.name not in but))
