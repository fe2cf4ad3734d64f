"""Everything held about one member, for the member."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.errors import NotFound
from registry.models import (
    AccessLog,
    Application,
    Approval,
    Consent,
    Duplicate,
    Member,
    MemberDecision,
    MemberMerge,
    MemberPeriod,
    Membership,
    OfficeTerm,
    Person,
    SyncOperation,
    Table,
    Transfer,
)

_INTERNAL = {"match_key", "match_keys", "examined_at", "kept_for_undo"}
"""How records are compared, which says nothing that the person's own fields do not."""


async def extract(session: AsyncSession, member_id: UUID) -> dict[str, Any]:
    """The person, every membership of theirs, records merged with these, and all that hangs on them.

    Of others it tells nothing: of a pair of possible doubles only what was compared and decided. The caller has
    checked the reach. Raises NotFound when the person was erased.
    """
    person_id = await session.scalar(sa.select(col(Member.person_id)).where(col(Member.member_id) == member_id))
    person = await session.get(Person, person_id) if person_id else None
    if person is None:
        raise NotFound("member", member_id)
    linked = list(await session.scalars(MemberMerge.linked(), {"member": member_id}))
    members = await _rows(session, Member, col(Member.member_id).in_(linked))
    ids = [member["member_id"] for member in members]
    merges = await _rows(
        session,
        MemberMerge,
        sa.or_(
            col(MemberMerge.survivor_member_id).in_(ids),
            col(MemberMerge.absorbed_member_id).in_(ids),
        ),
    )
    persons = {member["person_id"] for member in members} | {merge["kept_person_id"] for merge in merges}
    others = await _rows(session, Person, col(Person.person_id).in_(persons - {person_id, None}))
    applications = await _rows(session, Application, col(Application.person_id).in_(persons - {None}))
    about = [*ids, *(application["application_id"] for application in applications)]
    return {
        "person": person.model_dump(exclude=_INTERNAL),
        "other_writings": [_without(row, *_INTERNAL) for row in others],
        "memberships": members,
        "stays": await _rows(session, Membership, col(Membership.member_id).in_(ids)),
        "history": await _history(session, ids),
        "consents": await _rows(session, Consent, col(Consent.member_id).in_(ids)),
        "applications": [_without(row, "follow_hash") for row in applications],
        "transfers": await _rows(session, Transfer, col(Transfer.member_id).in_(ids)),
        "offices": await _rows(session, OfficeTerm, col(OfficeTerm.member_id).in_(ids)),
        "decisions": await _rows(session, MemberDecision, col(MemberDecision.member_id).in_(ids)),
        "merges": [_without(row, "before") for row in merges],
        "possible_doubles": await _doubles(session, persons - {None}),
        "requests": await _requests(session, ids),
        "phone_operations": await _phone_operations(session, ids),
        "accesses": [
            {"at": access["at"], "by": access["subject"], "action": access["action"], "purpose": access["purpose"]}
            for access in await _rows(
                session, AccessLog, col(AccessLog.whose).op("&&")(sa.cast(about, sa.ARRAY(sa.Uuid)))
            )
        ],
    }


async def _history(session: AsyncSession, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """What was held true of each day, and when it was known: past beliefs as well."""
    statement = sa.select(MemberPeriod).where(col(MemberPeriod.member_id).in_(ids))
    order = (col(MemberPeriod.member_id), col(MemberPeriod.recorded_at), col(MemberPeriod.valid_from))
    return [row.model_dump() for row in await session.scalars(statement.order_by(*order))]


async def _doubles(session: AsyncSession, persons: set[UUID]) -> list[dict[str, Any]]:
    """Pairs with somebody: what was compared, and what was decided; never with whom."""
    condition = sa.or_(col(Duplicate.person_id).in_(persons), col(Duplicate.other_person_id).in_(persons))
    return [_without(row, "person_id", "other_person_id") for row in await _rows(session, Duplicate, condition)]


async def _requests(session: AsyncSession, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """What was asked for about these records and needed a second person."""
    about = sa.or_(
        *(
            col(Approval.arguments).op("@>")(sa.cast({name: str(key)}, JSONB))
            for key in ids
            for name in ("member_id", "survivor_member_id", "absorbed_member_id")
        )
    )
    return [_without(row, "organisation_ids") for row in await _rows(session, Approval, about)]


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


async def _phone_operations(session: AsyncSession, member_ids: list[UUID]) -> list[dict[str, Any]]:
    """What staff sent from phones, with the names and contacts that wait for a decision."""
    found = []
    for row in await _rows(session, SyncOperation, col(SyncOperation.member_id).in_(member_ids)):
        proposal = await session.get(Person, row["person_id"]) if row["person_id"] else None
        proposed = {name: getattr(proposal, name) for name in row["fields"] if hasattr(proposal, name)}
        kept = ("kind", "arguments", "made_at", "arrived_at", "outcome", "state", "decided_at", "reason")
        found.append({**{name: row[name] for name in kept}, "proposed": proposed})
    return found


async def _rows(session: AsyncSession, table: type[Table], condition: Any) -> list[dict[str, Any]]:
    """Rows in the order of their making: ids are UUIDv7."""
    key = sa.inspect(table).primary_key[0]
    rows = await session.scalars(sa.select(table).where(condition).order_by(key))
    return [row.model_dump() for row in rows]
