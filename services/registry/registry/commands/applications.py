"""People apply; organisations admit or decline."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.events.registry import ApplicationDecided, ApplicationSubmitted, MemberAdmitted
from common.outbox import publish
from registry import errors, rules
from registry.commands.duplicates import refuse_known
from registry.commands.loading import held_organisation, lock_person_key, locked
from registry.commands.membership import consent_of, publish_member
from registry.models import Application, Member, Membership, Organisation, Person

_ACTIVE_TWIN = sa.text(
    "select exists (select from person join member using (person_id)"
    " where person.match_key = :key and member.status = 'member')"
)


async def submit_application(
    session: AsyncSession,
    *,
    organisation_id: UUID,
    person: Person,
    category: str,
    consents: list[str],
    consent_text_version: str,
    check_off: bool,
    wished_on: date,
    follow_code: str,
    now: datetime,
) -> Application:
    """Keep the applicant and the application. Whether the person is known already is not told here."""
    organisation = await held_organisation(session, organisation_id)
    rules.check_takes_members(organisation)
    rules.check_date(person.birth_date, "birth_date", now.date())
    rules.check_date(wished_on, "effective_on", now.date())
    rules.check_age(person.birth_date, wished_on)
    rules.check_membership_consent(consents)
    for purpose in consents:
        rules.consent_text(purpose, consent_text_version)
    session.add(person)
    await session.flush()
    application = Application(
        application_id=uuid7(),
        organisation_id=organisation_id,
        person_id=person.person_id,
        follow_hash=rules.follow_hash(follow_code),
        category=category,
        consents=sorted(set(consents)),
        consent_text_version=consent_text_version,
        check_off=check_off,
        wished_on=wished_on,
        submitted_at=now,
    )
    session.add(application)
    publish(session, ApplicationSubmitted(**application.public_state(wished_on)))
    return application


async def admit_applicant(
    session: AsyncSession,
    application_id: UUID,
    protocol_number: str,
    effective_on: date,
    namesake_confirmed: bool,
    now: datetime,
) -> Member:
    """The applicant becomes a member, unless a member has the same name and birth date.

    Staff who know that it is another person say so with `namesake_confirmed`.
    """
    application = await locked(session, Application, application_id)
    rules.check_undecided(application)
    rules.check_date(effective_on, "effective_on", now.date())
    organisation = await held_organisation(session, application.organisation_id)
    rules.check_takes_members(organisation)
    person = await locked(session, Person, application.person_id)
    rules.check_age(person.birth_date, effective_on)
    await lock_person_key(session, person.match_key)
    if not namesake_confirmed:
        if await session.scalar(_ACTIVE_TWIN, {"key": person.match_key}):
            raise errors.AlreadyMember
        await refuse_known(session, person)
    member = await _take_on(session, application, person, organisation, effective_on, now)
    application.status, application.member_id = "admitted", member.member_id
    application.decided_on, application.protocol_number = effective_on, protocol_number
    application.version += 1
    await publish_member(session, MemberAdmitted, member, effective_on, origin="application")
    publish(session, ApplicationDecided(**application.public_state(effective_on)))
    return member


async def decline_application(
    session: AsyncSession, application_id: UUID, reason: str, now: datetime
) -> Application:
    application = await locked(session, Application, application_id)
    rules.check_undecided(application)
    application.status, application.decline_reason = "declined", reason
    application.decided_on, application.version = now.date(), application.version + 1
    publish(session, ApplicationDecided(**application.public_state(now.date())))
    return application


async def _take_on(
    session: AsyncSession,
    application: Application,
    person: Person,
    organisation: Organisation,
    effective_on: date,
    now: datetime,
) -> Member:
    member = Member(
        member_id=uuid7(),
        person_id=person.person_id,
        organisation_id=organisation.organisation_id,
        category=application.category,
        sex=person.sex,
        birth_year=person.birth_date.year,
        joined_on=effective_on,
    )
    session.add(member)
    await session.flush()
    session.add(
        Membership(
            membership_id=uuid7(),
            member_id=member.member_id,
            organisation_id=organisation.organisation_id,
            from_on=effective_on,
        )
    )
    version = application.consent_text_version
    for text in (rules.consent_text(purpose, version) for purpose in application.consents):
        session.add(
            consent_of(
                member.member_id,
                text.purpose,
                text.version,
                text.text_hash,
                "online",
                application.submitted_at,
            )
        )
    await session.flush()
    return member
