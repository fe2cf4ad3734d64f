"""A person becomes a member: by an application, by a paper that staff enter, or again after an end."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.events.registry import MemberAdmitted, MemberReinstated
from registry import errors, rules
from registry.commands.duplicates import refuse_known
from registry.commands.loading import held_organisation, lock_person_key, locked
from registry.commands.membership import consent_of, publish_member, record_decision
from registry.commands.organisations import check_active_since
from registry.consent_texts import CURRENT
from registry.models import Member, Membership, Person

_ACTIVE_TWIN = sa.text(
    "select exists (select from person join member using (person_id)"
    " where person.match_key = :key and member.status = 'member')"
)


async def check_not_a_member(session: AsyncSession, person: Person, namesake_confirmed: bool) -> None:
    """Refuse a second membership of a name and birth date; staff who know another person say so.

    Nobody else admits this person until the transaction ends.
    """
    await lock_person_key(session, person.match_key)
    if namesake_confirmed:
        return
    if await session.scalar(_ACTIVE_TWIN, {"key": person.match_key}):
        raise errors.AlreadyMember
    await refuse_known(session, person)


async def take_on(
    session: AsyncSession,
    person: Person,
    organisation_id: UUID,
    *,
    category: str | None,
    admitted_on: date,
    seniority_from: date,
    consents: Sequence[str],
    text_version: str,
    channel: Literal["online", "paper"],
    consented_at: datetime,
    pedagogical: bool | None = None,
) -> Member:
    """The member with the first stay and the consents. The caller publishes it."""
    member = Member(
        member_id=uuid7(),
        person_id=person.person_id,
        organisation_id=organisation_id,
        category=category,
        pedagogical=pedagogical,
        sex=person.sex,
        birth_year=person.birth_date.year,
        joined_on=admitted_on,
    )
    session.add(member)
    await session.flush()
    # The history begins with the admission: a seniority that was kept from elsewhere puts nobody here before.
    member.joined_on = seniority_from
    session.add(_stay(member, admitted_on))
    for text in (rules.consent_text(purpose, text_version) for purpose in sorted(set(consents))):
        session.add(
            consent_of(member.member_id, text.purpose, text.version, text.text_hash, channel, consented_at)
        )
    await session.flush()
    return member


async def enter_member(
    session: AsyncSession,
    *,
    organisation_id: UUID,
    person: Person,
    category: str | None,
    pedagogical: bool | None,
    consents: Sequence[str],
    admitted_on: date,
    seniority_from: date | None,
    protocol_number: str,
    protocol_on: date,
    namesake_confirmed: bool,
    now: datetime,
    text_version: str = CURRENT,
) -> Member:
    """Take on by a paper application and the committee's protocol. `seniority_from`: kept from elsewhere."""
    organisation = await held_organisation(session, organisation_id)
    rules.check_takes_members(organisation)
    await check_active_since(session, organisation_id, admitted_on)
    rules.check_date(person.birth_date, "birth_date", now.date())
    rules.check_date(admitted_on, "effective_on", now.date())
    rules.check_date(protocol_on, "protocol_on", now.date())
    since = seniority_from or admitted_on
    rules.check_age(person.birth_date, since)
    if since > admitted_on:
        raise errors.DateOutOfRange("seniority_from")
    rules.check_membership_consent(consents)
    await check_not_a_member(session, person, namesake_confirmed)
    session.add(person)
    await session.flush()
    member = await take_on(
        session,
        person,
        organisation_id,
        category=category,
        admitted_on=admitted_on,
        seniority_from=since,
        consents=consents,
        text_version=text_version,
        channel="paper",
        consented_at=now,
        pedagogical=pedagogical,
    )
    record_decision(session, member, "admitted", admitted_on, now, protocol_number, protocol_on)
    await publish_member(session, MemberAdmitted, member, admitted_on, origin="entry")
    return member


async def reinstate_member(
    session: AsyncSession,
    member_id: UUID,
    *,
    organisation_id: UUID | None,
    effective_on: date,
    seniority_from: date | None,
    protocol_number: str,
    protocol_on: date,
    reason: str,
    namesake_confirmed: bool,
    now: datetime,
) -> Member:
    """The membership goes on from that day, in the last organisation or another one.

    The seniority is kept, the days between do not count; `seniority_from` is another first day, by decision.
    """
    member = await locked(session, Member, member_id)
    rules.check_ended(member)
    assert member.left_on is not None
    rules.check_date(effective_on, "effective_on", now.date(), member.left_on)
    rules.check_date(protocol_on, "protocol_on", now.date())
    since = seniority_from or member.joined_on
    organisation = await held_organisation(session, organisation_id or member.organisation_id)
    rules.check_takes_members(organisation)
    await check_active_since(session, organisation.organisation_id, effective_on)
    person = await locked(session, Person, member.person_id)
    rules.check_age(person.birth_date, since)
    if since > effective_on:
        raise errors.DateOutOfRange("seniority_from")
    await check_not_a_member(session, person, namesake_confirmed)
    member.organisation_id, member.joined_on = organisation.organisation_id, since
    member.status, member.left_on, member.version = "member", None, member.version + 1
    session.add(_stay(member, effective_on))
    record_decision(session, member, "reinstated", effective_on, now, protocol_number, protocol_on, reason)
    await publish_member(session, MemberReinstated, member, effective_on)
    return member


def _stay(member: Member, from_on: date) -> Membership:
    return Membership(
        membership_id=uuid7(),
        member_id=member.member_id,
        organisation_id=member.organisation_id,
        from_on=from_on,
    )
