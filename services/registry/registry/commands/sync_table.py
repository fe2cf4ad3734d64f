"""Which command each operation of a phone is: a thin table. The rules are those of the commands."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from registry import errors, rules, sync_rules
from registry.commands import admission, applications, membership, transfers
from registry.commands.duplicates import confirm_namesakes
from registry.commands.loading import locked
from registry.commands.sync_places import (
    Place,
    locate_application,
    locate_member,
    locate_organisation,
    locate_transfer,
    present,
)
from registry.models import Application, Member, Person, Transfer
from registry.schemas import sync_operations as bodies

NAMES = ("last_name", "first_name", "patronymic")
_CONSENT_CHANGED = sa.text(
    """
    select exists (
        select from sync_change as given join sync_change as raised using (organisation_id, xid, row_id)
        where organisation_id = :organisation and row_id = :member and given.purpose = :purpose
          and raised.version > :version
    )
    """
)


@dataclass(frozen=True)
class Run:
    """How an operation is applied: as it came from a phone, or by the decision of an office (`decided`)."""

    day: date
    now: datetime
    transfer_days: int
    subject: str
    """In whose name it is done."""
    decider: UUID | None
    """The organisation for which the bearer decides about transfers; None: for the whole union."""
    decided: bool = False
    """Both sides were looked at: what the phone has is taken over, whatever changed."""


@dataclass(frozen=True)
class Result:
    outcome: str
    version: int | None = None
    fields: list[str] = field(default_factory=list)
    applied_fields: list[str] = field(default_factory=list)
    member_id: UUID | None = None
    transfer_id: UUID | None = None


Locate = Callable[[AsyncSession, Any], Awaitable[Place]]
Apply = Callable[[AsyncSession, Any, Run], Awaitable[Result]]


async def admit_member(session: AsyncSession, operation: bodies.AdmitMember, run: Run) -> Result:
    member = await admission.enter_member(
        session,
        organisation_id=operation.organisation_id,
        person=person_to_enter(operation),
        category=operation.category,
        pedagogical=operation.pedagogical,
        consents=operation.consents,
        admitted_on=run.day,
        seniority_from=None,
        protocol_number=operation.protocol_number,
        protocol_on=run.day,
        namesake_confirmed=operation.namesake_confirmed,
        now=run.now,
        text_version=operation.consent_text_version,
    )
    if operation.namesake_confirmed:
        await confirm_namesakes(session, member, run.subject, run.now)
    return Result("applied", member.version, member_id=member.member_id)


async def change_member(session: AsyncSession, operation: bodies.ChangeMember, run: Run) -> Result:
    member = await locked(session, Member, operation.member_id)
    rules.check_in_force(member)
    person = await locked(session, Person, member.person_id)
    changes, before = operation.changes.given, member.version
    merge = sync_rules.merge(
        changes if run.decided else operation.base.given, changes, current_values(member, person)
    )
    take = {name: changes[name] for name in (*merge.take, *(merge.conflicting if run.decided else ()))}
    conflicting = [] if run.decided else merge.conflicting
    names = {name: value for name, value in take.items() if name in NAMES}
    contacts = {name: value for name, value in take.items() if name in ("phone", "email")}
    if take:
        await membership.change_member(
            session,
            member.member_id,
            take.get("category"),
            contacts,
            run.day,
            run.now,
            corrections=names,
            reason=operation.reason,
        )
    smooth = "applied" if before == operation.base_version else "merged"
    return Result(
        "conflict" if conflicting else smooth,
        member.version,
        conflicting,
        sorted(take),
        member_id=member.member_id,
    )


async def leave(session: AsyncSession, operation: bodies.Leave, run: Run) -> Result:
    member = await locked(session, Member, operation.member_id)
    if member.status == "left":
        return Result("merged", member.version, member_id=member.member_id)
    member = await membership.end_membership(session, operation.member_id, "left", None, run.day, run.now)
    return Result("applied", member.version, member_id=member.member_id)


async def give_consent(session: AsyncSession, operation: bodies.GiveConsent, run: Run) -> Result:
    result = await _consent_since(session, operation, run, wanted=True)
    if result is None:
        member = await membership.give_consent(
            session, operation.member_id, operation.purpose, operation.text_version, "paper", run.now
        )
        result = Result("applied", member.version, member_id=member.member_id)
    return result


async def withdraw_consent(session: AsyncSession, operation: bodies.WithdrawConsent, run: Run) -> Result:
    result = await _consent_since(session, operation, run, wanted=False)
    if result is None:
        member = await membership.withdraw_consent(session, operation.member_id, operation.purpose, run.now)
        result = Result("applied", member.version, member_id=member.member_id)
    return result


async def _consent_since(session: AsyncSession, operation: Any, run: Run, wanted: bool) -> Result | None:
    """None: go on. A consent given and withdrawn since is the member's later word, not the paper's."""
    member = await locked(session, Member, operation.member_id)
    in_force = operation.purpose in await membership.purposes_in_force(session, member.member_id)
    if in_force == wanted:
        return Result("merged", member.version, member_id=member.member_id)
    if not run.decided and await _consent_changed_since(
        session, member, operation.purpose, operation.base_version
    ):
        raise errors.OtherSince("consent")
    return None


async def _consent_changed_since(session: AsyncSession, member: Member, purpose: str, version: int) -> bool:
    """The member's consent to the purpose was given or withdrawn after that version of the member."""
    values = {
        "organisation": member.organisation_id,
        "member": member.member_id,
        "purpose": purpose,
        "version": version,
    }
    return bool(await session.scalar(_CONSENT_CHANGED, values))


