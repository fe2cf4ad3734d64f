"""Four eyes: one person asks, another allows or refuses, within a stated time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from registry import errors
from registry.commands.loading import locked
from registry.models import Approval

_EXPIRE = sa.text(
    "update approval set status = 'expired', decided_at = :now, version = version + 1"
    " where status = 'waiting' and expires_at <= :now returning approval_id, action, arguments"
)


def ask_for_approval(
    session: AsyncSession,
    *,
    action: str,
    arguments: dict[str, Any],
    organisation_ids: Sequence[UUID],
    reason: str,
    requested_by: str,
    days: int,
    now: datetime,
) -> Approval:
    """Keep the request. `arguments` are ids and choices; who decides has all `organisation_ids` within reach."""
    approval = Approval(
        approval_id=uuid7(),
        action=action,
        arguments=arguments,
        organisation_ids=sorted(set(organisation_ids)),
        reason=reason,
        requested_by=requested_by,
        requested_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(approval)
    return approval


async def waiting_approval(session: AsyncSession, approval_id: UUID, now: datetime) -> Approval:
    """The request, locked: of two who decide at once the second is refused."""
    approval = await locked(session, Approval, approval_id)
    if approval.status != "waiting":
        raise errors.ApprovalDecided(approval.status)
    if approval.expires_at <= now:
        raise errors.ApprovalExpired
    return approval


def end_approval(
    approval: Approval,
    status: Literal["approved", "refused"],
    subject: str,
    now: datetime,
    *,
    result: dict[str, Any] | None = None,
    refusal: str | None = None,
) -> None:
    approval.status, approval.decided_by, approval.decided_at = status, subject, now
    approval.result, approval.refusal = result, refusal
    approval.version += 1


async def expire_approvals(session: AsyncSession, now: datetime) -> list[Any]:
    """Those that waited too long end; returns their action and arguments."""
    return list((await session.execute(_EXPIRE, {"now": now})).all())
