"""A merge is undone: both records stand again as they were, and keep what happened to them since."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.events.registry import MemberChanged, MemberExpelled, MemberLeft, MemberReinstated
from common.outbox import publish
from registry import errors
from registry.commands.duplicates import pair
from registry.commands.loading import locked
from registry.commands.membership import publish_member, purposes_in_force
from registry.commands.merging import as_day, stays_of
from registry.commands.offices import take_offices_back
from registry.models import Consent, Member, MemberMerge, Membership, Person
from registry.rules import match_key

_EVENTS = {"member": MemberReinstated, "left": MemberLeft, "expelled": MemberExpelled}


async def undo_merge(session: AsyncSession, merge_id: UUID, subject: str, now: datetime) -> MemberMerge:
    """Possible until `undo_until`, while the survivor is where the merge left them."""
    merge = await locked(session, MemberMerge, merge_id)
    ids = sorted((merge.survivor_member_id, merge.absorbed_member_id))
    rows = {key: await locked(session, Member, key) for key in ids}
    survivor, absorbed = rows[merge.survivor_member_id], rows[merge.absorbed_member_id]
    _check_undoable(merge, survivor, absorbed, now)
    await _check_stays(session, merge)
    before = merge.before
    await _restore_stays(session, merge)
    await _restore_consents(session, merge)
    await _restore_person(session, merge, survivor, absorbed)
    await take_offices_back(session, before.get("offices", ()), "merge_undone")
    if survivor.joined_on.isoformat() == before["joined_on"]:
        survivor.joined_on = as_day(before["survivor"]["joined_on"]) or survivor.joined_on
    absorbed.status, absorbed.left_on = before["absorbed"]["status"], as_day(before["absorbed"]["left_on"])
    merge.undone_at, merge.undone_by, merge.version = now, subject, merge.version + 1
    await session.execute(
        sa.text("update person set examined_at = null where person_id = :id"), {"id": absorbed.person_id}
    )
    if survivor.person_id and absorbed.person_id:
        duplicate = await pair(session, survivor.person_id, absorbed.person_id)
        if duplicate is not None:
            # Whoever undoes it says by that: these are two people.
            duplicate.status, duplicate.decided_by, duplicate.decided_at = "not_same", subject, now
            duplicate.version += 1
    for member in (survivor, absorbed):
        member.version += 1
    await session.flush()
    if before["since"] is not None:
        # For who keeps dated facts: on the days that came over there was no membership of this record.
        consents = await purposes_in_force(session, survivor.member_id)
        since = date.fromisoformat(before["since"])
        publish(session, MemberChanged(**survivor.public_state(since, consents)))
        survivor.version += 1
    await publish_member(session, MemberChanged, survivor, date.fromisoformat(before["begin"]))
    day = absorbed.left_on or merge.effective_on
    await publish_member(session, _EVENTS[absorbed.status], absorbed, day)
    return merge


def _check_undoable(merge: MemberMerge, survivor: Member, absorbed: Member, now: datetime) -> None:
    if merge.undone_at is not None:
        raise errors.MergeUndone
    if now > merge.undo_until or "erased" in (survivor.status, absorbed.status):
        raise errors.MergeUndoTooLate
    if survivor.status == "merged":
        raise errors.SurvivorMovedOn


async def _check_stays(session: AsyncSession, merge: MemberMerge) -> None:
    """The survivor's stays are those the merge left: a later stay may stand on what the merge brought."""
    mine = {str(stay.membership_id): stay for stay in await stays_of(session, merge.survivor_member_id)}
    left = merge.before["survivor_stays"]
    now = {key: stay.model_dump(mode="json") for key, stay in mine.items()}
    if now != left:
        raise errors.SurvivorMovedOn


async def _restore_stays(session: AsyncSession, merge: MemberMerge) -> None:
    added = {UUID(key) for key in merge.before["added_stays"]}
    for stay in await stays_of(session, merge.survivor_member_id):
        if stay.membership_id in added:
            await session.delete(stay)
    await session.execute(
        sa.text(
            "update member_period set superseded_at = clock_timestamp() where member_id = :member"
            " and superseded_at is null and valid_from < cast(:begin as date)"
        ),
        {"member": merge.survivor_member_id, "begin": date.fromisoformat(merge.before["begin"])},
    )
    session.add_all([Membership.model_validate(stay) for stay in merge.before["stays"]])


async def _restore_consents(session: AsyncSession, merge: MemberMerge) -> None:
    """Each goes back to its record; what the person withdrew meanwhile stays withdrawn."""
    moved = [UUID(key) for key in merge.before["moved_consents"]]
    ended = {UUID(key): at for key, at in merge.before["withdrawn_consents"].items()}
    statement = sa.select(Consent).where(col(Consent.consent_id).in_([*moved, *ended])).with_for_update()
    consents = {consent.consent_id: consent for consent in await session.scalars(statement)}
    for key in moved:
        consents[key].member_id = merge.absorbed_member_id
    await session.flush()
    for key, at in ended.items():
        consent = consents[key]
        if consent.withdrawn_at == datetime.fromisoformat(at) and not await _in_force(session, consent):
            consent.withdrawn_at = None


async def _in_force(session: AsyncSession, like: Consent) -> bool:
    return like.purpose in await purposes_in_force(session, like.member_id)


async def _restore_person(session: AsyncSession, merge: MemberMerge, survivor: Member, absorbed: Member) -> None:
    """Fields taken over go back, unless they were changed again since."""
    if merge.kept_person_id is None:
        return
    person, other = (
        await locked(session, Person, survivor.person_id),
        await session.get(Person, absorbed.person_id),
    )
    kept = await locked(session, Person, merge.kept_person_id)
    for field in merge.before["taken"]:
        if other is not None and getattr(person, field) == getattr(other, field):
            setattr(person, field, getattr(kept, field))
    person.match_key = match_key(person.last_name, person.first_name, person.patronymic, person.birth_date)
    survivor.sex, survivor.birth_year = person.sex, person.birth_date.year
    merge.kept_person_id = None
    await session.flush()
    await session.delete(kept)
