"""A POST repeated with its Idempotency-Key gets the first answer; with another body, a conflict.

The key is claimed in the transaction of the change, and the answer is stored in it just before the
commit, so the two cannot part. A refused request leaves no claim: it may be corrected and sent again.
An answer is kept for replay for some days, so **a POST never answers with personal data**.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from common.auth import Principal
from common.errors import IdempotencyConflict, IdempotencyKeyInvalid, IdempotencyKeyRequired
from common.outbox import write_at_commit

HEADER = "Idempotency-Key"
_KEPT_HEADERS = ("content-type", "location", "etag")
_CLAIMED = "union.idempotency"
D = TypeVar("D", bound=Callable[..., Any])

# In the driver's own words: each of them runs in every change, and SQLAlchemy's preparation costs more than they do.
_CLAIM = (
    "insert into idempotency_key (subject, key, request_hash) values ($1::text, $2::text, $3::bytea)"
    " on conflict do nothing"
)
_FIND = (
    "select request_hash, status, headers::text, body from idempotency_key"
    " where subject = $1::text and key = $2::text"
)
_STORE = (
    "update idempotency_key set status = $3::smallint, headers = $4::jsonb, body = $5::bytea"
    " where subject = $1::text and key = $2::text"
)
_FORGET = sa.text(
    "delete from idempotency_key where (subject, key) in (select subject, key from idempotency_key"
    " where created_at < now() - make_interval(days => :days) order by created_at limit 10000"
    " for update skip locked)"
)


# The document's alone: FastAPI's own reading of a header that `claim` reads itself costs more than the reading.
_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "description": "On every POST: a UUID of your own; a replay gets the first answer.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128, "format": "uuid"},
}
_claiming: set[Any] = set()


def claiming(dependency: D) -> D:
    """Marks the dependency that claims the key of a POST: routes with it show the header in the document."""
    _claiming.add(dependency)
    return dependency


def _claims(dependant: Dependant) -> bool:
    return dependant.call in _claiming or any(map(_claims, dependant.dependencies))


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
    scope = request.scope
    digest.update(b"%b %b?%b\n" % (scope["method"].encode(), scope["path"].encode(), scope["query_string"]))
    if principal:
        # Who may no longer do it gets no answer from the time when they might.
        rights = (sorted(principal.roles), principal.organisation_id, principal.member_id, principal.partner)
        digest.update(f"{rights}\n".encode())
    await _digest_body(request, digest)
    stored = await session.run_sync(_claim, subject, key, digest.digest())
    if stored is not None:
        if stored.request_hash != digest.digest():
            raise IdempotencyConflict
        replay = Response(stored.body, stored.status, orjson.loads(stored.headers))
        replay.headers["idempotency-replayed"] = "true"
        raise Replay(replay)
    request.scope[_CLAIMED] = (session, subject, key)


def _claim(session: Session, subject: str, key: str, request_hash: bytes) -> Any:
    """None when the key is ours from now on; else what is stored under it."""
    connection = session.connection()
    if connection.exec_driver_sql(_CLAIM, (subject, key, request_hash)).rowcount == 1:
        return None
    return connection.exec_driver_sql(_FIND, (subject, key)).one()


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

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "POST" in (self.methods or ()) and _claims(self.dependant):
            extra = self.openapi_extra or {}
            self.openapi_extra = {**extra, "parameters": [*extra.get("parameters", []), _PARAMETER]}

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
            claimed = request.scope.get(_CLAIMED)
            if claimed is not None:
                session, subject, key = claimed
                kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                answer = (subject, key, response.status_code, orjson.dumps(kept).decode(), bytes(response.body))
                write_at_commit(session, _STORE, answer)
            return response

        return handler
