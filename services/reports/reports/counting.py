"""What one organisation itself counts: its members, transfers, terms of office, head counts and declarations."""

from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from reports.formulas import Expression
from reports.indicators import (
    Catalogue,
    DeclaredCount,
    HeadCount,
    MemberCount,
    OfficeCount,
    OfficeFilter,
    OrganisationCount,
    TransferCount,
    within_year,
    year_before,
)
from reports.models import Declaration
from reports.states import Moment, in_force, members, offices

_declarations: sa.Table = Declaration.__table__  # type: ignore[attr-defined]

TRANSFERRED = "registry.member_transferred.v1"


def told(name: str, side: str) -> str:
    """The column of a declarable indicator's side."""
    return f"{name}__{side}"


def own(catalogue: Catalogue, moment: Moment, tree: Any, within: sa.Select[Any] | None) -> sa.Select[Any]:
    """One row for each organisation of `tree`, or of those `within`.

    Columns: organisation_id, people (how many its members' counts tell of), one for each primitive indicator, and four
    more for each declarable one.
    """
    sources = [
        _members(catalogue, moment, within).subquery("of_members"),
        *(
            _transfers(name, indicator.direction, moment, within).subquery(f"of_{name}")
            for name, indicator in catalogue.of(TransferCount).items()
        ),
        _offices(catalogue, moment, within).subquery("of_offices"),
        _declared(catalogue, moment, within).subquery("of_declarations"),
    ]
    found: dict[str, Expression] = {
        column.key: column for source in sources for column in source.c if column.key != "organisation_id"
    }
    columns: dict[str, Expression] = {}
    for name, indicator in catalogue.primitive.items():
        match indicator:
            case MemberCount() | TransferCount():
                columns[name] = _int(sa.func.coalesce(found[name], 0))
            case OrganisationCount():
                columns[name] = sa.cast(sa.func.coalesce(indicator.where.sql(tree.c), False), sa.Integer)
            case HeadCount():
                counts = indicator.where.sql(tree.c)
                _tell(columns, name, sa.case((counts, tree.c[indicator.sum])), found.get(f"{name}__says"), counts)
            case OfficeCount(where=where):
                counts = sa.and_(tree.c.status == "active", tree.c.kind.in_(where.kind))
                known = sa.func.coalesce(found[f"{name}__known"], False)
                number: Expression = sa.func.coalesce(found[name], 0)
                if indicator.declarable:
                    _tell(columns, name, sa.case((sa.and_(counts, known), number)), found[f"{name}__says"], counts)
                else:
                    columns[name] = _int(sa.case((counts, number), else_=0))
            case DeclaredCount():
                counts = sa.and_(tree.c.status == "active", tree.c.kind.in_(indicator.kind))
                _tell(columns, name, sa.cast(sa.null(), sa.Integer), found[f"{name}__says"], counts)
    people = [columns[name] for name in catalogue.of(MemberCount, TransferCount)]
    statement = sa.select(
        tree.c.organisation_id,
        _int(sum(people[1:], people[0]) if people else sa.literal(0)).label("people"),
        *(value.label(name) for name, value in columns.items()),
    ).select_from(tree)
    for source in sources:
        statement = statement.outerjoin(source, source.c.organisation_id == tree.c.organisation_id)
    return statement if within is None else statement.where(tree.c.organisation_id.in_(within))


def _tell(
    columns: dict[str, Expression], name: str, counted: Expression, says: Expression | None, asked: Expression
) -> None:
    """The figure is what the base knows, else what people say; both stay visible, and where they differ."""
    if says is None:
        columns[name] = _int(counted)
        return
    says = sa.case((asked, says))
    columns[name] = _int(sa.func.coalesce(counted, says))
    columns[told(name, "counted")] = _int(counted)
    columns[told(name, "declared")] = _int(says)
    unknown = sa.and_(asked, counted.is_(None), says.is_(None))
    columns[told(name, "unknown")] = sa.cast(unknown, sa.Integer)
    columns[told(name, "differs")] = sa.cast(sa.func.coalesce(counted != says, False), sa.Integer)


