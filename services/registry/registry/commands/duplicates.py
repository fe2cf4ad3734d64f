"""Doubles are looked for, proposed to people, and decided by them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from registry import errors
from registry.commands.alike import Alike, alike, identity_of
from registry.commands.loading import locked
from registry.config import RegistrySettings
from registry.matching import Judgement, keys
from registry.models import Duplicate, Member, Person
from registry.states import FoundAt

_BATCH = 500
_BATCHES = 10
"""Of one round: so many of them in its transaction."""

_UNEXAMINED = sa.text(
    "select person_id from person where examined_at is null and not kept_for_undo order by person_id"
    " limit :limit for update skip locked"
)
_NOTE = sa.text(
    "update person set match_keys = array(select key from unnest(:ids, :keys) as of(person_id, key)"
    " where of.person_id = person.person_id order by key), examined_at = :now where person_id = any(:all)"
).bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("keys", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("all", type_=sa.ARRAY(sa.Uuid)),
)
_PROPOSE = sa.text(
    "insert into duplicate (duplicate_id, person_id, other_person_id, status, strength, evidence, found_when,"
    " found_at, version) values (:id, :one, :other, 'open', :strength, :evidence, :found_when, :now, 1)"
    " on conflict on constraint duplicate_pair do nothing"
).bindparams(sa.bindparam("evidence", type_=sa.ARRAY(sa.Text)))


async def examine_new_people(session: AsyncSession, now: datetime, _settings: RegistrySettings) -> None:
    """A round: whoever was written since, by whatever way, is compared with everybody; pairs are proposed."""
    for _ in range(_BATCHES):
        ids = list(await session.scalars(_UNEXAMINED, {"limit": _BATCH}))
        await examine(session, ids, "late", now)
        if len(ids) < _BATCH:
            break


async def examine(session: AsyncSession, person_ids: Sequence[UUID], found_when: FoundAt, now: datetime) -> int:
    """Compare these persons with all; returns how many pairs are proposed. A pair decided before is left alone."""
    if not person_ids:
        return 0
    await session.flush()
    statement = sa.select(Person).where(Person.person_id.in_(person_ids))  # type: ignore[attr-defined]
    identities = {
        person.person_id: identity_of(person)
        for person in await session.scalars(statement.execution_options(populate_existing=True))
    }
    found = {key: keys(identity) for key, identity in identities.items()}
    await session.execute(
        _NOTE,
        {
            "ids": [person_id for person_id, made in found.items() for _ in made],
            "keys": [key for made in found.values() for key in made],
            "all": list(identities),
            "now": now,
        },
    )
    pairs: dict[tuple[UUID, UUID], Judgement] = {}
    for asked, others in zip(identities, await alike(session, list(identities.values())), strict=True):
        alive = others.pop(asked, None)
        for other in others.values():
            if alive is not None and (alive.active or other.active):
                pairs[ordered(asked, other.person_id)] = other.judgement
    for (one, other_id), judgement in sorted(pairs.items()):
        await _propose(session, one, other_id, judgement, found_when, now)
    return len(pairs)


async def refuse_known(session: AsyncSession, person: Person) -> None:
    """At entry and admission: refused while a member who may be this person is not confirmed to be another."""
    if await _members_like(session, person):
        raise errors.AlreadyMember


async def confirm_namesakes(session: AsyncSession, member: Member, subject: str, now: datetime) -> None:
    """Staff said at the admission that the members who look alike are other people: remembered for each pair."""
    person = await locked(session, Person, member.person_id)
    for other in await _members_like(session, person):
        one, two = ordered(person.person_id, other.person_id)
        await _propose(session, one, two, other.judgement, "application", now)
        duplicate = await pair(session, one, two)
        if duplicate is not None and duplicate.status == "open":
            _end(duplicate, "not_same", subject, now)


async def say_not_same(session: AsyncSession, duplicate_id: UUID, subject: str, now: datetime) -> Duplicate:
    """Two people: the pair is not proposed again."""
    duplicate = await locked(session, Duplicate, duplicate_id)
    _check_open(duplicate)
    _end(duplicate, "not_same", subject, now)
    return duplicate


async def hand_over(session: AsyncSession, duplicate_id: UUID, organisation_id: UUID, subject: str) -> Duplicate:
    """The staff of `organisation_id`, which stands above both records, is asked to decide."""
    duplicate = await locked(session, Duplicate, duplicate_id)
    _check_open(duplicate)
    duplicate.handed_to, duplicate.handed_by = organisation_id, subject
    duplicate.version += 1
    return duplicate


async def pair(session: AsyncSession, one: UUID, other: UUID) -> Duplicate | None:
    """The pair of two persons, locked."""
    low, high = ordered(one, other)
    statement = sa.select(Duplicate).where(
        Duplicate.person_id == low,  # type: ignore[arg-type]
        Duplicate.other_person_id == high,  # type: ignore[arg-type]
    )
    return (await session.scalars(statement.with_for_update())).one_or_none()


def ordered(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    """As the table keeps a pair."""
    return (one, other) if one < other else (other, one)


async def _members_like(session: AsyncSession, person: Person) -> list[Alike]:
    [others] = await alike(session, [identity_of(person)])
    return [
        other
        for other in others.values()
        if other.is_member and other.person_id != person.person_id and other.judgement.kind != "weak"
    ]


async def _propose(
    session: AsyncSession, one: UUID, other: UUID, judgement: Judgement, found_when: FoundAt, now: datetime
) -> None:
    values: dict[str, Any] = {
        "id": uuid7(),
        "one": one,
        "other": other,
        "strength": judgement.kind,
        "evidence": list(judgement.evidence),
        "found_when": found_when,
        "now": now,
    }
    await session.execute(_PROPOSE, values)


def _check_open(duplicate: Duplicate) -> None:
    if duplicate.status != "open":
        raise errors.DuplicateDecided(duplicate.status)


def _end(duplicate: Duplicate, status: str, subject: str, now: datetime) -> None:
    duplicate.status, duplicate.decided_by, duplicate.decided_at = status, subject, now
    duplicate.version += 1
