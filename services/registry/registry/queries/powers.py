"""Who has which powers today, by the terms of office: for tokens, for the identity provider, for the access review."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import STAFF, Principal, Role
from common.db import Database
from registry import rules
from registry.models import Member, OfficeTerm, Organisation

_SEEN_AT_MOST = 200

# In force: a member still, an organisation still, and the term's days hold today.
_IN_FORCE = """
    office_term.office = any(:leading) and :today between starts_on and ends_on
    and member.status = 'member' and organisation.status = 'active'
"""
_POWERS = sa.text(
    f"""
    select organisation.kind from office_term
    join member using (member_id)
    join organisation on organisation.organisation_id = office_term.organisation_id
    where {_IN_FORCE} and member.member_id = :member
      and (organisation.organisation_id = :organisation
           or (cast(:organisation as uuid) is null and organisation.kind = 'federal'))
    limit 1
    """  # noqa: S608 (no input in it)
).bindparams(
    sa.bindparam("today", type_=sa.Date),
    sa.bindparam("member", type_=sa.Uuid),
    sa.bindparam("organisation", type_=sa.Uuid),
    sa.bindparam("leading", list(rules.LEADING), type_=sa.ARRAY(sa.Text)),
)
_SEATS = sa.text(
    f"""
    with recursive up(organisation_id, height) as (
        select cast(:organisation as uuid), 0
        union all
        select organisation.parent_id, height + 1 from up join organisation using (organisation_id)
        where organisation.parent_id is not null
    )
    select up.height, organisation.organisation_id, organisation.kind, organisation.name,
           office_term.term_id, office_term.member_id, office_term.office, office_term.ends_on as powers_until
    from up join organisation using (organisation_id)
    left join (office_term join member using (member_id))
      on office_term.organisation_id = organisation.organisation_id and {_IN_FORCE}
    order by up.height, office_term.office, office_term.term_id
    """  # noqa: S608
).bindparams(
    sa.bindparam("today", type_=sa.Date),
    sa.bindparam("organisation", type_=sa.Uuid),
    sa.bindparam("leading", list(rules.LEADING), type_=sa.ARRAY(sa.Text)),
)
_SEEN_BY = sa.text(
    """
    select subject, count(*) as accesses, max(at) as last_at,
           array_agg(distinct action order by action) as actions,
           coalesce(array_agg(distinct purpose order by purpose) filter (where purpose is not null), '{}') as purposes
    from access_log
    where at > :since and (
        whose && array(select member_id from member where organisation_id = :organisation)
        or whose && array(select application_id from application where organisation_id = :organisation))
    group by subject order by max(at) desc limit :at_most
    """
).bindparams(sa.bindparam("organisation", type_=sa.Uuid))


async def powers_today(database: Database, principal: Principal) -> Principal:
    """Take from an elected person's token the staff roles that no term in force gives today.

    A staff token with a `member_id` is of an elected person; one without is of an employee, whom the issuer knows.
    Days are those of UTC, which end after those of every Russian zone: nobody loses a part of the last day.
    """
    claimed = principal.roles & set(STAFF)
    if principal.member_id is None or not claimed:
        return principal
    values = {
        "member": principal.member_id,
        "organisation": principal.organisation_id,
        "today": datetime.now(UTC).date(),
    }
    async with database.engine.connect() as connection:
        kind = await connection.scalar(_POWERS, values)
    return principal.without(claimed - ({rules.role_of(kind)} if kind else set()))


async def grants(session: AsyncSession, member_id: UUID, today: date) -> list[dict[str, Any]]:
    """What tokens of this member may claim today: as the member, and one for each organisation led."""
    terms = (
        sa.select(
            col(OfficeTerm.organisation_id),
            col(Organisation.kind),
            sa.func.max(col(OfficeTerm.ends_on)).label("powers_until"),
            sa.func.array_agg(sa.distinct(col(OfficeTerm.office))).label("offices"),
        )
        .join(Member, col(Member.member_id) == col(OfficeTerm.member_id))
        .join(Organisation, col(Organisation.organisation_id) == col(OfficeTerm.organisation_id))
        .where(
            col(OfficeTerm.member_id) == member_id,
            col(OfficeTerm.office).in_(rules.LEADING),
            col(OfficeTerm.starts_on) <= today,
            col(OfficeTerm.ends_on) >= today,
            col(Member.status) == "member",
            col(Organisation.status) == "active",
        )
        .group_by(col(OfficeTerm.organisation_id), col(Organisation.kind))
        .order_by(col(OfficeTerm.organisation_id))
    )
    own = {"roles": [Role.MEMBER], "organisation_id": None, "powers_until": None, "offices": []}
    led = [
        {
            "roles": [Role.MEMBER, rules.role_of(row.kind)],
            "organisation_id": row.organisation_id,
            "powers_until": row.powers_until,
            "offices": sorted(row.offices),
        }
        for row in await session.execute(terms)
    ]
    return [own, *led]


async def seats(session: AsyncSession, organisation_id: UUID, today: date) -> list[dict[str, Any]]:
    """The organisation and all above it, the nearest first, each with those who lead it today."""
    rows = await session.execute(_SEATS, {"organisation": organisation_id, "today": today})
    found: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        seat = found.setdefault(
            row.organisation_id,
            {
                "organisation_id": row.organisation_id,
                "kind": row.kind,
                "name": row.name,
                "role": rules.role_of(row.kind),
                "leaders": [],
            },
        )
        if row.term_id is not None:
            seat["leaders"].append(row._mapping)
    return list(found.values())


async def seen_by(session: AsyncSession, organisation_id: UUID, now: datetime, days: int) -> list[dict[str, Any]]:
    """Who read or changed data of this organisation's members and applicants in the last days, the latest first."""
    values = {"organisation": organisation_id, "since": now - timedelta(days=days), "at_most": _SEEN_AT_MOST}
    return [dict(row._mapping) for row in await session.execute(_SEEN_BY, values)]
