"""Who saw or changed whose personal data."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.http import caller_of
from registry.models import AccessLog


def record_access(
    session: AsyncSession,
    subject: str,
    action: str,
    whose_kind: Literal["member", "application"],
    whose: Sequence[UUID],
    purpose: str | None,
    now: datetime,
) -> None:
    """Note the access in the transaction of the read: an answer without its record is not given."""
    if whose:
        caller = caller_of(session)
        own = caller is not None and caller.member_id in whose and whose_kind == "member"
        session.add(
            AccessLog(
                access_id=uuid7(),
                at=now,
                subject=subject,
                action=action,
                purpose=purpose,
                whose_kind=whose_kind,
                whose=list(whose),
                count=len(whose),
                token_id=caller.token_id if caller else None,
                reader_member_id=caller.member_id if caller and own else None,
            )
        )
