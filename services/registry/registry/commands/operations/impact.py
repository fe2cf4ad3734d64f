"""What an operation touches, counted before it is done: shown by a dry run, kept with what is done."""

from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.commands.effects import Effects
from registry.models import Table

_MASS_KINDS = frozenset({"move", "merge", "split"})

_TOUCHED = sa.text(
    """
    with recursive below as (
        select unnest(cast(:touched as uuid[])) as organisation_id
        union
        select o.organisation_id from organisation o join below b on o.parent_id = b.organisation_id
    ),
    above as (
        select unnest(cast(:touched || :others as uuid[])) as organisation_id
        union
        select o.parent_id from organisation o join above a on o.organisation_id = a.organisation_id
        where o.parent_id is not null
    ),
    concerned as materialized (
        select member_id from member where status = 'member' and organisation_id in (select * from below)
    )
    select
        (select count(*) from below join organisation o using (organisation_id)
          where o.status = 'active' and o.organisation_id <> all(:touched)) as organisations_below,
        (select count(*) from concerned) as members,
        (select count(*) from consent join concerned using (member_id)
          where purpose = 'cards' and withdrawn_at is null) as cards,
        (select count(*) from application
          where status = 'submitted' and organisation_id in (select * from below)) as applications,
        (select count(*) from transfer where status = 'released'
          and (from_organisation_id in (select * from below) or to_organisation_id in (select * from below))
        ) as transfers,
        (select count(*) from (select * from below union select * from above)) as reports
    """
).bindparams(
    sa.bindparam("touched", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("others", type_=sa.ARRAY(sa.Uuid)),
)


_OFFICES = sa.text(
    """
    with recursive below as (
        select unnest(cast(:touched as uuid[])) as organisation_id
        union
        select o.organisation_id from organisation o join below b on o.parent_id = b.organisation_id
    )
    select count(*) from office_term where ends_on >= :today and organisation_id in (select * from below)
    """
).bindparams(sa.bindparam("touched", type_=sa.ARRAY(sa.Uuid)))


async def count_touched(
    session: AsyncSession, touched: list[UUID], others: list[UUID], today: date
) -> dict[str, Any]:
    """Of `touched` and what stands below; `reports` also counts those above these and `others`.

    organisations_below, members (active), cards (members who consented to one), applications and transfers that
    wait, offices (terms that run), reports (organisations whose yearly figures the operation may change).
    """
    row = (await session.execute(_TOUCHED, {"touched": touched, "others": others})).one()
    return {**row._mapping, "offices": await _offices(session, touched, today)}


async def _offices(session: AsyncSession, touched: list[UUID], today: date) -> int:
    if "office_term" not in Table.metadata.tables:
        return 0
    return await session.scalar(_OFFICES, {"touched": touched, "today": today}) or 0


def with_effects(impact: dict[str, Any], effects: Effects) -> dict[str, Any]:
    """The impact with what the operation itself changes: as it was done, or tried out."""
    moved = {change.organisation_id for change in effects.changes if "parent_id" in change.after}
    return {
        **impact,
        "members_moved": effects.members,
        "organisations_moved": len(moved),
        "organisations_created": len(effects.created),
        "applications_handed_over": len(effects.applications),
        "transfers_redirected": len(effects.transfers),
        "transfers_ended": effects.ended_transfers,
    }


def is_mass(kind: str, impact: dict[str, Any], members: int, organisations: int) -> bool:
    """More members or organisations change their place than one person may decide on.

    `kind` is the operation's; of an undoing that of what it undoes.
    """
    if kind not in _MASS_KINDS:
        return False
    # What moves takes along what stands below it; a split takes what its parts name.
    along = kind != "split"
    return bool(
        max(impact["members_moved"], impact["members"] if along else 0) > members
        or max(impact["organisations_moved"], impact["organisations_below"] if along else 0) > organisations
    )