def _members(catalogue: Catalogue, moment: Moment, within: sa.Select[Any] | None) -> sa.Select[Any]:
    state = members(moment.known_at, within)
    return (
        sa.select(
            state.c.organisation_id,
            *(
                sa.func.count().filter(indicator.where.sql(state.c, moment.as_of)).label(name)
                for name, indicator in catalogue.of(MemberCount).items()
            ),
        )
        .where(in_force(state, moment.as_of))
        .group_by(state.c.organisation_id)
    )


def transfers(direction: Literal["in", "out"], moment: Moment, within: sa.Select[Any] | None) -> sa.Select[Any]:
    """(organisation_id, member_id, effective_on, recorded_at, event_type) of each transfer within the year."""
    state = members(moment.known_at, within, moved=direction)
    where = state.c.organisation_id if direction == "in" else state.c.from_organisation_id
    return sa.select(
        where.label("organisation_id"),
        state.c.member_id,
        state.c.effective_on,
        state.c.recorded_at,
        state.c.event_type,
    ).where(
        state.c.event_type == TRANSFERRED,
        within_year(state.c.effective_on, moment.as_of),
        # Overruled from its own first day on, it did not happen.
        state.c.holds_until > state.c.holds_from,
    )


def _transfers(
    name: str, direction: Literal["in", "out"], moment: Moment, within: sa.Select[Any] | None
) -> sa.Select[Any]:
    found = transfers(direction, moment, within).subquery()
    return sa.select(found.c.organisation_id, sa.func.count().label(name)).group_by(found.c.organisation_id)


def holders(moment: Moment, within: sa.Select[Any] | None) -> sa.Select[Any]:
    """Terms in force on the day, with sex and birth year of who holds them."""
    term = offices(moment.known_at, within)
    held = sa.select(term).where(in_force(term, moment.as_of))
    of = None
    if within is not None:
        held = held.where(term.c.organisation_id.in_(within))
    terms = held.cte()
    if within is not None:
        of = sa.select(terms.c.member_id)
    holder = members(moment.known_at, None, "holder", of=of)
    state = sa.select(holder).where(in_force(holder, moment.as_of)).subquery("holder_then")
    return (
        sa.select(terms, state.c.sex, state.c.birth_year)
        .select_from(terms)
        .outerjoin(state, state.c.member_id == terms.c.member_id)
    )


def _offices(catalogue: Catalogue, moment: Moment, within: sa.Select[Any] | None) -> sa.Select[Any]:
    held = holders(moment, within).subquery("held")
    columns = []
    for name, indicator in catalogue.of(OfficeCount).items():
        where: OfficeFilter = indicator.where
        people = sa.func.count(sa.distinct(held.c.member_id)).filter(where.sql(held.c, moment.as_of))
        columns += [
            people.label(name),
            sa.func.bool_or(held.c.office.in_(list(where.office))).label(f"{name}__known"),
        ]
    return sa.select(held.c.organisation_id, *columns).group_by(held.c.organisation_id)


def said(moment: Moment) -> sa.Select[Any]:
    """What people say: of each organisation and indicator the newest declaration of the year up to the day."""
    told_ = _declarations
    statement = (
        sa.select(told_)
        .ext(distinct_on(told_.c.organisation_id, told_.c.indicator))
        .where(told_.c.as_of > year_before(moment.as_of), told_.c.as_of <= moment.as_of)
        .order_by(told_.c.organisation_id, told_.c.indicator, told_.c.as_of.desc(), told_.c.version.desc())
    )
    return statement if moment.known_at is None else statement.where(told_.c.recorded_at <= moment.known_at)


def _declared(catalogue: Catalogue, moment: Moment, within: sa.Select[Any] | None) -> sa.Select[Any]:
    statement = said(moment)
    if within is not None:
        statement = statement.where(_declarations.c.organisation_id.in_(within))
    says = statement.subquery("says")
    columns: Mapping[str, Expression] = {
        f"{name}__says": sa.func.max(says.c.figure).filter(says.c.indicator == name)
        for name in catalogue.declarable
    }
    return sa.select(says.c.organisation_id, *(column.label(name) for name, column in columns.items())).group_by(
        says.c.organisation_id
    )


def _int(value: Expression) -> Expression:
    return sa.cast(value, sa.Integer)
