"""Two records of one person become one, by four eyes."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.events.registry import MemberChanged, MemberMerged
from registry import errors
from registry import merging_rules as rules
from registry.commands.approvals import ask_for_approval
from registry.commands.duplicates import ordered, pair
from registry.commands.loading import locked
from registry.commands.membership import publish_member
from registry.commands.offices import pass_offices_on
from registry.models import (
    Approval,
    Consent,
    Duplicate,
    Member,
    MemberMerge,
    MemberPeriod,
    Membership,
    Person,
    Transfer,
)
from registry.rules import match_key

ACTION = "merge_members"

_FORGET_KEPT = sa.text(
    "delete from person where kept_for_undo and person_id in"
    " (select kept_person_id from member_merge where undo_until < :now and undone_at is null)"
)
_BEGIN = sa.text("select min(valid_from) from member_period where member_id = :member and superseded_at is null")
_REOPEN = sa.text(
    "update duplicate set status = 'open', version = version + 1"
    " where status = 'merging' and (person_id, other_person_id) in"
    " (select least(a.person_id, b.person_id), greatest(a.person_id, b.person_id) from member a, member b"
    "  where a.member_id = :one and b.member_id = :other)"
)


async def request_merge(
    session: AsyncSession,
    *,
    survivor_id: UUID,
    absorbed_id: UUID,
    seniority: Literal["earlier", "survivor"],
    take: Sequence[str],
    reason: str,
    requested_by: str,
    days: int,
    now: datetime,
) -> Approval:
    """Ask for a second person. Both records are as they are; what was seen is what will be merged."""
    survivor, absorbed = await _locked_members(session, survivor_id, absorbed_id)
    rules.check_mergeable(survivor, absorbed, await _open_transfers(session, survivor_id, absorbed_id))
    duplicate = await pair(session, *_persons(survivor, absorbed))
    if duplicate is None:
        one, other = ordered(*_persons(survivor, absorbed))
        duplicate = Duplicate(
            duplicate_id=uuid7(),
            person_id=one,
            other_person_id=other,
            strength="weak",
            found_when="entry",
            found_at=now,
            status="open",
        )
        session.add(duplicate)
    if duplicate.status in ("merging", "merged"):
        raise errors.DuplicateDecided(duplicate.status)
    duplicate.status, duplicate.decided_by, duplicate.decided_at = "merging", requested_by, now
    duplicate.version += 1
    return ask_for_approval(
        session,
        action=ACTION,
        arguments={
            "survivor_member_id": str(survivor_id),
            "absorbed_member_id": str(absorbed_id),
            "survivor_version": survivor.version,
            "absorbed_version": absorbed.version,
            "seniority": seniority,
            "take": sorted(set(take)),
        },
        organisation_ids=[survivor.organisation_id, absorbed.organisation_id],
        reason=reason,
        requested_by=requested_by,
        days=days,
        now=now,
    )


async def drop_request(session: AsyncSession, arguments: dict[str, Any]) -> None:
    """The request was refused or has expired: the pair waits for a decision again."""
    await session.execute(
        _REOPEN,
        {"one": UUID(arguments["survivor_member_id"]), "other": UUID(arguments["absorbed_member_id"])},
    )


async def merge_members(
    session: AsyncSession, approval: Approval, approved_by: str, undo_days: int, now: datetime
) -> MemberMerge:
    """What was asked for happens, if both records are still as they were seen."""
    asked = approval.arguments
    survivor, absorbed = await _locked_members(
        session, UUID(asked["survivor_member_id"]), UUID(asked["absorbed_member_id"])
    )
    if (survivor.version, absorbed.version) != (asked["survivor_version"], asked["absorbed_version"]):
        raise errors.ChangedSinceRequested
    ids = (survivor.member_id, absorbed.member_id)
    rules.check_mergeable(survivor, absorbed, await _open_transfers(session, *ids))
    merge = MemberMerge(
        merge_id=uuid7(),
        survivor_member_id=survivor.member_id,
        absorbed_member_id=absorbed.member_id,
        effective_on=now.date(),
        merged_at=now,
        requested_by=approval.requested_by,
        approved_by=approved_by,
        undo_until=now + timedelta(days=undo_days),
        before={
            "survivor": {"joined_on": survivor.joined_on.isoformat()},
            "absorbed": absorbed.model_dump(mode="json", include={"status", "left_on"}),
        },
    )
    if asked["seniority"] == "earlier":
        survivor.joined_on = min(survivor.joined_on, absorbed.joined_on)
    merge.before |= await _merge_stays(session, survivor, absorbed, now)
    merge.before |= await _merge_consents(session, survivor, absorbed, now)
    merge.kept_person_id = await _take_over(session, survivor, absorbed, asked["take"])
    merge.before |= {"taken": asked["take"], "joined_on": survivor.joined_on.isoformat()}
    merge.before["offices"] = await pass_offices_on(session, absorbed, survivor, now.date(), "records_merged")
    session.add(merge)
    await _settle_pair(session, survivor, absorbed, approved_by, now)
    day = merge.effective_on
    absorbed.status, absorbed.left_on = "merged", day
    for member in (survivor, absorbed):
        member.version += 1
    await session.flush()
    # From the first day that came over, so that who keeps dated facts learns the days before as well.
    since = as_day(merge.before["since"]) or day
    await publish_member(session, MemberChanged, survivor, since)
    await publish_member(session, MemberMerged, absorbed, day, into_member_id=survivor.member_id)
    return merge


async def forget_kept_copies(session: AsyncSession, now: datetime) -> None:
    """After the time for an undo nobody needs what a person's fields were before the merge."""
    await session.execute(_FORGET_KEPT, {"now": now})


