"""Who may call, and with what every audited route is called."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from pydantic import AwareDatetime

from common.auth import STAFF, Principal, Role, optional_principal, require
from common.persons import ReadingPurpose
from registry import rules
from registry.config import RegistrySettings
from registry.errors import PurposeRequired
from registry.queries.moments import Moment

TREE_STAFF = (Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF)
"""Those who shape the tree below them."""
READERS = (*STAFF, Role.AUDITOR, Role.INTERNAL_APP)

TreeStaff = Annotated[Principal, Depends(require(*TREE_STAFF))]
Staff = Annotated[Principal, Depends(require(*STAFF))]
StaffOrMember = Annotated[Principal, Depends(require(*STAFF, Role.MEMBER))]
Reader = Annotated[Principal, Depends(require(*READERS))]
ReaderOrMember = Annotated[Principal, Depends(require(*READERS, Role.MEMBER))]


async def purpose_of_reading(
    principal: Annotated[Principal | None, Depends(optional_principal)],
    purpose: Annotated[
        ReadingPurpose | None,
        Header(
            alias="X-Purpose",
            description="Why personal data are read; kept with the access. Staff and apps must say it.",
        ),
    ] = None,
) -> str | None:
    """Members read their own without a reason, auditors read nobody's."""
    if purpose is None and principal is not None and principal.roles & _MUST_SAY:
        raise PurposeRequired
    return purpose


_MUST_SAY = {*STAFF, Role.INTERNAL_APP}
Purpose = Annotated[str | None, Depends(purpose_of_reading)]


def business_day(request: Request, principal: Principal, day: date | None, now: datetime) -> date:
    """`effective_on` or today, within what the caller may date back."""
    rules.check_backdating(day or now.date(), now.date(), backdating_days(request, principal))
    return day or now.date()


def backdating_days(request: Request, principal: Principal) -> int | None:
    """Region and centre alone may record what is older than `backdating_days`; None: no limit."""
    settings: RegistrySettings = request.app.state.settings
    above = principal.roles & {Role.FEDERAL_STAFF, Role.REGIONAL_STAFF}
    return None if above else settings.backdating_days


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
