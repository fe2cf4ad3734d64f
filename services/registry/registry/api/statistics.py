"""Statistics for everybody, with small numbers withheld."""

from fastapi import Depends

from common import app
from common.http import ReadSessionDep
from common.limits import limited
from registry.queries import statistics
from registry.schemas.records import Cell, PublicRow, PublicStatistics
from registry.small_cells import LEAST, suppressed

router = app.router(tags=["public"])


@router.get("/public/statistics", dependencies=[Depends(limited("public_statistics", times=10, seconds=60))])
async def read_statistics(session: ReadSessionDep) -> PublicStatistics:
    """Present members by region and category. What could point at a person is withheld, and not to be computed."""
    regions = await statistics.members_by_region(session)
    counts = [[*row, sum(row)] for _, _, row in regions]
    counts.append([sum(column) for column in zip(*counts, strict=True)] or [0] * (len(statistics.COLUMNS) + 1))
    names = [(region, name) for region, name, _ in regions]
    rows = [
        PublicRow(
            organisation_id=region,
            name=name,
            cells=[
                Cell.model_validate({"category": category, "members": members})
                for category, members in zip((*statistics.COLUMNS, "total"), row, strict=True)
            ],
        )
        for (region, name), row in zip(
            [*names, (None, "Общероссийский Профсоюз")], suppressed(counts), strict=True
        )
    ]
    return PublicStatistics(rows=rows, smallest_shown=LEAST)
