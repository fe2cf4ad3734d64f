"""What an approved request does: one line for each kind of action that needs four eyes."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from registry.commands import erasure, merging
from registry.commands.approvals import end_approval, expire_approvals, waiting_approval
from registry.config import RegistrySettings
from registry.keys import ErasureKey
from registry.models import Approval

Action = Callable[[AsyncSession, Approval, str, RegistrySettings, datetime], Awaitable[dict[str, Any]]]


async def _merge(
    session: AsyncSession, approval: Approval, subject: str, settings: RegistrySettings, now: datetime
) -> dict[str, Any]:
    merge = await merging.merge_members(session, approval, subject, settings.merge_undo_days, now)
    return {"merge_id": str(merge.merge_id)}


async def _erase(
    session: AsyncSession, approval: Approval, subject: str, settings: RegistrySettings, now: datetime
) -> dict[str, Any]:
    done = await erasure.erase_person(
        session,
        UUID(approval.arguments["member_id"]),
        request_number=approval.arguments["request_number"],
        requested_by=approval.requested_by,
        approved_by=subject,
        key=ErasureKey.load(settings),
        now=now,
    )
    # The words of the request went with the person.
    await session.refresh(approval)
    return {"erasure_id": str(done.erasure_id)}


ACTIONS: dict[str, Action] = {merging.ACTION: _merge, erasure.ACTION: _erase}
_DROPPED: dict[str, Callable[[AsyncSession, dict[str, Any]], Awaitable[None]]] = {
    merging.ACTION: merging.drop_request
}


async def approve(
    session: AsyncSession, approval_id: UUID, subject: str, settings: RegistrySettings, now: datetime
) -> Approval:
    """Do what was asked for, in the transaction of the approval. The caller has proved to be a second person."""
    approval = await waiting_approval(session, approval_id, now)
    result = await ACTIONS[approval.action](session, approval, subject, settings, now)
    end_approval(approval, "approved", subject, now, result=result)
    return approval


async def refuse(session: AsyncSession, approval_id: UUID, subject: str, refusal: str, now: datetime) -> Approval:
    """Also by who asked: that is to take it back."""
    approval = await waiting_approval(session, approval_id, now)
    end_approval(approval, "refused", subject, now, refusal=refusal)
    await _drop(session, approval.action, approval.arguments)
    return approval


async def end_what_waited_too_long(session: AsyncSession, now: datetime, _settings: RegistrySettings) -> None:
    """A round: requests without a second person expire, and what they held waits for a decision again."""
    for row in await expire_approvals(session, now):
        await _drop(session, row.action, row.arguments)


async def _drop(session: AsyncSession, action: str, arguments: dict[str, Any]) -> None:
    if action in _DROPPED:
        await _DROPPED[action](session, arguments)
