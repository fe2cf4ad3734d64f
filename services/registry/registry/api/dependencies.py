"""Who may call, and with what every audited route is called."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import Depends, Header, Query
from pydantic import AwareDatetime

from common.auth import STAFF, Principal, Role, require
from registry import rules
from registry.queries.moments import Moment

TREE_STAFF = (Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF)
"""Those who shape the tree below them."""
READERS = (*STAFF, Role.AUDITOR, Role.INTERNAL_APP)

TreeStaff = Annotated[Principal, Depends(require(*TREE_STAFF))]
Staff = Annotated[Principal, Depends(require(*STAFF))]
StaffOrMember = Annotated[Principal, Depends(require(*STAFF, Role.MEMBER))]
Reader = Annotated[Principal, Depends(require(*READERS))]
ReaderOrMember = Annotated[Principal, Depends(require(*READERS, Role.MEMBER))]

Purpose = Annotated[
    str | None,
    Header(alias="X-Purpose", max_length=200, description="Why personal data are read; kept with the access."),
]

KnownAt = Annotated[
    AwareDatetime | None,
    Query(
        ge=datetime(1900, 1, 1, tzinfo=UTC),
        le=datetime(2200, 1, 1, tzinfo=UTC),
        description="As the registry knew it at that moment; default: all it knows.",
    ),
]
AsOf = Annotated[
    date | None,
    Query(ge=rules.EARLIEST, le=rules.LATEST, description="The state of that day; default: the newest."),
]


async def moment(as_of: AsOf = None, known_at: KnownAt = None) -> Moment | None:
    """None: the newest state. With known_at alone the day is that of the moment."""
    if known_at is not None:
        return Moment(as_of or known_at.astimezone(UTC).date(), known_at)
    return Moment(as_of) if as_of else None


MomentDep = Annotated[Moment | None, Depends(moment)]