async def stays_of(session: AsyncSession, member_id: UUID) -> list[Membership]:
    statement = sa.select(Membership).where(col(Membership.member_id) == member_id)
    return list(await session.scalars(statement.order_by(col(Membership.from_on))))


async def _merge_stays(session: AsyncSession, survivor: Member, absorbed: Member, now: datetime) -> dict[str, Any]:
    """The absorbed record's stays are told by the survivor's from now on, and count once."""
    stays, own = await stays_of(session, absorbed.member_id), await stays_of(session, survivor.member_id)
    begin = await session.scalar(_BEGIN, {"member": survivor.member_id})
    days = rules.stays_to_add(stays, begin, survivor.joined_on)
    added = [
        Membership(
            membership_id=uuid7(),
            member_id=survivor.member_id,
            organisation_id=each.organisation_id,
            from_on=each.from_on,
            to_on=each.to_on,
            end_reason=each.end_reason,
        )
        for each in days
    ]
    session.add_all(
        [
            MemberPeriod(
                member_id=survivor.member_id,
                valid_from=each.from_on,
                valid_to=each.to_on,
                recorded_at=now,
                organisation_id=each.organisation_id,
                status=status,
                category=absorbed.category,
                pedagogical=absorbed.pedagogical,
            )
            for each, status in rules.periods_of(days, begin)
        ]
    )
    for stay in stays:
        await session.delete(stay)
    session.add_all(added)
    return {
        "begin": begin.isoformat(),
        "since": days[0].from_on.isoformat() if days else None,
        "stays": [stay.model_dump(mode="json") for stay in stays],
        "added_stays": [str(stay.membership_id) for stay in added],
        "survivor_stays": {str(stay.membership_id): stay.model_dump(mode="json") for stay in (*own, *added)},
    }


async def _merge_consents(
    session: AsyncSession, survivor: Member, absorbed: Member, now: datetime
) -> dict[str, Any]:
    statement = sa.select(Consent).where(col(Consent.member_id).in_([survivor.member_id, absorbed.member_id]))
    consents = list(await session.scalars(statement.order_by(col(Consent.given_at)).with_for_update()))
    own = [consent for consent in consents if consent.member_id == survivor.member_id]
    theirs = [consent for consent in consents if consent.member_id == absorbed.member_id]
    decided = rules.consents_to_merge(own, theirs)
    # What is in force and stays behind ends with the record; an undo brings it back.
    left = {c.consent_id: now for c in theirs if c.withdrawn_at is None and c not in decided.moved}
    ended = decided.withdrawn | left
    for consent in consents:
        if consent.consent_id in ended:
            consent.withdrawn_at = ended[consent.consent_id]
    # One consent of a purpose may be in force: what ends is written before what comes.
    await session.flush()
    for consent in decided.moved:
        consent.member_id = survivor.member_id
    return {
        "moved_consents": [str(consent.consent_id) for consent in decided.moved],
        "withdrawn_consents": {str(key): at.isoformat() for key, at in ended.items()},
    }


async def _take_over(
    session: AsyncSession, survivor: Member, absorbed: Member, fields: Sequence[str]
) -> UUID | None:
    """Copy the fields from the absorbed person; the survivor's former ones are kept in a copy for the undo."""
    person, other = await _persons_of(session, survivor, absorbed)
    if not fields:
        return None
    kept = Person(**{**person.model_dump(), "person_id": uuid7(), "kept_for_undo": True, "match_keys": None})
    session.add(kept)
    for field in fields:
        setattr(person, field, getattr(other, field))
    person.match_key = match_key(person.last_name, person.first_name, person.patronymic, person.birth_date)
    survivor.sex, survivor.birth_year = person.sex, person.birth_date.year
    await session.flush()
    return kept.person_id


async def _settle_pair(
    session: AsyncSession, survivor: Member, absorbed: Member, subject: str, now: datetime
) -> None:
    duplicate = await pair(session, *_persons(survivor, absorbed))
    if duplicate is not None:
        duplicate.status, duplicate.decided_by, duplicate.decided_at = "merged", subject, now
        duplicate.version += 1
    # Whoever else resembled the absorbed record is now compared with the one that remains.
    await session.flush()
    await session.execute(
        sa.text("delete from duplicate where status = 'open' and (person_id = :id or other_person_id = :id)"),
        {"id": absorbed.person_id},
    )
    await session.execute(
        sa.text("update person set examined_at = null where person_id = :id"), {"id": survivor.person_id}
    )


async def _locked_members(session: AsyncSession, survivor_id: UUID, absorbed_id: UUID) -> tuple[Member, Member]:
    """Locked in the order of their ids, so that two merges of the same pair never wait for each other."""
    rows = {key: await locked(session, Member, key) for key in sorted({survivor_id, absorbed_id})}
    return rows[survivor_id], rows[absorbed_id]


async def _persons_of(session: AsyncSession, survivor: Member, absorbed: Member) -> tuple[Person, Person]:
    ids = _persons(survivor, absorbed)
    rows = {key: await locked(session, Person, key) for key in sorted(ids)}
    return rows[ids[0]], rows[ids[1]]


def _persons(survivor: Member, absorbed: Member) -> tuple[UUID, UUID]:
    if survivor.person_id is None or absorbed.person_id is None:
        raise errors.RecordNotMergeable
    return survivor.person_id, absorbed.person_id


async def _open_transfers(session: AsyncSession, *member_ids: UUID) -> list[Transfer]:
    statement = sa.select(Transfer).where(
        col(Transfer.member_id).in_(member_ids), col(Transfer.status) == "released"
    )
    return list(await session.scalars(statement))


def as_day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
