"""The journal of erasures, kept apart from the base: sealed lines that are applied again after a restore."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from registry import errors
from registry.commands.erasure import erase_person
from registry.keys import ErasureKey
from registry.models import Erasure, Member


def journal_line(erasure: Erasure, key: ErasureKey) -> str:
    """One erasure: ids, the keyed hash, who and when, the versions that were published, and a seal over all."""
    body = {
        "erasure_id": str(erasure.erasure_id),
        "request_number": erasure.request_number,
        "member_ids": [str(member_id) for member_id in erasure.member_ids],
        "versions": erasure.act["told"],
        "person_hash": erasure.person_hash.hex(),
        "requested_by": erasure.requested_by,
        "approved_by": erasure.approved_by,
        "erased_at": erasure.erased_at.isoformat(),
    }
    return json.dumps({**body, "seal": key.seal(_canonical(body))}, ensure_ascii=False, sort_keys=True)


def read_journal(lines: Iterable[str], key: ErasureKey) -> list[dict[str, Any]]:
    """Every line, its seal proved. Raises JournalUnsound before anything is done."""
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            body = json.loads(line)
            seal = body.pop("seal")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise errors.JournalUnsound(number) from None
        if seal != key.seal(_canonical(body)):
            raise errors.JournalUnsound(number)
        entries.append(body)
    return entries


async def erasures(session: AsyncSession) -> list[Erasure]:
    return list(await session.scalars(sa.select(Erasure).order_by(col(Erasure.erasure_id))))


async def reapply(session: AsyncSession, entry: dict[str, Any], key: ErasureKey, now: datetime) -> bool:
    """Erase again what a restore has brought back; False when there is nothing of it.

    By the records' ids alone: a person who came back of their own will has new ones, and stays.
    """
    done = await session.get(Erasure, UUID(entry["erasure_id"]))
    statement = sa.select(col(Member.member_id)).where(
        col(Member.member_id).in_([UUID(key) for key in entry["member_ids"]]), col(Member.status) != "erased"
    )
    returned = await session.scalar(statement.order_by(col(Member.member_id)).limit(1))
    if returned is None:
        return False
    await erase_person(
        session,
        returned,
        request_number=entry["request_number"],
        requested_by=entry["requested_by"],
        approved_by=entry["approved_by"],
        key=key,
        now=now,
        again=None if done else UUID(entry["erasure_id"]),
        least_versions={UUID(member): version for member, version in entry["versions"].items()},
    )
    return True


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
