"""What is filed beside what is known, and what is in the way of the rest."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal, subtree
from common.http import PageParams, paginate
from reports.forms import Form, FormBook, Row
from reports.formulas import Formula
from reports.indicators import Figure
from reports.models import Organisation
from reports.queries.reading import Filed, check_visible, figure, statistics
from reports.records import DRAFTS, Report, ReportRevision
from reports.states import Moment


@dataclass(frozen=True)
class Difference:
    row: Row
    filed: Figure
    now: Figure


async def differences(
    session: AsyncSession, principal: Principal, book: FormBook, filed: Filed
) -> list[Difference]:
    """The rows of which the same form says something else by all that is known now."""
    form = book.get(filed.report.form, filed.revision.form_version)
    if form is None:
        return []
    known = await statistics(
        session, principal, book.catalogue, filed.report.organisation_id, Moment(filed.report.as_of)
    )
    now = figures_of(form, known.values)
    return [
        Difference(row, filed.revision.figures.get(row.code), now[row.code])
        for row in form.rows
        if filed.revision.figures.get(row.code) != now[row.code]
    ]


def figures_of(form: Form, values: dict[str, Any]) -> dict[str, Figure]:
    """What the form says of these indicators."""
    return {row.code: figure(Formula(row.value).value(values), row.unit) for row in form.rows}


async def blockers(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    organisation_id: UUID,
    as_of: date,
    level: str | None,
) -> tuple[list[Any], str | None]:
    """Rows (Report, ReportRevision, Organisation) of the reports below that are not accepted yet, by report id."""
    await check_visible(session, principal, organisation_id)
    statement = (
        sa.select(Report, ReportRevision, Organisation, col(Report.report_id))
        .join(
            ReportRevision,
            sa.and_(
                col(ReportRevision.report_id) == col(Report.report_id),
                col(ReportRevision.revision) == col(Report.revision),
            ),
        )
        .join(Organisation, col(Organisation.organisation_id) == col(Report.organisation_id))
        .where(
            col(Report.as_of) == as_of,
            col(Report.status).in_((*DRAFTS, "signed")),
            col(Report.organisation_id).in_(subtree(organisation_id, Organisation)),
        )
    )
    if level is not None:
        statement = statement.where(col(Report.level) == level)
    return await paginate(session, statement, Report.report_id, page)