async def decide_application(session: AsyncSession, operation: bodies.DecideApplication, run: Run) -> Result:
    application = await locked(session, Application, operation.application_id)
    wanted = "admitted" if operation.decision == "admit" else "declined"
    if application.status == wanted:
        return Result("merged", application.version, member_id=application.member_id)
    if application.status != "submitted":
        raise errors.OtherSince("application")
    if operation.decision == "decline":
        assert operation.reason is not None
        number = operation.protocol_number
        await applications.decline_application(
            session, application.application_id, operation.reason, number, run.day if number else None, run.now
        )
        return Result("applied", application.version)
    assert operation.protocol_number is not None
    member = await applications.admit_applicant(
        session,
        application.application_id,
        operation.protocol_number,
        run.day,
        operation.namesake_confirmed,
        run.now,
    )
    if operation.namesake_confirmed:
        await confirm_namesakes(session, member, run.subject, run.now)
    return Result("applied", application.version, member_id=member.member_id)


async def release_member(session: AsyncSession, operation: bodies.ReleaseMember, run: Run) -> Result:
    member = await locked(session, Member, operation.member_id)
    statement = sa.select(Transfer).where(
        col(Transfer.member_id) == member.member_id, col(Transfer.status) == "released"
    )
    waiting = await session.scalar(statement)
    if waiting is not None:
        if waiting.to_organisation_id != operation.to_organisation_id:
            raise errors.OtherSince("transfer")
        return Result("merged", waiting.version, member_id=member.member_id, transfer_id=waiting.transfer_id)
    transfer = await transfers.release_member(
        session, member.member_id, operation.to_organisation_id, run.day, run.transfer_days, run.now
    )
    return Result("applied", transfer.version, member_id=member.member_id, transfer_id=transfer.transfer_id)


async def accept_transfer(session: AsyncSession, operation: bodies.AcceptTransfer, run: Run) -> Result:
    decided = await _decided(session, operation, "accepted")
    if decided is not None:
        return decided
    transfer = await transfers.accept_transfer(session, operation.transfer_id, run.day, run.decider, run.now)
    return Result("applied", transfer.version, member_id=transfer.member_id)


async def refuse_transfer(session: AsyncSession, operation: bodies.RefuseTransfer, run: Run) -> Result:
    decided = await _decided(session, operation, "refused")
    if decided is not None:
        return decided
    transfer = await transfers.refuse_transfer(
        session, operation.transfer_id, operation.reason, run.decider, run.now
    )
    return Result("applied", transfer.version, member_id=transfer.member_id)


async def _decided(session: AsyncSession, operation: Any, wanted: str) -> Result | None:
    transfer = await present(session, Transfer, operation.transfer_id)
    await locked(session, Member, transfer.member_id)
    transfer = await locked(session, Transfer, operation.transfer_id)
    if transfer.status == wanted:
        return Result("merged", transfer.version, member_id=transfer.member_id)
    if transfer.status != "released":
        raise errors.OtherSince("transfer")
    return None


TABLE: dict[str, tuple[Locate, Apply]] = {
    "admit_member": (locate_organisation, admit_member),
    "change_member": (locate_member, change_member),
    "leave": (locate_member, leave),
    "give_consent": (locate_member, give_consent),
    "withdraw_consent": (locate_member, withdraw_consent),
    "release_member": (locate_member, release_member),
    "decide_application": (locate_application, decide_application),
    "accept_transfer": (locate_transfer, accept_transfer),
    "refuse_transfer": (locate_transfer, refuse_transfer),
}


def current_values(member: Member, person: Person) -> dict[str, str | None]:
    """What a phone may change of a member, as it is now."""
    names = (*NAMES, "phone", "email")
    return {**{name: getattr(person, name) for name in names}, "category": member.category}


def person_to_enter(operation: bodies.AdmitMember) -> Person:
    values = operation.model_dump(include={*operation.personal, "sex"})
    names = (operation.last_name, operation.first_name, operation.patronymic)
    return Person(person_id=uuid7(), match_key=rules.match_key(*names, operation.birth_date), **values)
