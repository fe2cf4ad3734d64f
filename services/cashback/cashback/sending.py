"""Sending to partners' addresses by the Standard Webhooks scheme: signed, retried, never into our own network.

A message is leased in a short transaction, sent outside of any, and what came of it is noted in another. Who dies in
between leaves it to whoever comes when the lease is over: it is sent at least once, always under the same id.

https://www.standardwebhooks.com: `webhook-id` is the same at every attempt, `webhook-timestamp` is that of the
attempt, `webhook-signature` is `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; a body is taken by a 2xx.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import random
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import errors, keys
from cashback.models import Webhook, WebhookAttempt, WebhookDelivery
from common import telemetry
from common.db import Database, fetch

BACK_OFF = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""After each failure the next attempt; when there is none left, it is given up. The scheme's own proposal."""

OLD_SECRET = timedelta(days=1)
_TIMEOUT = httpx.Timeout(10.0)
_AT_ONCE = 20
"""Messages that one worker has under way."""
_OF_ONE = 5
"""Of them for one address: a slow one does not keep the others waiting."""
_LONGEST = 15.0
"""Seconds that one attempt may take, the name's look-up included."""
_LEASE = timedelta(seconds=60)
_CLAIMING = 60.0
"""Seconds after which a worker begins nothing new before it has told that it is alive."""

