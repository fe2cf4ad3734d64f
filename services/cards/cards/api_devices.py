"""Routes on the devices that show a virtual card."""

import base64
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from cards import commands, queries
from cards.models import CardDevice
from cards.schemas import DeviceRequest, Devices, DeviceView
from common import app
from common.auth import STAFF, Principal, Role, require
from common.http import ReadSessionDep, SessionDep

router = app.router(tags=["devices"])

HolderDep = Annotated[Principal, Depends(require(Role.MEMBER))]
HolderOrStaffDep = Annotated[Principal, Depends(require(*STAFF, Role.MEMBER))]


def _view(device: CardDevice) -> DeviceView:
    return DeviceView.model_validate(device, from_attributes=True)


@router.post("/cards/{card_id}/devices", status_code=201)
async def register_device(
    card_id: UUID, body: DeviceRequest, response: Response, session: SessionDep, principal: HolderDep
) -> DeviceView:
    """Bind the holder's own virtual card to a device, by the public half of a key that never leaves it."""
    await queries.own_card(session, principal, card_id)
    x, y = (base64.urlsafe_b64decode(part + "=") for part in (body.public_key.x, body.public_key.y))
    device = await commands.register_device(session, card_id, x, y, datetime.now(UTC))
    response.headers["Location"] = f"/v1/cards/{card_id}/devices/{device.device_id}"
    return _view(device)


@router.get("/cards/{card_id}/devices")
async def list_devices(card_id: UUID, session: ReadSessionDep, principal: HolderOrStaffDep) -> Devices:
    """The devices of a card, also those that were revoked."""
    await queries.card_to_act_on(session, principal, card_id)
    return Devices(items=[_view(device) for device in await queries.devices(session, card_id)])


@router.get("/cards/{card_id}/devices/{device_id}")
async def read_device(
    card_id: UUID, device_id: UUID, session: ReadSessionDep, principal: HolderOrStaffDep
) -> DeviceView:
    await queries.card_to_act_on(session, principal, card_id)
    return _view(await queries.device(session, card_id, device_id))


@router.post("/cards/{card_id}/devices/{device_id}/revoke")
async def revoke_device(
    card_id: UUID, device_id: UUID, session: SessionDep, principal: HolderOrStaffDep
) -> DeviceView:
    """No further code for this device; online it is red at once, offline when its last code ends.

    Who fears misuse meanwhile replaces the card.
    """
    await queries.card_to_act_on(session, principal, card_id)
    return _view(await commands.revoke_device(session, card_id, device_id, datetime.now(UTC)))
