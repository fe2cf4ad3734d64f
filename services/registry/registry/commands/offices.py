"""Elections: who holds which office from when to when. Powers follow the term."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.db import sqlstate
from common.errors import NotFound
from common.events.registry import Office, OfficeChanged, OfficeEnded, OfficeTaken
from common.outbox import publish
from registry import errors, rules
from registry.commands.loading import held_organisation, is_within, locked
from registry.models import Member, OfficeTerm

_EXCLUSION_VIOLATION = "23P01"
_DAY = timedelta(days=1)


async def elect_to_office(
    session: AsyncSession,
    *,
    organisation_id: UUID,
    member_id: UUID,
    office: Office,
    released: bool,
    starts_on: date,
    ends_on: date,
    protocol_number: str,
    protocol_on: date,
    longest_years: int,
    now: datetime,
) -> OfficeTerm:
    """A member of the organisation, or of one below it, takes an office for a term. One chair at a time."""
    rules.check_term(starts_on, ends_on, now.date(), longest_years)
    rules.check_date(protocol_on, "protocol_on", now.date())
    member = await locked(session, Member, member_id)
    rules.check_in_force(member)
    rules.check_active(await held_organisation(session, organisation_id))
    if not await is_within(session, member.organisation_id, organisation_id):
        raise errors.HolderElsewhere
    term = OfficeTerm(
        term_id=uuid7(),
        organisation_id=organisation_id,
        member_id=member_id,
        office=office,
        released=released,
        starts_on=starts_on,
        ends_on=ends_on,
        protocol_number=protocol_number,
        protocol_on=protocol_on,
    )
    session.add(term)
    await _flush(session)
    publish(session, OfficeTaken(**term.public_state(starts_on)))
    return term


async def prolong_term(
    session: AsyncSession,
    term_id: UUID,
    *,
    ends_on: date,
    protocol_number: str,
    protocol_on: date,
    longest_years: int,
    now: datetime,
) -> OfficeTerm:
    """A later last day for a term that is not over, by a new protocol."""
    term, member = await locked_term(session, term_id)
    rules.check_in_force(member)
    rules.check_prolonged(term, ends_on, now.date(), longest_years)
    rules.check_date(protocol_on, "protocol_on", now.date())
    term.ends_on, term.ended_because = ends_on, None
    term.protocol_number, term.protocol_on = protocol_number, protocol_on
    await _change(session, term, now)
    return term


async def set_released(session: AsyncSession, term_id: UUID, released: bool, now: datetime) -> OfficeTerm:
    """Whether the union pays the holder for the office alone, from now on."""
    term, _ = await locked_term(session, term_id)
    if term.ends_on < now.date():
        raise errors.TermOver
    if term.released != released:
        term.released = released
        await _change(session, term, now)
    return term


async def end_term(
    session: AsyncSession, term_id: UUID, last_day: date | None, reason: str, now: datetime
) -> OfficeTerm:
    """The powers end before the term does: `last_day` is their last one; None: they end now."""
    term, _ = await locked_term(session, term_id)
    day = last_day or max(now.date(), term.starts_on) - _DAY
    rules.check_ended_early(term, day)
    await _end(session, term, day, reason)
    return term


async def end_offices_of(
    session: AsyncSession, member_id: UUID, last_day: date, reason: str, kept_within: UUID | None = None
) -> list[OfficeTerm]:
    """End every office that the member holds after `last_day`; the member's row is locked by the caller.

    `kept_within` is the organisation where the member goes on: offices in it and in those above it stay. Returns
    what was ended.
    """
    ended = []
    terms = sa.select(OfficeTerm).where(
        OfficeTerm.member_id == member_id,  # type: ignore[arg-type]
        OfficeTerm.ends_on > last_day,  # type: ignore[arg-type]
    )
    for term in await session.scalars(terms.order_by(OfficeTerm.term_id).with_for_update()):  # type: ignore[arg-type]
        if kept_within is None or not await is_within(session, kept_within, term.organisation_id):
            await _end(session, term, max(last_day, term.starts_on - _DAY), reason)
            ended.append(term)
    return ended


async def pass_offices_on(
    session: AsyncSession, absorbed: Member, survivor: Member, since: date, reason: str
) -> list[dict[str, Any]]:
    """Two records of one person become one: its offices end, and the remaining record has the rest of the terms.

    Only where the survivor may hold them: as a member in force of that organisation, and not in that office already.
    Returns what `take_offices_back` needs. Both members' rows are locked.
    """
    held = sa.select(OfficeTerm.term_id, OfficeTerm.ends_on).where(OfficeTerm.member_id == absorbed.member_id)  # type: ignore[call-overload]
    last_days = {row.term_id: row.ends_on for row in await session.execute(held)}
    passed: list[dict[str, Any]] = []
    for term in await end_offices_of(session, absorbed.member_id, since - _DAY, reason):
        passed.append({"ended": str(term.term_id), "version": term.version})
        passed[-1] |= {"ends_on": last_days[term.term_id].isoformat(), "given": None}
        if survivor.status != "member" or not await is_within(
            session, survivor.organisation_id, term.organisation_id
        ):
            continue
        kept = term.model_dump(
            exclude={"term_id", "member_id", "starts_on", "ends_on", "ended_because", "version"}
        )
        given = OfficeTerm(
            term_id=uuid7(),
            member_id=survivor.member_id,
            starts_on=max(term.starts_on, since),
            ends_on=last_days[term.term_id],
            **kept,
        )
        try:
            async with session.begin_nested():
                session.add(given)
                await _flush(session)
        except errors.OfficeHeld:
            continue
        publish(session, OfficeTaken(**given.public_state(given.starts_on)))
        passed[-1]["given"] = str(given.term_id)
    return passed


async def take_offices_back(session: AsyncSession, passed: Sequence[dict[str, Any]], reason: str) -> None:
    """The undoing: what was passed on was never the other record's. A term that was changed since stays as it is."""
    for entry in passed:
        term = await locked(session, OfficeTerm, UUID(entry["ended"]))
        given = await locked(session, OfficeTerm, UUID(entry["given"])) if entry["given"] else None
        if term.version != entry["version"] or (given is not None and given.version != 1):
            continue
        if given is not None:
            await _end(session, given, given.starts_on - _DAY, reason)
        ended = term.ends_on
        try:
            async with session.begin_nested():
                term.ends_on, term.ended_because = date.fromisoformat(entry["ends_on"]), None
                term.version += 1
                await _flush(session)
        except errors.OfficeHeld:
            # Somebody was elected meanwhile.
            continue
        publish(session, OfficeChanged(**term.public_state(max(ended + _DAY, term.starts_on))))


