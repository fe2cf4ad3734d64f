"""A POST repeated with its Idempotency-Key gets the first answer; with another body, a conflict.

The key is claimed in the transaction of the change, and the answer is stored in it just before the
commit, so the two cannot part. A refused request leaves no claim: it may be corrected and sent again.
An answer is kept for replay for some days, so **a POST never answers with personal data**.
"""

import hashlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession

from common.auth import Principal
from common.db import fetch
from common.errors import IdempotencyConflict, IdempotencyKeyInvalid, IdempotencyKeyRequired
from common.outbox import write_at_commit

HEADER = "Idempotency-Key"
_KEPT_HEADERS = ("content-type", "location", "etag")
_CLAIMED = "union.idempotency"
D = TypeVar("D", bound=Callable[..., Any])

_CLAIM = """
    insert into idempotency_key (subject, key, request_hash)
    select * from unnest($1::text[], $2::text[], $3::bytea[]) order by 1, 2
    on conflict do nothing returning subject, key
"""
_FIND = """
    select subject, key, request_hash, status, headers, body from idempotency_key
    where (subject, key) in (select * from unnest($1::text[], $2::text[]))
"""
_STORE = """
    update idempotency_key as claimed set status = u.status, headers = u.headers::jsonb, body = u.body
    from unnest($1::text[], $2::text[], $3::smallint[], $4::text[], $5::bytea[])
        as u(subject, key, status, headers, body)
    where claimed.subject = u.subject and claimed.key = u.key
"""
_RELEASE = "delete from idempotency_key where (subject, key) in (select * from unnest($1::text[], $2::text[]))"
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


@dataclass(frozen=True)
class Claim:
    """Whose request it is, under which key, and the hash of what it asks."""

    subject: str
    key: str
    digest: bytes


async def claim_of(request: Request, principal: Principal | None) -> Claim:
    """What the request has to claim. Raises the refusal of a key that is missing or cannot be one."""
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
    return Claim(subject, key, digest.digest())


async def claim_all(session: AsyncSession, claims: Sequence[Claim]) -> dict[Claim, Response | IdempotencyConflict]:
    """Claim keys, no two of them the same, for this transaction; returns the answers of those that are taken.

    A concurrent twin waits here for the first to end.
    """
    subjects, keys = [each.subject for each in claims], [each.key for each in claims]
    rows = await fetch(session, _CLAIM, subjects, keys, [each.digest for each in claims])
    if len(rows) == len(claims):
        return {}
    new = {(row["subject"], row["key"]) for row in rows}
    stored = {(row["subject"], row["key"]): row for row in await fetch(session, _FIND, subjects, keys)}
    taken: dict[Claim, Response | IdempotencyConflict] = {}
    for each in claims:
        if (each.subject, each.key) in new:
            continue
        row = stored[each.subject, each.key]
        if row["request_hash"] != each.digest:
            taken[each] = IdempotencyConflict()
        else:
            replay = Response(row["body"], row["status"], row["headers"])
            replay.headers["idempotency-replayed"] = "true"
            taken[each] = replay
    return taken


def store_all(session: AsyncSession, answers: Sequence[tuple[Claim, Response]]) -> None:
    """Keep the answers of claimed requests, in the transaction that they tell of."""
    kept = [
        (
            claim.subject,
            claim.key,
            response.status_code,
            orjson.dumps({n: response.headers[n] for n in _KEPT_HEADERS if n in response.headers}).decode(),
            bytes(response.body),
        )
        for claim, response in answers
    ]
    write_at_commit(session, _STORE, tuple(map(list, zip(*kept, strict=True))))


async def release(session: AsyncSession, claims: Sequence[Claim]) -> None:
    """Of requests that were refused while others of this transaction are answered: they may be sent again."""
    await fetch(session, _RELEASE, [each.subject for each in claims], [each.key for each in claims])


async def claim(request: Request, session: AsyncSession, principal: Principal | None) -> None:
    """Claim the request's key for this transaction. A concurrent twin waits here for the first to end."""
    wanted = await claim_of(request, principal)
    taken = (await claim_all(session, [wanted])).get(wanted)
    if isinstance(taken, IdempotencyConflict):
        raise taken
    if taken is not None:
        raise Replay(taken)
    request.scope[_CLAIMED] = (session, wanted)


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
                session, wanted = claimed
                store_all(session, [(wanted, response)])
            return response

        return handler
