"""Who may call, and what each route is given."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from cashback.config import CashbackSettings
from cashback.policy import Policy, policy_of
from common.auth import STAFF, Principal, Role, require
from common.errors import Forbidden

Federal = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF))]
AnyMember = Annotated[Principal, Depends(require(Role.MEMBER))]
PartnerOrFederal = Annotated[Principal, Depends(require(Role.PARTNER, Role.FEDERAL_STAFF))]
AnyPartner = Annotated[Principal, Depends(require(Role.PARTNER))]
Overseer = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP))]
MemberOrOverseer = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP, Role.MEMBER))]
PurchaseReader = Annotated[
    Principal,
    Depends(
        require(
            Role.FEDERAL_STAFF,
            Role.REGIONAL_STAFF,
            Role.AUDITOR,
            Role.INTERNAL_APP,
            Role.MEMBER,
            Role.PARTNER,
        )
    ),
]
App = Annotated[Principal, Depends(require(Role.INTERNAL_APP))]
Anyone = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP, Role.MEMBER, Role.PARTNER))]


def now() -> datetime:
    return datetime.now(UTC)


async def settings_of(request: Request) -> CashbackSettings:
    settings = request.app.state.settings
    assert isinstance(settings, CashbackSettings)
    return settings


SettingsDep = Annotated[CashbackSettings, Depends(settings_of)]


async def policy_dep(settings: SettingsDep) -> Policy:
    return policy_of(settings)


PolicyDep = Annotated[Policy, Depends(policy_dep)]


def member_of(principal: Principal) -> UUID:
    if principal.member_id is None:
        raise Forbidden("The token names no member; get one with the claim member_id.")
    return principal.member_id


def partner_of(principal: Principal) -> str:
    if principal.partner is None:
        raise Forbidden("The token names no partner; get one with the claim partner.")
    return principal.partner
