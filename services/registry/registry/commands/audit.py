"""Who saw or changed whose personal data."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

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
            )
        )
