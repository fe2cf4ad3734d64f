"""What was true of a member when, and when the registry learnt it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from common import app
from common.http import ReadSessionDep
from registry.api.dependencies import KnownAt, ReaderOrMember
from registry.queries import history
from registry.schemas.history import MemberHistory

router = app.router(tags=["members"])


@router.get("/members/{member_id}/history")
async def read_member_history(
    member_id: UUID,
    session: ReadSessionDep,
    principal: ReaderOrMember,
    known_at: KnownAt = None,
    corrections: Annotated[
        bool, Query(description="Also what was believed before it was corrected or went on.")
    ] = False,
) -> MemberHistory:
    """The member's dated states, earliest first; with `known_at`, as they were known at that moment."""
    found = await history.member_history(session, principal, member_id, known_at, corrections)
    return MemberHistory.model_validate(found)
