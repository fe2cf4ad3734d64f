"""Addresses at which partners want to be told: kept, given secrets, sent to again."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from cashback import errors, keys, sending
from cashback.models import Partner, Webhook, WebhookDelivery
from common.errors import NotFound

MOST_WEBHOOKS = 10


async def add_webhook(session: AsyncSession, partner: str, url: str) -> Webhook:
    """Nothing is sent there before it is given a secret."""
    # The partner's row is locked, so that two requests at once do not both find room for the last one.
    if await session.get(Partner, partner, with_for_update={"key_share": True}) is None:
        raise NotFound("partner", partner)
    count = sa.select(sa.func.count()).where(col(Webhook.partner) == partner)
    if (await session.scalar(count) or 0) >= MOST_WEBHOOKS:
        raise errors.TooManyWebhooks(MOST_WEBHOOKS)
    webhook = Webhook(webhook_id=uuid7(), partner=partner, url=url, status="enabled", secret_number=0, version=1)
    session.add(webhook)
    return webhook


async def lock_webhook(session: AsyncSession, partner: str | None, webhook_id: UUID) -> Webhook:
    """The partner's own; `None` is the union's staff."""
    webhook = await session.get(Webhook, webhook_id, with_for_update={"key_share": True})
    if webhook is None or partner not in (None, webhook.partner):
        raise NotFound("webhook", webhook_id)
    return webhook


def new_secret(webhook: Webhook, key: bytes, now: datetime) -> str:
    """The next secret of a locked address. For a day the one before it signs too."""
    webhook.secret_number += 1
    webhook.secret_given_at = now
    webhook.version += 1
    return sending.written(keys.webhook_secret(key, webhook.webhook_id, webhook.secret_number))


def change_webhook(webhook: Webhook, changes: dict[str, Any]) -> None:
    """Another address, or on and off. What has waited goes out when it is on again."""
    webhook.url = changes.get("url", webhook.url)
    status = changes.get("status", webhook.status)
    if status != webhook.status:
        webhook.status, webhook.failing_since = status, None
        webhook.disabled_reason = "by_partner" if status == "disabled" else None
    webhook.version += 1


async def redeliver(
    session: AsyncSession, partner: str | None, delivery_id: UUID, now: datetime
) -> WebhookDelivery:
    """Send it again, under the same id, whatever became of it before."""
    delivery = await session.get(WebhookDelivery, delivery_id, with_for_update=True)
    if delivery is None:
        raise NotFound("delivery", delivery_id)
    webhook = await lock_webhook(session, partner, delivery.webhook_id)
    if not webhook.secret_number:
        raise errors.NoSecretYet
    delivery.state, delivery.due_at = "waiting", now
    return delivery


async def redeliver_failed(session: AsyncSession, webhook: Webhook, since: datetime, now: datetime) -> int:
    """All that was given up since then; returns how many."""
    result = await session.execute(
        sa.update(WebhookDelivery)
        .where(
            col(WebhookDelivery.webhook_id) == webhook.webhook_id,
            col(WebhookDelivery.state) == "given_up",
            col(WebhookDelivery.made_at) >= since,
        )
        .values(state="waiting", due_at=now)
        .returning(col(WebhookDelivery.delivery_id))
    )
    return len(result.all())
