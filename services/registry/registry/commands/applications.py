"""People apply; organisations admit or decline; applicants withdraw."""

from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.errors import NotFound
from common.events.registry import ApplicationDecided, ApplicationSubmitted, MemberAdmitted
from common.outbox import publish
from registry import rules
from registry.commands.admission import check_not_a_member, take_on
from registry.commands.loading import held_organisation, lock_person_key, locked
from registry.commands.membership import publish_member
from registry.commands.organisations import check_active_since
from registry.models import Application, FollowCode, Member, Person

_SAME_PERSON = ("last_name", "first_name", "patronymic", "birth_date", "sex", "phone", "email")


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
    decision_days: int,
    now: datetime,
) -> Application:
    """Keep the applicant and the application. Whether the person is known already is not told here.

    The very same application, contacts included, sent again while the first one waits, is that one with one more
    follow code: a weak network makes nobody apply twice.
    """
    organisation = await held_organisation(session, organisation_id)
    rules.check_takes_members(organisation)
    rules.check_date(person.birth_date, "birth_date", now.date())
    rules.check_date(wished_on, "effective_on", now.date())
    rules.check_age(person.birth_date, wished_on)
    rules.check_membership_consent(consents)
    for purpose in consents:
        rules.consent_text(purpose, consent_text_version)
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
        deadline=now.date() + timedelta(days=decision_days),
    )
    await lock_person_key(session, person.match_key)
    sent_before = await _sent_before(session, application, person)
    if sent_before is not None:
        code = FollowCode(
            follow_hash=application.follow_hash, application_id=sent_before.application_id, issued_at=now
        )
        session.add(code)
        return sent_before
    session.add(person)
    await session.flush()
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
    *,
    protocol_on: date | None = None,
) -> Member:
    """The applicant becomes a member, unless a member has the same name and birth date.

    Staff who know that it is another person say so with `namesake_confirmed`. The protocol is of `effective_on`
    where no other day is given.
    """
    application = await locked(session, Application, application_id)
    rules.check_undecided(application)
    rules.check_date(effective_on, "effective_on", now.date())
    rules.check_date(protocol_on or effective_on, "protocol_on", now.date())
    organisation = await held_organisation(session, application.organisation_id)
    rules.check_takes_members(organisation)
    await check_active_since(session, organisation.organisation_id, effective_on)
    person = await locked(session, Person, application.person_id)
    rules.check_age(person.birth_date, effective_on)
    await check_not_a_member(session, person, namesake_confirmed)
    member = await take_on(
        session,
        person,
        organisation.organisation_id,
        category=application.category,
        admitted_on=effective_on,
        seniority_from=effective_on,
        consents=application.consents,
        text_version=application.consent_text_version,
        channel="online",
        consented_at=application.submitted_at,
    )
    await publish_member(session, MemberAdmitted, member, effective_on, origin="application")
    application.member_id = member.member_id
    application.protocol_number, application.protocol_on = protocol_number, protocol_on or effective_on
    _decide(session, application, "admitted", effective_on)
    return member


async def decline_application(
    session: AsyncSession,
    application_id: UUID,
    reason: str,
    protocol_number: str | None,
    protocol_on: date | None,
    now: datetime,
) -> Application:
    application = await locked(session, Application, application_id)
    rules.check_undecided(application)
    if protocol_on is not None:
        rules.check_date(protocol_on, "protocol_on", now.date())
    application.decline_reason = reason
    application.protocol_number, application.protocol_on = protocol_number, protocol_on
    _decide(session, application, "declined", now.date())
    return application


async def withdraw_application(session: AsyncSession, follow_code: str, now: datetime) -> Application:
    """By the applicant, as long as nothing is decided. Raises NotFound for an unknown code."""
    application_id = await session.scalar(Application.of_code(rules.follow_hash(follow_code)))
    if application_id is None:
        raise NotFound("application", "with this code")
    application = await locked(session, Application, application_id)
    rules.check_undecided(application)
    _decide(session, application, "withdrawn", now.date())
    return application


def _decide(session: AsyncSession, application: Application, status: str, day: date) -> None:
    application.status, application.decided_on = status, day
    application.version += 1
    publish(session, ApplicationDecided(**application.public_state(day)))


async def _sent_before(session: AsyncSession, application: Application, person: Person) -> Application | None:
    """The application that waits and says all the same. Without a contact two namesakes cannot be told apart."""
    if not (person.phone or person.email):
        return None
    same = [getattr(Person, field) == getattr(person, field) for field in _SAME_PERSON]
    same += [
        getattr(Application, field) == getattr(application, field)
        for field in ("organisation_id", "category", "consents", "consent_text_version", "check_off")
    ]
    waiting = sa.select(Application).join(Person, Person.person_id == Application.person_id)  # type: ignore[arg-type]
    return await session.scalar(
        waiting.where(
            Person.match_key == person.match_key,  # type: ignore[arg-type]
            Application.status == "submitted",  # type: ignore[arg-type]
            *same,
        )
        .limit(1)
        .with_for_update(of=Application)
    )
