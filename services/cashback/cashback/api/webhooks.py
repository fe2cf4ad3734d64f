"""Partners' addresses (Standard Webhooks) and the log of what they were sent."""

from typing import Literal
from uuid import UUID

import orjson
from fastapi import Response

from cashback import errors, sending
from cashback.api.callers import PartnerOrFederal, PolicyDep, SettingsDep, now, partner_of
from cashback.commands import webhooks as commands
from cashback.models import Webhook
from cashback.queries import webhooks as queries
from cashback.schemas import webhooks as s
from common.app import router as kernel_router
from common.auth import Principal, Role
from common.errors import Forbidden, NotFound
from common.http import IfMatch, Page, PageDep, ReadSessionDep, SessionDep, check_if_match, etag

router = kernel_router(tags=["webhooks"])


def _whose(principal: Principal) -> str | None:
    """A partner's token never widens; None is the union's staff, who see every partner's."""
    return partner_of(principal) if Role.PARTNER in principal.roles else None


@router.post("/webhooks", status_code=201)
async def add_webhook(
    body: s.WebhookRequest,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: PartnerOrFederal,
) -> s.WebhookView:
    """An address that is told of every change of the partner's purchases. Give it a secret next."""
    whose = _whose(principal) or body.partner
    if whose is None or body.partner not in (None, whose):
        raise Forbidden("A partner names its own addresses; staff says whose it is in `partner`.")
    await sending.allowed_address(body.url, settings.webhook_local_targets)
    return _view(response, await commands.add_webhook(session, whose, body.url))


@router.get("/webhooks")
async def list_webhooks(
    page: PageDep, session: ReadSessionDep, principal: PartnerOrFederal
) -> Page[s.WebhookView]:
    rows, cursor = await queries.webhooks(session, _whose(principal), page)
    return Page(items=[_shown(row) for row in rows], next_cursor=cursor)


@router.get("/webhooks/{webhook_id}")
async def read_webhook(
    webhook_id: UUID, response: Response, session: ReadSessionDep, principal: PartnerOrFederal
) -> s.WebhookView:
    return _view(response, await _found(session, principal, webhook_id))


@router.put("/webhooks/{webhook_id}/secret")
async def new_secret(
    webhook_id: UUID,
    response: Response,
    session: SessionDep,
    policy: PolicyDep,
    principal: PartnerOrFederal,
    if_match: IfMatch = None,
) -> s.WebhookSecret:
    """A new secret, shown this once and kept nowhere. For a day messages are signed with the one before it too."""
    webhook = await commands.lock_webhook(session, _whose(principal), webhook_id)
    check_if_match(if_match, webhook.version)
    secret = commands.new_secret(webhook, policy.pairwise_key, now())
    response.headers["ETag"] = etag(webhook.version)
    response.headers["Cache-Control"] = "no-store"
    return s.WebhookSecret(secret=secret)


@router.patch("/webhooks/{webhook_id}")
async def change_webhook(
    webhook_id: UUID,
    body: s.WebhookChange,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: PartnerOrFederal,
    if_match: IfMatch = None,
) -> s.WebhookView:
    """Another address, or on and off. What waited while it was off goes out when it is on."""
    webhook = await commands.lock_webhook(session, _whose(principal), webhook_id)
    check_if_match(if_match, webhook.version)
    if body.url is not None:
        await sending.allowed_address(body.url, settings.webhook_local_targets)
    commands.change_webhook(webhook, body.model_dump(exclude_unset=True))
    return _view(response, webhook)


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(
    webhook_id: UUID, session: SessionDep, principal: PartnerOrFederal, if_match: IfMatch = None
) -> None:
    """With its log and all that waits for it."""
    webhook = await commands.lock_webhook(session, _whose(principal), webhook_id)
    check_if_match(if_match, webhook.version)
    await session.delete(webhook)


@router.get("/webhooks/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: UUID,
    page: PageDep,
    session: ReadSessionDep,
    principal: PartnerOrFederal,
    state: Literal["waiting", "delivered", "given_up"] | None = None,
) -> Page[s.DeliveryView]:
    """What was sent there or waits to be, oldest first."""
    await _found(session, principal, webhook_id)
    rows, cursor = await queries.deliveries(session, webhook_id, state, page)
    return Page(items=[s.DeliveryView(**row.model_dump(exclude={"content"})) for row in rows], next_cursor=cursor)


@router.post("/webhooks/{webhook_id}/redeliver")
async def redeliver_failed(
    webhook_id: UUID, body: s.RedeliverRequest, session: SessionDep, principal: PartnerOrFederal
) -> s.Redelivered:
    """Send again, under their first ids, all messages that were given up."""
    webhook = await commands.lock_webhook(session, _whose(principal), webhook_id)
    if not webhook.secret_number:
        raise errors.NoSecretYet
    return s.Redelivered(deliveries=await commands.redeliver_failed(session, webhook, body.since, now()))


@router.get("/webhook-deliveries/{delivery_id}")
async def read_delivery(delivery_id: UUID, session: ReadSessionDep, principal: PartnerOrFederal) -> s.DeliveryLog:
    """One message with every attempt."""
    found = await queries.delivery(session, _whose(principal), delivery_id)
    if found is None:
        raise NotFound("delivery", delivery_id)
    row, tries = found
    return s.DeliveryLog(
        **row.model_dump(exclude={"content"}),
        tries=[s.AttemptView(**one.model_dump()) for one in tries],
        content=orjson.loads(row.content),
    )


@router.post("/webhook-deliveries/{delivery_id}/redeliver")
async def redeliver(delivery_id: UUID, session: SessionDep, principal: PartnerOrFederal) -> s.DeliveryView:
    """Send it once more, under its first id, whatever became of it."""
    row = await commands.redeliver(session, _whose(principal), delivery_id, now())
    return s.DeliveryView(**row.model_dump(exclude={"content"}))


async def _found(session: ReadSessionDep, principal: Principal, webhook_id: UUID) -> Webhook:
    webhook = await queries.webhook(session, _whose(principal), webhook_id)
    if webhook is None:
        raise NotFound("webhook", webhook_id)
    return webhook


def _view(response: Response, webhook: Webhook) -> s.WebhookView:
    response.headers["ETag"] = etag(webhook.version)
    return _shown(webhook)


def _shown(webhook: Webhook) -> s.WebhookView:
    return s.WebhookView(**webhook.model_dump(), has_secret=webhook.secret_number > 0)
