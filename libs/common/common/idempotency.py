"""A POST repeated with its Idempotency-Key gets the first answer; with another body, a conflict.

The key is claimed in the transaction of the change, and the answer is stored in it just before the
commit, so the two cannot part. A refused request leaves no claim: it may be corrected and sent again.
An answer is kept for replay for some days, so **a POST never answers with personal data**.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal
from common.errors import IdempotencyConflict, IdempotencyKeyInvalid, IdempotencyKeyRequired

HEADER = "Idempotency-Key"
_KEPT_HEADERS = ("content-type", "location", "etag")

_CLAIM = sa.text(
    "insert into idempotency_key (subject, key, request_hash) values (:subject, :key, :hash)"
    " on conflict do nothing returning key"
)
_FIND = sa.text(
    "select request_hash, status, headers, body from idempotency_key where subject = :subject and key = :key"
)
_STORE = sa.text(
    "update idempotency_key set status = :status, headers = :headers, body = :body"
    " where subject = :subject and key = :key"
).bindparams(sa.bindparam("headers", type_=JSONB))
_FORGET = sa.text(
    "delete from idempotency_key where (subject, key) in (select subject, key from idempotency_key"
    " where created_at < now() - make_interval(days => :days) order by created_at limit 10000"
    " for update skip locked)"
)


class Replay(Exception):
    """Control flow inside this module: the stored answer is the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def claim(request: Request, session: AsyncSession, principal: Principal | None) -> None:
    """Claim the request's key for this transaction. A concurrent twin waits here for the first to end."""
    key = request.headers.get(HEADER)
    if key is None:
        raise IdempotencyKeyRequired
    if not (8 <= len(key) <= 128 and key.isascii() and key.isprintable()):
        raise IdempotencyKeyInvalid
    subject = principal.subject if principal else "anonymous"
    # Keyed with the request's own random key: the hash of a body with a name in it tells nothing.
    digest = hashlib.blake2b(key=key.encode()[:64], digest_size=32)
    digest.update(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    if principal:
        # Who may no longer do it gets no answer from the time when they might.
        rights = (sorted(principal.roles), principal.organisation_id, principal.member_id, principal.partner)
        digest.update(f"{rights}\n".encode())
    await _digest_body(request, digest)
    # On the connection: the session's own execute would flush and build entities around a plain statement.
    connection = await session.connection()
    claimed = await connection.execute(_CLAIM, {"subject": subject, "key": key, "hash": digest.digest()})
    if claimed.first() is None:
        stored = (await connection.execute(_FIND, {"subject": subject, "key": key})).one()
        if stored.request_hash != digest.digest():
            raise IdempotencyConflict
        replay = Response(stored.body, stored.status, dict(stored.headers))
        replay.headers["idempotency-replayed"] = "true"
        raise Replay(replay)
    request.state.idempotency = (session, subject, key)


async def _digest_body(request: Request, digest: Any) -> None:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        digest.update(await request.body())
        return
    # An upload sent again has another boundary between its parts: the parts are what is compared.
    for name, value in (await request.form()).multi_items():
        digest.update(f"\n{len(name)} {name}\n".encode())
        if isinstance(value, str):
            digest.update(value.encode())
        else:
            digest.update(f"{value.filename}\n".encode())
            digest.update(hashlib.sha256(await value.read()).digest())
            await value.seek(0)


async def forget(session: AsyncSession, days: int) -> None:
    """Drop answers that are older: nobody repeats a request for so long, and what they told is nobody's any more."""
    await session.execute(_FORGET, {"days": days})


class KernelRoute(APIRoute):
    """The route class of every router: stores a POST's answer inside the transaction that it tells of."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if request.method == "POST":
                # Kept with the request: a form would be read off the stream before the key is claimed.
                await request.body()
            try:
                response = await handle(request)
            except Replay as replay:
                return replay.response
            # Function-scoped dependencies are still open here: the session has not committed yet.
            claimed = getattr(request.state, "idempotency", None)
            if claimed is not None:
                session, subject, key = claimed
                connection = await session.connection()
                await connection.execute(
                    _STORE,
                    {
                        "subject": subject,
                        "key": key,
                        "status": response.status_code,
                        "headers": {
                            name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
                        },
                        "body": bytes(response.body),
                    },
                )
            return response

        return handler
