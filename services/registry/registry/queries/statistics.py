"""Statistics for everybody, before small numbers are withheld."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

COLUMNS = ("working", "student", "pensioner", "not_given")

_BY_REGION = sa.text(
    """
    with recursive below as (
        select organisation_id, organisation_id as region from organisation
        where kind = 'regional' and status = 'active'
        union
        select o.organisation_id, below.region from organisation o
        join below on o.parent_id = below.organisation_id
    )
    select r.organisation_id, r.name,
           count(*) filter (where m.category = 'working') as working,
           count(*) filter (where m.category = 'student') as student,
           count(*) filter (where m.category = 'pensioner') as pensioner,
           count(*) filter (where m.member_id is not null and m.category is null) as not_given
    from organisation r join below on below.region = r.organisation_id
    left join member m on m.organisation_id = below.organisation_id and m.status = 'member'
    group by r.organisation_id order by r.name, r.organisation_id
    """
)


async def members_by_region(session: AsyncSession) -> list[tuple[UUID, str, list[int]]]:
    """Active regions with their present members in COLUMNS."""
    rows: Any = await session.execute(_BY_REGION)
    return [(row.organisation_id, row.name, [getattr(row, name) for name in COLUMNS]) for row in rows]
