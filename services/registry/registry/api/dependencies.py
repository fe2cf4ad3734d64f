"""Who may call, and with what every audited route is called."""

from typing import Annotated

from fastapi import Depends, Header

from common.auth import STAFF, Principal, Role, require

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
