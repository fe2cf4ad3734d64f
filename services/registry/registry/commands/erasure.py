"""A person is erased: everywhere in the registry at once, and everywhere else by the event."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.errors import NotFound
from common.events.registry import ApplicationDecided, MemberErased
from common.outbox import publish
from registry import errors
from registry.acts import Act, Removal
from registry.commands.approvals import ask_for_approval
from registry.commands.erasure_places import KEPT, empty_places
from registry.commands.loading import locked
from registry.commands.membership import end_membership, publish_member
from registry.keys import ErasureKey
from registry.models import Application, Approval, Erasure, Member, MemberMerge, Membership, Person

ACTION = "erase_person"

_FORMER_APPLICANTS = sa.text(
    "select p.person_id from person p join application a using (person_id)"
    " where p.match_key = :key and a.status in ('declined', 'withdrawn')"
    " and not exists (select from member m where m.person_id = p.person_id)"
)
_SIMILAR = sa.text(
    "select m.member_id from member m join person p using (person_id)"
    " where p.match_key = :key and m.status <> 'erased' order by m.member_id"
)
_KEPT_COPIES = sa.text(
    "select kept_person_id from member_merge where kept_person_id is not null"
    " and (survivor_member_id = any(:members) or absorbed_member_id = any(:members))"
).bindparams(sa.bindparam("members", type_=sa.ARRAY(sa.Uuid)))


async def request_erasure(
    session: AsyncSession,
    member_id: UUID,
    request_number: str,
    reason: str,
    requested_by: str,
    days: int,
    now: datetime,
) -> Approval:
    """Ask for the second person. Nothing happens until then."""
    member = await locked(session, Member, member_id, read=True)
    if member.status == "erased":
        raise errors.ErasedAlready
    return ask_for_approval(
        session,
        action=ACTION,
        arguments={"member_id": str(member_id), "request_number": request_number},
        organisation_ids=[member.organisation_id],
        reason=reason,
        requested_by=requested_by,
        days=days,
        now=now,
    )


async def erase_person(
    session: AsyncSession,
    member_id: UUID,
    *,
    request_number: str,
    requested_by: str,
    approved_by: str,
    key: ErasureKey,
    now: datetime,
    again: UUID | None = None,
    least_versions: dict[UUID, int] | None = None,
) -> Erasure:
    """Erase whoever `member_id` is of, with every record merged into theirs. Returns the kept record with its act.

    A membership in force ends first, so that cards and participations end in order. `again`: the number of an
    erasure that a restore has undone; then `least_versions` are those that other services have seen of it.
    """
    ids = list(await session.scalars(MemberMerge.linked(), {"member": member_id}))
    if not ids:
        raise NotFound("member", member_id)
    members = [await locked(session, Member, linked) for linked in ids]
    if all(member.status == "erased" for member in members):
        raise errors.ErasedAlready
    newest = max(members, key=lambda member: (member.status == "member", member.member_id))
    match_key = (await locked(session, Person, newest.person_id)).match_key
    # An application that came to nothing, under the same name and birth date, is no record of anybody else's.
    former = await session.scalars(_FORMER_APPLICANTS, {"key": match_key})
    person_ids = sorted({member.person_id for member in members if member.person_id is not None} | set(former))
    applications = await _applications(session, person_ids)
    for member in members:
        if member.status == "member":
            await _end(session, member, now)
    await _close_applications(session, applications, now)
    await session.flush()
    application_ids = [application.application_id for application in applications]
    removals = await empty_places(session, ids, person_ids, application_ids, key)
    for application in applications:
        await session.refresh(application)
    copies = list(await session.scalars(_KEPT_COPIES, {"members": ids}))
    for member in members:
        await session.refresh(member)
        least = (least_versions or {}).get(member.member_id, 0)
        member.status, member.person_id, member.version = "erased", None, max(member.version + 1, least)
    await session.flush()
    removals.append(await _delete_persons(session, [*person_ids, *copies]))
    for member in members:
        await publish_member(session, MemberErased, member, now.date())
    erasure = Erasure(
        erasure_id=again or uuid7(),
        request_number=request_number,
        member_ids=ids,
        organisation_id=newest.organisation_id,
        person_hash=key.person_hash(match_key),
        requested_by=requested_by,
        approved_by=approved_by,
        erased_at=now,
        act={},
    )
    act = Act(
        **erasure.model_dump(exclude={"act", "person_hash", "organisation_id"}),
        reapplied=again is not None,
        removals=removals,
        kept=list(KEPT),
        similar=list(await session.scalars(_SIMILAR, {"key": match_key})),
        told={str(member.member_id): member.version for member in members},
    )
    erasure.act = act.model_dump(mode="json")
    session.add(erasure)
    return erasure


async def forget_applicants(session: AsyncSession, days: int, now: datetime) -> int:
    """Persons of applications that came to nothing `days` ago are removed; the applications stay, without them."""
    statement = sa.text(
        """
        with forgotten as (
            select application_id, person_id from application a
            where status in ('declined', 'withdrawn') and person_id is not null
              and decided_on < cast(:now as date) - cast(:days as integer)
              and not exists (select from member where member.person_id = a.person_id)
            order by application_id limit 1000 for update skip locked
        ), emptied as (
            update application set person_id = null, decline_reason = null
            from forgotten where application.application_id = forgotten.application_id
        )
        select person_id from forgotten
        """
    ).bindparams(sa.bindparam("now", type_=sa.Date), sa.bindparam("days", type_=sa.Integer))
    persons = list(await session.scalars(statement, {"now": now.date(), "days": days}))
    await _delete_persons(session, persons)
    return len(persons)


async def _end(session: AsyncSession, member: Member, now: datetime) -> None:
    """The membership ends today, or on the first day of a stay that begins later."""
    begun = await session.scalar(
        sa.select(col(Membership.from_on)).where(
            col(Membership.member_id) == member.member_id, col(Membership.to_on).is_(None)
        )
    )
    day = max(now.date(), begun or now.date())
    await end_membership(session, member.member_id, "left", None, day, now)


async def _applications(session: AsyncSession, person_ids: Sequence[UUID]) -> list[Application]:
    statement = sa.select(Application).where(col(Application.person_id).in_(person_ids))
    return list(await session.scalars(statement.order_by(col(Application.application_id)).with_for_update()))


async def _close_applications(session: AsyncSession, applications: Sequence[Application], now: datetime) -> None:
    """One that waits for a decision has nobody to decide about any more."""
    for application in applications:
        if application.status == "submitted":
            application.status, application.decided_on = "declined", now.date()
            application.version += 1
            publish(session, ApplicationDecided(**application.public_state(now.date())))


async def _delete_persons(session: AsyncSession, person_ids: Sequence[UUID]) -> Removal:
    result = await session.execute(sa.delete(Person).where(col(Person.person_id).in_(person_ids)))
    return Removal(place="person", what="все персональные данные лица", rows=result.rowcount)  # type: ignore[attr-defined]
