"""The statements that form reports: set-wise, one pass over the facts for all forms and all organisations.

The steps are kept in tables that live for the transaction: each can be made by several processes at once, and the
planner sees their sizes.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, insert

from common.events.reports import ReportFormed
from common.outbox import publishing
from reports.counting import told
from reports.figures import reach, rolled
from reports.forms import Check, Form, Row
from reports.formulas import Expression, Formula
from reports.indicators import Catalogue, Derived, rounded
from reports.records import DRAFTS, SIDES, Report, ReportRevision
from reports.states import Moment, organisations

_PAIRS = 45
"""Rows in one jsonb_build_object: PostgreSQL functions take at most 100 arguments."""

_MEASURED = ("tree", "reach", "inner")
"""Steps by which others walk the tree: the planner takes a walk for endless if it does not know their sizes."""

_report: sa.Table = Report.__table__  # type: ignore[attr-defined]
_revision: sa.Table = ReportRevision.__table__  # type: ignore[attr-defined]
_SIGNS: Mapping[str, Callable[[Expression, Expression], Expression]] = {
    "=": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
}
_SAID = ("form_version", "figures", "parts", "asked", "told", "failed")
"""Where these say the same, a report needs no new revision."""


class Tables:
    """Keeps each step in a table of the transaction; `statements` make them, in their order."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def keep(self, name: str, rows: sa.Select[Any] | sa.CompoundSelect[Any]) -> sa.TableClause:
        # CREATE TABLE AS takes no parameters; all values are days, codes of forms and ids.
        dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
        text = str(rows.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        table = f"forming_{name}"
        self.statements.append(f"create temp table {table} on commit drop as {text}")
        if name in _MEASURED:
            self.statements.append(f"analyze {table}")
        return sa.table(table, *(sa.column(str(column.key), column.type) for column in rows.selected_columns))


Roots = Callable[[Any], sa.ColumnElement[bool]]
"""Given a column of organisation ids, which of them are the roots of what is to be formed."""


@dataclass(frozen=True)
class Steps:
    """What forms reports, to be executed in this order in one transaction."""

    prepare: list[str]
    """Whole statements; they leave the table `forming_fresh`, one row for each organisation that reports by a form."""
    count: sa.Select[Any]
    """(form, organisations)"""
    write: sa.Select[Any]
    """Stores and tells of what is new; gives (form, reports)."""


def steps(
    catalogue: Catalogue,
    forms: Sequence[Form],
    as_of: date,
    now: datetime,
    shards: int,
    roots: Roots | None = None,
    alone: bool = False,
) -> Steps:
    """To form the reports of the roots and what stood below them, or of the roots `alone`; None: of everybody."""
    tables = Tables()
    moment = Moment(as_of)
    tree = tables.keep("tree", organisations(moment))
    within: Any = None
    mine: sa.ColumnElement[bool] = sa.true()
    if roots is not None:
        within = tables.keep("reach", sa.select(reach(tree, roots(tree.c.organisation_id))))
        mine = roots(tree.c.organisation_id)
        if not alone:
            mine = tree.c.organisation_id.in_(sa.select(within.c.organisation_id))
    sums = rolled(tables, catalogue, moment, tree, within)
    fresh = tables.keep(
        "fresh", sa.union_all(*(_fresh(form, catalogue, as_of, tree, sums, mine) for form in forms))
    )
    return Steps(
        prepare=tables.statements,
        count=sa.select(fresh.c.form, sa.func.count()).group_by(fresh.c.form),
        write=_write(fresh, as_of, now, shards),
    )


def _fresh(
    form: Form, catalogue: Catalogue, as_of: date, tree: Any, sums: Any, mine: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """The reports by one form, of every organisation of its level."""
    parts: Expression = sa.cast(sa.null(), JSONB)
    below = None
    if form.parts:
        below = _parts(form, tree, sums)
        parts = sa.func.coalesce(below.c.parts, sa.func.jsonb_build_object())
    statement = (
        sa.select(
            sa.cast(form.form, sa.Text).label("form"),
            sa.cast(form.version, sa.Integer).label("form_version"),
            sa.cast(form.level, sa.Text).label("level"),
            tree.c.organisation_id,
            sa.cast(form.due_on(as_of), sa.Date).label("due_on"),
            _figures(form, sums).label("figures"),
            parts.label("parts"),
            sa.cast(postgresql.array(asked(form, catalogue), type_=sa.Text), sa.ARRAY(sa.Text)).label("asked"),
            _told(form, catalogue, sums).label("told"),
            sa.cast(postgresql.array([row.code for row in form.rows], type_=sa.Text), sa.ARRAY(sa.Text)).label(
                "codes"
            ),
            _failed(form.checks, sums).label("failed"),
        )
        .select_from(tree)
        .join(sums, sums.c.organisation_id == tree.c.organisation_id)
        .where(tree.c.kind.in_(form.kinds), _reports(tree, sums), mine)
    )
    return statement if below is None else statement.outerjoin(below, below.c.parent_id == tree.c.organisation_id)


def _parts(form: Form, tree: Any, sums: Any) -> sa.Subquery:
    """What the form says of each organisation directly below, gathered per parent."""
    child, its = tree.alias(f"below_{form.form}"), sums.alias(f"sums_below_{form.form}")
    parent = tree.alias(f"above_{form.form}")
    return (
        sa.select(
            child.c.parent_id,
            sa.func.jsonb_object_agg(sa.cast(child.c.organisation_id, sa.Text), _line(form, its)).label("parts"),
        )
        .join(its, its.c.organisation_id == child.c.organisation_id)
        .join(parent, parent.c.organisation_id == child.c.parent_id)
        .where(parent.c.kind.in_(form.kinds), _reports(child, its))
        .group_by(child.c.parent_id)
        .subquery(f"parts_of_{form.form}")
    )


def _reports(organisation: Any, sums: Any) -> sa.ColumnElement[bool]:
    """Active organisations report; a closed one as long as there is somebody to tell of, so sums stay exact."""
    return sa.or_(organisation.c.status == "active", sums.c.has_people)


def _figures(form: Form, sums: Any) -> Expression:
    """{row code: figure}; null where the base does not know."""
    codes = [row.code for row in form.rows]
    return _object(list(zip(codes, _values(form, sums), strict=True)))


def _line(form: Form, sums: Any) -> Expression:
    """The figures in the order of the rows."""
    return sa.func.to_jsonb(
        postgresql.array([sa.cast(value, sa.Numeric) for value in _values(form, sums)], type_=sa.Numeric)
    )


def _values(form: Form, sums: Any) -> list[Expression]:
    return [
        sums.c[row.indicator] if _whole(row) else rounded(Formula(row.value).sql(sums.c), row.unit)
        for row in form.rows
    ]


def _whole(row: Row) -> bool:
    """A count that is an indicator as it stands needs no rounding."""
    return row.indicator is not None and row.unit == "count"


def _told(form: Form, catalogue: Catalogue, sums: Any) -> Expression:
    """The sides of each declarable indicator of the form's rows, in the order of `asked`."""
    sides = [sums.c[told(name, side)] for name in asked(form, catalogue) for side in SIDES]
    return sa.cast(postgresql.array(sides, type_=sa.Integer), sa.ARRAY(sa.Integer))


def asked(form: Form, catalogue: Catalogue) -> list[str]:
    """What people may be asked for in the form, sorted."""
    return sorted(names_of(form, catalogue) & catalogue.declarable.keys())


def names_of(form: Form, catalogue: Catalogue) -> set[str]:
    """The indicators that the form's rows rest on, those within derived ones too."""
    names: set[str] = set()
    waiting = {name for row in form.rows for name in Formula(row.value).names}
    while waiting:
        names |= waiting
        derived = [catalogue.indicators[name] for name in waiting]
        waiting = {n for d in derived if isinstance(d, Derived) for n in Formula(d.formula).names} - names
    return names


def _failed(checks: Sequence[Check], sums: Any) -> Expression:
    """Codes of the checks that do not hold."""
    if not checks:
        nothing: list[str] = []
        return sa.cast(postgresql.array(nothing, type_=sa.Text), sa.ARRAY(sa.Text))
    broken: list[Expression] = [
        sa.case((sa.not_(_SIGNS[c.sign](Formula(c.left).sql(sums.c), Formula(c.right).sql(sums.c))), c.code))
        for c in checks
    ]
    return sa.func.array_remove(
        sa.cast(postgresql.array(broken), sa.ARRAY(sa.Text)), sa.null(), type_=sa.ARRAY(sa.Text)
    )


def _object(pairs: Sequence[tuple[str, Expression]]) -> Expression:
    chunks: list[Expression] = [
        sa.func.jsonb_build_object(*(item for pair in pairs[start : start + _PAIRS] for item in pair), type_=JSONB)
        for start in range(0, len(pairs), _PAIRS)
    ]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole.concat(chunk)
    return whole


def _write(fresh: Any, as_of: date, now: datetime, shards: int) -> sa.Select[Any]:
    """New reports, and new revisions of drafts where what they say differs; what is filed stands."""
    drafts = _report.c.status.in_(DRAFTS)
    differs = sa.or_(*(_of_newest(name).is_distinct_from(fresh.c[name]) for name in _SAID))
    changed = (
        sa.select(fresh)
        .select_from(fresh)
        .outerjoin(
            _report,
            sa.and_(
                _report.c.form == fresh.c.form,
                _report.c.organisation_id == fresh.c.organisation_id,
                _report.c.as_of == as_of,
            ),
        )
        .outerjoin(
            _revision,
            sa.and_(_revision.c.report_id == _report.c.report_id, _revision.c.revision == _report.c.revision),
        )
        .where(sa.or_(_report.c.report_id.is_(None), sa.and_(drafts, differs)))
        .cte("changed")
    )
    moment = sa.cast(now, sa.DateTime(timezone=True))
    new: dict[str, Any] = {
        "report_id": sa.func.uuidv7(),
        **{name: changed.c[name] for name in ("form", "form_version", "level", "organisation_id", "due_on")},
        "as_of": sa.cast(as_of, sa.Date),
        "revision": sa.literal(1),
        "status": sa.cast("formed", sa.Text),
        "formed_at": moment,
        "version": sa.literal(1),
    }
    statement = insert(_report).from_select(list(new), sa.select(*new.values()), include_defaults=False)
    written = (
        statement.on_conflict_do_update(
            constraint="report_once",
            set_={
                **{name: statement.excluded[name] for name in ("form_version", "level", "due_on", "formed_at")},
                "revision": _report.c.revision + 1,
                "version": _report.c.version + 1,
            },
            where=drafts,
        )
        .returning(_report)
        .cte("written")
    )
    said = sa.and_(changed.c.form == written.c.form, changed.c.organisation_id == written.c.organisation_id)
    revision = {
        **{name: written.c[name] for name in ("report_id", "revision", "form_version", "formed_at")},
        **{name: changed.c[name] for name in ("codes", "figures", "parts", "asked", "told", "failed")},
    }
    kept = insert(_revision).from_select(
        list(revision), sa.select(*revision.values()).select_from(written).join(changed, said)
    )
    events = publishing(ReportFormed, written, shards, effective_on=sa.cast(now.date(), sa.Date))
    return (
        sa.select(written.c.form, sa.func.count().label("formed"))
        .group_by(written.c.form)
        .add_cte(kept.cte("kept"), events.cte("told_of"))
    )


def _of_newest(name: str) -> Expression:
    return _report.c[name] if name in _report.c else _revision.c[name]
