"""Members move with their organisation's merge or split, and back: in sets, however many they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.events.registry import MemberTransferred
from registry import errors, rules
from registry.commands.effects import Effects
from registry.commands.history import publish_members
from registry.commands.loading import held_organisation
from registry.commands.organisations import check_active_since


@dataclass(frozen=True)
class Choice:
    """Whom to take of an organisation's members: by category (`not_given` too), by name, or all that are left."""

    categories: Collection[str] = ()
    member_ids: Collection[UUID] = ()
    rest: bool = False


_CHOOSE = sa.text(
    "select member_id from member where organisation_id = :source and status = 'member'"
    " and (:rest or coalesce(category, 'not_given') = any(:categories) or member_id = any(:ids))"
    " order by member_id for update"
).bindparams(
    sa.bindparam("rest", type_=sa.Boolean),
    sa.bindparam("categories", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
)


def _over_ids(statement: str) -> sa.TextClause:
    return sa.text(statement).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))


# A stay that began before the day ends on it and is followed by another; one that began later is moved whole.
_NOTE = _over_ids(
    "insert into operation_member (operation_id, member_id, from_organisation_id, to_organisation_id, moved_on,"
    "  old_stay, new_stay)"
    " select :operation, member_id, organisation_id, :into, greatest(:day, from_on),"
    "  case when from_on < :day then membership_id end,"
    "  case when from_on < :day then uuidv7() else membership_id end"
    " from membership where to_on is null and member_id = any(:ids)"
    " returning member_id, moved_on"
).bindparams(sa.bindparam("day", type_=sa.Date), sa.bindparam("into", type_=sa.Uuid))
_MOVE = [
    _over_ids(
        "update membership set to_on = moved.moved_on, end_reason = 'transferred' from operation_member moved"
        " where moved.operation_id = :operation and moved.member_id = any(:ids) and membership_id = moved.old_stay"
    ),
    _over_ids(
        "insert into membership (membership_id, member_id, organisation_id, from_on)"
        " select new_stay, member_id, to_organisation_id, moved_on from operation_member"
        " where operation_id = :operation and member_id = any(:ids) and old_stay is not null"
    ),
    _over_ids(
        "update membership set organisation_id = moved.to_organisation_id from operation_member moved"
        " where moved.operation_id = :operation and moved.member_id = any(:ids) and moved.old_stay is null"
        " and membership_id = moved.new_stay"
    ),
    _over_ids(
        "update member set organisation_id = moved.to_organisation_id, version = version + 1"
        " from operation_member moved"
        " where moved.operation_id = :operation and member.member_id = any(:ids)"
        " and member.member_id = moved.member_id"
    ),
]
_END_ARRIVED = _over_ids(
    "update transfer set status = 'refused', reason = 'organisations_joined', decided_on = :today,"
    " version = version + 1 where status = 'released' and to_organisation_id = :into and member_id = any(:ids)"
    " returning transfer_id"
)
_LEAVE_FROM = _over_ids(
    "update transfer set from_organisation_id = member.organisation_id, version = transfer.version + 1"
    " from member where member.member_id = transfer.member_id and transfer.status = 'released'"
    " and transfer.member_id = any(:ids)"
)
_MOVED = sa.text(
    "select moved.member_id, moved.moved_on, moved.from_organisation_id, moved.to_organisation_id"
    " from operation_member moved join member using (member_id)"
    " where operation_id = :operation order by member_id for update of member"
)
_MOVED_ON = sa.text(
    "select count(*) from operation_member moved join member using (member_id) where operation_id = :operation"
    " and (member.status <> 'member' or member.organisation_id <> moved.to_organisation_id or not exists"
    "  (select from membership stay where stay.membership_id = moved.new_stay and stay.to_on is null)"
    "  or exists (select from member_period period where period.member_id = moved.member_id"
    "   and period.superseded_at is null and (period.valid_to is null or period.valid_to > moved.moved_on)"
    "   and (period.organisation_id <> moved.to_organisation_id or period.status <> 'member')))"
)
_MOVE_BACK = [
    sa.text(
        "delete from membership using operation_member moved where moved.operation_id = :operation"
        " and moved.old_stay is not null and membership_id = moved.new_stay"
    ),
    sa.text(
        "update membership set to_on = null, end_reason = null from operation_member moved"
        " where moved.operation_id = :operation and membership_id = moved.old_stay"
    ),
    sa.text(
        "update membership set organisation_id = moved.from_organisation_id from operation_member moved"
        " where moved.operation_id = :operation and moved.old_stay is null and membership_id = moved.new_stay"
    ),
    sa.text(
        "update member set organisation_id = moved.from_organisation_id, version = version + 1"
        " from operation_member moved where moved.operation_id = :operation and member.member_id = moved.member_id"
    ),
]


async def move_members(
    session: AsyncSession,
    operation_id: UUID,
    source: UUID,
    into: UUID,
    choice: Choice,
    day: date,
    today: date,
    effects: Effects,
) -> None:
    """Those of the source's members who are chosen go on in `into` from that day on, or from their first day."""
    members = await _choose(session, source, choice)
    if not members:
        return
    target = await held_organisation(session, into)
    rules.check_takes_members(target)
    await check_active_since(session, into, day)
    values = {"operation": operation_id, "ids": members}
    noted = (await session.execute(_NOTE, {**values, "into": into, "day": day})).all()
    for statement in _MOVE:
        await session.execute(statement, values)
    ended = await session.execute(_END_ARRIVED, {"ids": members, "into": into, "today": today})
    effects.ended_transfers += len(ended.all())
    await session.execute(_LEAVE_FROM, {"ids": members})
    days = {row.member_id: row.moved_on for row in noted}
    await publish_members(session, MemberTransferred, days, lambda _: {"from_organisation_id": source})
    effects.members += len(members)


async def move_members_back(session: AsyncSession, operation_id: UUID) -> None:
    """As if the operation had not moved them. Refused when one of them has left or moved on since."""
    values = {"operation": operation_id}
    moved = (await session.execute(_MOVED, values)).all()
    if not moved:
        return
    elsewhere = await session.scalar(_MOVED_ON, values)
    if elsewhere:
        raise errors.UndoRefused(f"{elsewhere} of the {len(moved)} members whom it moved have left or moved on")
    for statement in _MOVE_BACK:
        await session.execute(statement, values)
    await session.execute(_LEAVE_FROM, {"ids": [row.member_id for row in moved]})
    sources: dict[UUID, Any] = {row.member_id: row.to_organisation_id for row in moved}
    await publish_members(
        session,
        MemberTransferred,
        {row.member_id: row.moved_on for row in moved},
        lambda member_id: {"from_organisation_id": sources[member_id]},
    )


async def _choose(session: AsyncSession, source: UUID, choice: Choice) -> Sequence[UUID]:
    named = set(choice.member_ids)
    values = {"source": source, "rest": choice.rest, "categories": list(choice.categories), "ids": sorted(named)}
    members = (await session.scalars(_CHOOSE, values)).all()
    missing = len(named.difference(members))
    if missing:
        raise errors.MembersElsewhere(missing)
    return members
