"""An organisation's dated states: what changes holds from a day on, and what was believed before is kept."""

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.events.registry import OrganisationChanged, OrganisationEvent
from common.outbox import publish
from registry import rules
from registry.commands.effects import Change
from registry.models import Organisation, OrganisationPeriod
from registry.models.organisations import DATED, SEARCHED

State = dict[str, Any]
"""A period's fields, those of DATED among them."""


async def change_from(
    session: AsyncSession,
    organisation: Organisation,
    event: type[OrganisationEvent],
    changes: State,
    effective_on: date,
    reason: str | None = None,
    until: date | None = None,
) -> Change:
    """Let `changes` (fields of DATED) hold from that day on, or up to, not including, `until`; tell what follows.

    The organisation's row is locked. Other fields keep their days: a name that is corrected for last year does not
    undo this year's move. Refused when one of `changes` was itself changed on a later day. Each state that
    holds on some day from `effective_on` is told with its day and a version of its own.
    """
    believed = await _believed(session, organisation)
    rules.check_no_later_change(believed, changes, effective_on, until)
    learnt = await session.scalar(sa.select(sa.func.clock_timestamp()))
    pieces = [piece for state in believed for piece in _cut(state, changes, effective_on, until, reason)]
    stale = [state for state in believed if _touched(state, effective_on, until)]
    period: sa.Table = OrganisationPeriod.__table__  # type: ignore[attr-defined]
    await session.execute(
        sa.update(period)
        .where(
            period.c.organisation_id == organisation.organisation_id,
            period.c.superseded_at.is_(None),
            period.c.valid_from.in_([state["valid_from"] for state in stale]),
        )
        .values(superseded_at=learnt)
    )
    kept = {id(state) for state in believed}
    fresh = [piece for piece in pieces if id(piece) not in kept]
    await session.execute(sa.insert(period), [{**piece, "recorded_at": learnt} for piece in fresh])
    for field in DATED:
        setattr(organisation, field, pieces[-1][field])
    organisation.closed_on = _closed_since(pieces)
    await _tell(session, organisation, event, pieces, effective_on)
    then = next(state for state in reversed(believed) if state["valid_from"] <= effective_on)
    return Change(organisation.organisation_id, effective_on, {field: then[field] for field in changes}, changes)


async def state_on(session: AsyncSession, organisation: Organisation, day: date) -> State:
    """What is believed now of that day. The organisation was open then."""
    return next(state for state in reversed(await _believed(session, organisation)) if state["valid_from"] <= day)


def _closed_since(pieces: list[State]) -> date | None:
    """The first day of the closing that still holds."""
    since = None
    for piece in pieces:
        since = None if piece["status"] == "active" else since or piece["valid_from"]
    return since


def _touched(state: State, since: date, until: date | None) -> bool:
    begins_in_time = until is None or state["valid_from"] < until
    return begins_in_time and (state["valid_to"] is None or state["valid_to"] > since)


def _cut(state: State, changes: State, since: date, until: date | None, reason: str | None) -> list[State]:
    """The state in up to three: before the change, changed, and after it."""
    if not _touched(state, since, until):
        return [state]
    begin, end = state["valid_from"], state["valid_to"]
    changed: State = {**state, **changes, "valid_from": max(begin, since)}
    changed["search_name"] = rules.search_name(*(changed[field] for field in SEARCHED))
    parts = [{**state, "valid_to": since}] if begin < since else []
    if begin <= since:
        changed["reason"] = reason
    if until is None or (end is not None and end <= until):
        return [*parts, changed]
    return [*parts, {**changed, "valid_to": until}, {**state, "valid_from": until}]


async def _believed(session: AsyncSession, organisation: Organisation) -> list[State]:
    """What is believed of all days now, earliest first."""
    await session.flush()
    period: sa.Table = OrganisationPeriod.__table__  # type: ignore[attr-defined]
    statement = (
        sa.select(*(column for column in period.c if column.key not in ("recorded_at", "superseded_at")))
        .where(
            col(OrganisationPeriod.organisation_id) == organisation.organisation_id,
            col(OrganisationPeriod.superseded_at).is_(None),
        )
        .order_by(col(OrganisationPeriod.valid_from))
    )
    return [dict(row) for row in (await session.execute(statement)).mappings()]


async def _tell(
    session: AsyncSession,
    organisation: Organisation,
    event: type[OrganisationEvent],
    pieces: list[State],
    since: date,
) -> None:
    told: State | None = None
    for piece in (piece for piece in pieces if _touched(piece, since, None)):
        state = {field: piece[field] for field in DATED}
        if state == told:
            continue
        organisation.version += 1
        public = organisation.public_state(max(piece["valid_from"], since))
        what = event if told is None else OrganisationChanged
        publish(session, what(**{**public, **{field: state[field] for field in public if field in state}}))
        told = state
