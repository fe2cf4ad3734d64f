"""Everything held about one member, for the member."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from registry.models import (
    AccessLog,
    Application,
    Consent,
    Member,
    Membership,
    Person,
    SyncOperation,
    Table,
    Transfer,
)


async def extract(session: AsyncSession, member_id: UUID) -> dict[str, Any]:
    """The person, every membership of theirs, and all that hangs on these. The caller has checked the reach."""
    person_id = await session.scalar(sa.select(col(Member.person_id)).where(col(Member.member_id) == member_id))
    person = await session.get(Person, person_id)
    assert person is not None
    members = await _rows(session, Member, col(Member.person_id) == person_id)
    ids = [member["member_id"] for member in members]
    applications = await _rows(session, Application, col(Application.person_id) == person_id)
    about = [*ids, *(application["application_id"] for application in applications)]
    return {
        "person": person.model_dump(exclude={"match_key"}),
        "memberships": members,
        "stays": await _rows(session, Membership, col(Membership.member_id).in_(ids)),
        "consents": await _rows(session, Consent, col(Consent.member_id).in_(ids)),
        "applications": [{k: v for k, v in row.items() if k != "follow_hash"} for row in applications],
        "transfers": await _rows(session, Transfer, col(Transfer.member_id).in_(ids)),
        "phone_operations": await _phone_operations(session, ids),
        "accesses": [
            {"at": access["at"], "by": access["subject"], "action": access["action"], "purpose": access["purpose"]}
            for access in await _rows(session, AccessLog, col(AccessLog.whose).op("&&")(about))
        ],
    }


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