# Leased by its own next time: an attempt that is never noted comes again then. `attempts` tells whose lease it is.
_LEASE_DUE = """
    update webhook_delivery set attempts = attempts + 1, due_at = $2
    where delivery_id in (
        select d.delivery_id from webhook_delivery d
        join (
            select delivery_id, row_number() over (partition by webhook_id order by due_at, delivery_id) as place
            from webhook_delivery join webhook using (webhook_id)
            where state = 'waiting' and due_at <= $1 and status = 'enabled' and secret_number > 0
                and webhook_id <> all($4::uuid[])
        ) due using (delivery_id)
        where due.place <= $5 and d.state = 'waiting' and d.due_at <= $1
        order by due.place, d.due_at, d.delivery_id limit $3
        for update of d skip locked
    )
    returning delivery_id
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def written(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, timestamp: int, content: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + content
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


async def allowed_address(url: str, local: bool) -> str:
    """One of the host's addresses, at which it may be reached.

    Raises AddressNotAllowed unless it is https:// on the public internet. `local` takes any (tests, one machine).
    The caller connects to the returned address, so a name cannot be another one's between the check and the call.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.scheme not in (("https", "http") if local else ("https",)):
        raise errors.AddressNotAllowed
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError):
        raise errors.AddressNotAllowed from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not (local or all(_is_public(address) for address in addresses)):
        raise errors.AddressNotAllowed
    return addresses[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (inner is None or inner.is_global)


@dataclass
class Sender:
    """Sends what is due from one worker; others may do it at the same time."""

    database: Database
    key: bytes
    disable_after: timedelta
    local: bool
    begun_at: datetime
    """What the clock shows when it begins."""
    _ticking: float = field(default_factory=time.monotonic)
    _under_way: Counter[UUID] = field(default_factory=Counter)

    @property
    def now(self) -> datetime:
        return self.begun_at + timedelta(seconds=time.monotonic() - self._ticking)

    async def send_due(self) -> int:
        """Try what is due, and what becomes due meanwhile; returns how many attempts there were."""
        attempts, tasks = 0, set[asyncio.Task[None]]()
        limits = httpx.Limits(max_connections=_AT_ONCE)
        async with httpx.AsyncClient(
            timeout=_TIMEOUT, limits=limits, follow_redirects=False, trust_env=False
        ) as client:
            try:
                while True:
                    if len(tasks) < _AT_ONCE and time.monotonic() - self._ticking < _CLAIMING:
                        for delivery, webhook in await self._lease(_AT_ONCE - len(tasks)):
                            self._under_way[webhook.webhook_id] += 1
                            tasks.add(asyncio.create_task(self._try(client, delivery, webhook)))
                    if not tasks:
                        return attempts
                    done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    attempts += len(done)
                    for task in done:
                        task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _lease(self, most: int) -> list[tuple[WebhookDelivery, Webhook]]:
        now = self.now
        busy = [webhook_id for webhook_id, count in self._under_way.items() if count >= _OF_ONE]
        async with self.database.sessions.begin() as session:
            rows = await fetch(session, _LEASE_DUE, now, now + _LEASE, most, busy, _OF_ONE)
            if not rows:
                return []
            leased = await session.execute(
                sa.select(WebhookDelivery, Webhook)
                .join(Webhook, col(Webhook.webhook_id) == col(WebhookDelivery.webhook_id))
                .where(col(WebhookDelivery.delivery_id).in_([row["delivery_id"] for row in rows]))
            )
            return [(row[0], row[1]) for row in leased]

    async def _try(self, client: httpx.AsyncClient, delivery: WebhookDelivery, webhook: Webhook) -> None:
        try:
            now = self.now
            outcome = await _send(client, delivery, webhook, secrets_of(webhook, self.key, now), self.local)
            async with self.database.sessions.begin() as session:
                await _note(session, delivery, outcome, now, self.disable_after)
        finally:
            self._under_way[webhook.webhook_id] -= 1


def secrets_of(webhook: Webhook, key: bytes, now: datetime) -> list[bytes]:
    """The secret in force, and the one before it within a day of the change."""
    number, given = webhook.secret_number, webhook.secret_given_at
    numbers = [number]
    if number > 1 and given is not None and now - given < OLD_SECRET:
        numbers.append(number - 1)
    return [keys.webhook_secret(key, webhook.webhook_id, each) for each in numbers]


async def _send(
    client: httpx.AsyncClient, delivery: WebhookDelivery, webhook: Webhook, secrets: Sequence[bytes], local: bool
) -> Outcome:
    begun = time.perf_counter()
    status, error = None, None
    try:
        async with asyncio.timeout(_LONGEST):
            url = httpx.URL(webhook.url)
            address = await allowed_address(webhook.url, local)
            timestamp, message_id = int(time.time()), str(delivery.delivery_id)
            signatures = [signature(secret, message_id, timestamp, delivery.content) for secret in secrets]
            request = client.build_request(
                "POST",
                url.copy_with(host=address),
                content=delivery.content,
                headers={
                    "host": url.netloc.decode(),
                    "content-type": "application/json",
                    "user-agent": "union-cashback-webhooks/1",
                    "webhook-id": message_id,
                    "webhook-timestamp": str(timestamp),
                    "webhook-signature": " ".join(signatures),
                },
                extensions={"sni_hostname": url.host},
            )
            # What it says beside its status is not read.
            response = await client.send(request, stream=True)
            await response.aclose()
            status = response.status_code
    except errors.AddressNotAllowed:
        error = "address_not_allowed"
    except (httpx.TimeoutException, TimeoutError):
        error = "timeout"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        error = type(failure).__name__
    return Outcome(status, error, int((time.perf_counter() - begun) * 1000))


async def _note(
    session: AsyncSession, tried: WebhookDelivery, outcome: Outcome, now: datetime, disable_after: timedelta
) -> None:
    """Write down what came of an attempt, and when the next one is."""
    delivery = await session.get(WebhookDelivery, tried.delivery_id, with_for_update=True)
    webhook = await session.get(Webhook, tried.webhook_id, with_for_update={"key_share": True})
    if delivery is None or webhook is None:
        return  # Deleted by the partner while it was under way.
    session.add(
        WebhookAttempt(
            delivery_id=delivery.delivery_id,
            number=tried.attempts,
            tried_at=now,
            milliseconds=outcome.milliseconds,
            status=outcome.status,
            error=outcome.error,
        )
    )
    if outcome.taken:
        delivery.state, delivery.delivered_at = "delivered", now
        webhook.failing_since = None
        return
    # Whoever has leased it since, or was told to send it again, decides on its next time.
    if delivery.state == "waiting" and delivery.attempts == tried.attempts and delivery.due_at == tried.due_at:
        if delivery.attempts > len(BACK_OFF):
            delivery.state = "given_up"
        else:
            wait = BACK_OFF[delivery.attempts - 1]
            delivery.due_at = now + wait * random.uniform(1.0, 1.1)  # noqa: S311 (so that all do not come at once)
    webhook.failing_since = webhook.failing_since or now
    if webhook.status == "enabled" and (outcome.status == 410 or now - webhook.failing_since >= disable_after):
        webhook.status, webhook.version = "disabled", webhook.version + 1
        webhook.disabled_reason = "gone" if outcome.status == 410 else "failing"
        telemetry.log().warning(
            "webhook_disabled", webhook_id=str(webhook.webhook_id), reason=webhook.disabled_reason
        )


async def forget(session: AsyncSession, before: datetime) -> None:
    await session.execute(sa.delete(WebhookDelivery).where(col(WebhookDelivery.made_at) < before))
