"""A membership begins, changes and ends."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value
from uuid_utils.compat import uuid7

from common.events.registry import (
    ConsentGiven,
    ConsentWithdrawn,
    MemberChanged,
    MemberEvent,
    MemberExpelled,
    MemberLeft,
)
from registry import errors, rules
from registry.commands.history import publish_members
from registry.commands.loading import locked, open_stay
from registry.models import Consent, Member, Membership, Person


async def change_member(
    session: AsyncSession,
    member_id: UUID,
    category: str | None,
    contacts: dict[str, str | None],
    effective_on: date,
    now: datetime,
) -> Member:
    """Change the category (None: it stays) and the contacts given: phone, email."""
    member = await locked(session, Member, member_id)
    rules.check_in_force(member)
    rules.check_date(effective_on, "effective_on", now.date(), member.joined_on)
    if contacts:
        person = await locked(session, Person, member.person_id)
        for field, value in contacts.items():
            setattr(person, field, value)
    member.version += 1
    if category is not None and category != member.category:
        member.category = category
        await publish_member(session, MemberChanged, member, effective_on)
    return member


async def end_membership(
    session: AsyncSession,
    member_id: UUID,
    how: Literal["left", "expelled"],
    reason: str | None,
    effective_on: date,
    now: datetime,
) -> Member:
    """Leaving is free and at once. `reason` is the protocol's, for an expulsion."""
    member = await locked(session, Member, member_id)
    rules.check_in_force(member)
    stay = await open_stay(session, member_id)
    rules.check_date(effective_on, "effective_on", now.date(), stay.from_on)
    await session.execute(
        sa.text(
            "update transfer set status = 'refused', reason = 'membership_ended', decided_on = :day,"
            " version = version + 1 where member_id = :member and status = 'released'"
        ),
        {"day": effective_on, "member": member_id},
    )
    end_stay(stay, effective_on, how, reason)
    member.status, member.left_on, member.version = how, effective_on, member.version + 1
    await publish_member(session, MemberLeft if how == "left" else MemberExpelled, member, effective_on)
    return member


async def give_consent(
    session: AsyncSession, member_id: UUID, purpose: str, text_version: str, channel: str, now: datetime
) -> Member:
    member = await locked(session, Member, member_id)
    rules.check_in_force(member)
    text = rules.consent_text(purpose, text_version)
    if purpose in await purposes_in_force(session, member_id):
        raise errors.ConsentGivenAlready
    session.add(consent_of(member_id, text.purpose, text.version, text.text_hash, channel, now))
    await session.flush()
    member.version += 1
    await publish_member(session, ConsentGiven, member, now.date(), purpose=purpose)
    return member


async def withdraw_consent(session: AsyncSession, member_id: UUID, purpose: str, now: datetime) -> Member:
    """Possible after the end of the membership too; the membership goes on without it."""
    member = await locked(session, Member, member_id)
    withdrawn = await session.scalar(
        sa.text(
            "update consent set withdrawn_at = :now where member_id = :member and purpose = :purpose"
            " and withdrawn_at is null returning consent_id"
        ),
        {"now": now, "member": member_id, "purpose": purpose},
    )
    if withdrawn is None:
        raise errors.ConsentNotGiven
    member.version += 1
    await publish_member(session, ConsentWithdrawn, member, now.date(), purpose=purpose)
    return member


def consent_of(
    member_id: UUID, purpose: str, text_version: str, text_hash: str, channel: str, now: datetime
) -> Consent:
    return Consent(
        consent_id=uuid7(),
        member_id=member_id,
        purpose=purpose,
        text_version=text_version,
        text_hash=text_hash,
        channel=channel,
        given_at=now,
    )


def end_stay(stay: Membership, day: date, how: str, reason: str | None = None) -> None:
    stay.to_on, stay.end_reason, stay.end_note = day, how, reason


async def purposes_in_force(session: AsyncSession, member_id: UUID) -> list[str]:
    return list(await session.scalars(Consent.purposes_of(member_id)))


async def publish_member(
    session: AsyncSession, event: type[MemberEvent], member: Member, effective_on: date, **extra: Any
) -> None:
    """Keep the member's state from that day on, and publish it. The member's row is locked, its version raised."""
    versions = await publish_members(session, event, {member.member_id: effective_on}, lambda _: extra)
    set_committed_value(member, "version", versions[member.member_id])