async def end_offices_at(session: AsyncSession, organisation_id: UUID, last_day: date, reason: str) -> None:
    """End every office of an organisation after `last_day`; the organisation's row is locked by the caller."""
    terms = sa.select(OfficeTerm).where(
        OfficeTerm.organisation_id == organisation_id,  # type: ignore[arg-type]
        OfficeTerm.ends_on > last_day,  # type: ignore[arg-type]
    )
    for term in await session.scalars(terms.order_by(OfficeTerm.term_id).with_for_update()):  # type: ignore[arg-type]
        await _end(session, term, max(last_day, term.starts_on - _DAY), reason)


async def _end(session: AsyncSession, term: OfficeTerm, last_day: date, reason: str) -> None:
    term.ends_on, term.ended_because, term.version = last_day, reason, term.version + 1
    await _flush(session)
    publish(session, OfficeEnded(**term.public_state(last_day + _DAY)))


async def _change(session: AsyncSession, term: OfficeTerm, now: datetime) -> None:
    term.version += 1
    await _flush(session)
    publish(session, OfficeChanged(**term.public_state(now.date())))


async def locked_term(session: AsyncSession, term_id: UUID) -> tuple[OfficeTerm, Member]:
    """The term and its holder, who is locked first, as by every command about a member. Raises NotFound."""
    member_id = await session.scalar(
        sa.text("select member_id from office_term where term_id = :id").columns(member_id=sa.Uuid()),
        {"id": term_id},
    )
    if member_id is None:
        raise NotFound("term of office", term_id)
    member = await locked(session, Member, member_id)
    return await locked(session, OfficeTerm, term_id), member


async def _flush(session: AsyncSession) -> None:
    """Write; the constraint says whether the office is free on these days."""
    try:
        await session.flush()
    except IntegrityError as violation:
        if sqlstate(violation) == _EXCLUSION_VIOLATION:
            raise errors.OfficeHeld from None
        raise
