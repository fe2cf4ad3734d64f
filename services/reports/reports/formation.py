"""The statement that forms reports: set-wise, one pass over the facts for all forms and all organisations."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from common.auth import Principal, in_scope
from reports.figures import Moment, organisations_at, reach, rolled
from reports.forms import Form
from reports.formulas import Expression, Formula
from reports.indicators import Catalogue, rounded
from reports.models import Organisation, Report, ReportRevision

_PAIRS = 45
"""Rows in one jsonb_build_object: PostgreSQL functions take at most 100 arguments."""

_report: sa.Table = Report.__table__  # type: ignore[attr-defined]
_revision: sa.Table = ReportRevision.__table__  # type: ignore[attr-defined]


def form_reports(
    catalogue: Catalogue, forms: Sequence[Form], as_of: date, principal: Principal, now: datetime
) -> sa.Select[Any]:
    """Forms and stores the reports of the caller's organisations.

    One row for each organisation that reports: form, and report_id, organisation_id, form_version, version of
    what is new; these are null where the newest revision says the same.
    """
    moment = Moment(as_of)
    tree = organisations_at(moment)
    mine = in_scope(principal, tree.c.organisation_id, Organisation)
    within = None if principal.sees_everything else reach(tree, mine)
    sums = rolled(catalogue, moment, tree, within)
    fresh = sa.union_all(*(_fresh(form, tree, sums, mine) for form in forms)).cte("fresh")
    written = _write(fresh, as_of, now)
    kept = insert(_revision).from_select(
        ["report_id", "revision", "form_version", "figures", "parts", "formed_at"],
        sa.select(
            written.c.report_id,
            written.c.revision,
            written.c.form_version,
            written.c.figures,
            written.c.parts,
            written.c.formed_at,
        ),
    )
    return (
        sa.select(
            fresh.c.form,
            written.c.report_id,
            written.c.organisation_id,
            written.c.form_version,
            written.c.version,
        )
        .select_from(fresh)
        .outerjoin(
            written,
            sa.and_(written.c.form == fresh.c.form, written.c.organisation_id == fresh.c.organisation_id),
        )
        .add_cte(kept.cte("kept"))
    )


def _fresh(form: Form, tree: sa.CTE, sums: sa.CTE, mine: sa.ColumnElement[bool]) -> sa.Select[Any]:
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
            _figures(form, sums).label("figures"),
            parts.label("parts"),
        )
        .select_from(tree)
        .join(sums, sums.c.organisation_id == tree.c.organisation_id)
        .where(tree.c.kind.in_(form.kinds), _reports(tree, sums), mine)
    )
    return statement if below is None else statement.outerjoin(below, below.c.parent_id == tree.c.organisation_id)


def _parts(form: Form, tree: sa.CTE, sums: sa.CTE) -> sa.Subquery:
    """What the form says of each organisation directly below, gathered per parent."""
    child, its = tree.alias(f"below_{form.form}"), sums.alias(f"sums_below_{form.form}")
    parent = tree.alias(f"above_{form.form}")
    return (
        sa.select(
            child.c.parent_id,
            sa.func.jsonb_object_agg(sa.cast(child.c.organisation_id, sa.Text), _figures(form, its)).label(
                "parts"
            ),
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
    """{row code: figure}; null for what is declared by people."""
    pairs: list[tuple[str, Expression]] = []
    for row in form.rows:
        value = Formula(row.value).sql(sums.c) if row.value is not None else sa.null()
        pairs.append((row.code, rounded(value, row.unit)))
    chunks: list[Expression] = [
        sa.func.jsonb_build_object(*(item for pair in pairs[start : start + _PAIRS] for item in pair), type_=JSONB)
        for start in range(0, len(pairs), _PAIRS)
    ]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole.concat(chunk)
    return whole


def _write(fresh: sa.CTE, as_of: date, now: datetime) -> sa.CTE:
    """New reports, and new revisions where the figures, their parts or the form's version differ."""
    statement = insert(_report).from_select(
        [
            *("report_id", "form", "form_version", "level", "organisation_id", "figures", "parts"),
            *("as_of", "revision", "status", "formed_at", "version"),
        ],
        sa.select(
            sa.func.uuidv7(),
            fresh.c.form,
            fresh.c.form_version,
            fresh.c.level,
            fresh.c.organisation_id,
            fresh.c.figures,
            fresh.c.parts,
            sa.cast(as_of, sa.Date),
            sa.literal(1),
            sa.cast("formed", sa.Text),
            sa.cast(now, sa.DateTime(timezone=True)),
            sa.literal(1),
        ),
    )
    told = ("form_version", "level", "figures", "parts", "formed_at")
    return (
        statement.on_conflict_do_update(
            constraint="report_once",
            set_={
                **{name: statement.excluded[name] for name in told},
                "revision": _report.c.revision + 1,
                "version": _report.c.version + 1,
            },
            where=sa.or_(
                *(
                    _report.c[name].is_distinct_from(statement.excluded[name])
                    for name in ("form_version", "figures", "parts")
                )
            ),
        )
        .returning(_report)
        .cte("written")
    )
