"""What everybody may read: the figures of accepted regional reports."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from reports.forms import FormBook
from reports.queries.reading import names
from reports.records import Report, ReportRevision

_PUBLISHED = ("accepted", "locked")


async def newest_public_day(session: AsyncSession) -> date | None:
    return await session.scalar(
        sa.select(sa.func.max(col(Report.as_of))).where(
            col(Report.level) == "regional", col(Report.status).in_(_PUBLISHED)
        )
    )


async def public_rows(
    session: AsyncSession, book: FormBook, as_of: date, indicators: Sequence[str]
) -> list[tuple[Any, ...]]:
    """(organisation_id, name, *figures) of each accepted regional report that has a row of each indicator."""
    rows = (
        await session.execute(
            sa.select(Report, ReportRevision)
            .join(
                ReportRevision,
                sa.and_(
                    col(ReportRevision.report_id) == col(Report.report_id),
                    col(ReportRevision.revision) == col(Report.revision),
                ),
            )
            .where(
                col(Report.level) == "regional",
                col(Report.as_of) == as_of,
                col(Report.status).in_(_PUBLISHED),
            )
        )
    ).all()
    named = await names(session, (report.organisation_id for report, _ in rows), as_of)
    found = []
    for report, revision in rows:
        form = book.get(report.form, revision.form_version)
        codes = {row.indicator: row.code for row in form.rows} if form else {}
        figures = [revision.figures.get(codes.get(name, "")) for name in indicators]
        if report.organisation_id in named and all(isinstance(each, int) for each in figures):
            found.append((report.organisation_id, named[report.organisation_id].name, *figures))
    return sorted(found, key=lambda row: (row[1], str(row[0])))
