"""Partners' addresses and the log of what they were sent; `partner` None is the union's staff."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback.models import Webhook, WebhookAttempt, WebhookDelivery
from common.http import PageParams, paginate


async def webhooks(
    session: AsyncSession, partner: str | None, page: PageParams
) -> tuple[list[Webhook], str | None]:
    statement = sa.select(Webhook)
    if partner is not None:
        statement = statement.where(col(Webhook.partner) == partner)
    return await paginate(session, statement, col(Webhook.webhook_id), page)


async def webhook(session: AsyncSession, partner: str | None, webhook_id: UUID) -> Webhook | None:
    row = await session.get(Webhook, webhook_id)
    return row if row is not None and partner in (None, row.partner) else None


async def deliveries(
    session: AsyncSession, webhook_id: UUID, state: str | None, page: PageParams
) -> tuple[list[WebhookDelivery], str | None]:
    statement = sa.select(WebhookDelivery).where(col(WebhookDelivery.webhook_id) == webhook_id)
    if state is not None:
        statement = statement.where(col(WebhookDelivery.state) == state)
    return await paginate(session, statement, col(WebhookDelivery.delivery_id), page)


async def delivery(
    session: AsyncSession, partner: str | None, delivery_id: UUID
) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]] | None:
    row = await session.get(WebhookDelivery, delivery_id)
    if row is None or await webhook(session, partner, row.webhook_id) is None:
        return None
    tries = await session.scalars(
        sa.select(WebhookAttempt)
        .where(col(WebhookAttempt.delivery_id) == delivery_id)
        .order_by(col(WebhookAttempt.number))
    )
    return row, tries.all()
