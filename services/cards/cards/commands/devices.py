"""Commands on the devices that show a virtual card."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cards import rules
from cards.errors import DeviceKeyInvalid, DeviceRevoked, DevicesFull
from cards.models import Card, CardDevice
from common.errors import NotFound


async def register_device(session: AsyncSession, card_id: UUID, x: bytes, y: bytes, now: datetime) -> CardDevice:
    """Bind a virtual card to a device's key on P-256 (its coordinates)."""
    card = await session.get(Card, card_id, with_for_update=True)
    if card is None:
        raise NotFound("card", card_id)
    rules.check_takes_devices(card)
    taken = set(
        await session.scalars(
            sa.select(col(CardDevice.slot)).where(
                col(CardDevice.card_id) == card_id, col(CardDevice.revoked_at).is_(None)
            )
        )
    )
    free = [slot for slot in range(1, rules.MOST_DEVICES + 1) if slot not in taken]
    if not free:
        raise DevicesFull(rules.MOST_DEVICES)
    device = CardDevice(
        device_id=UUID(int=uuid7().int),
        card_id=card_id,
        slot=free[0],
        point=_compressed(x, y),
        registered_at=now,
    )
    session.add(device)
    return device


async def revoke_device(session: AsyncSession, card_id: UUID, device_id: UUID, now: datetime) -> CardDevice:
    """The device gets no further code, and is red online at once."""
    device = await session.get(CardDevice, device_id, with_for_update=True)
    if device is None or device.card_id != card_id:
        raise NotFound("device", device_id)
    if device.revoked_at is not None:
        raise DeviceRevoked
    device.revoked_at = now
    return device


def _compressed(x: bytes, y: bytes) -> bytes:
    try:
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
        numbers.public_key()  # refuses what is off the curve
    except ValueError:
        raise DeviceKeyInvalid from None
    return bytes((2 + y[-1] % 2,)) + x
