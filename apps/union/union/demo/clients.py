"""The demonstration's clients: they know the public APIs and their own tokens, nothing else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from local_stack import Issuer

T = TypeVar("T")
R = TypeVar("R")

SERVICES = ("registry", "cards", "cashback", "reports")


class Refused(RuntimeError):
    """An API refused what the demonstration expected it to do."""


@dataclass
class Apis:
    """HTTP clients of the four APIs, and who calls."""

    http: dict[str, httpx.AsyncClient]
    issuer: Issuer
    calls: int = 0
    _tokens: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls, addresses: dict[str, str], issuer: Issuer) -> AsyncIterator["Apis"]:
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        http = {name: httpx.AsyncClient(base_url=addresses[name], limits=limits, timeout=60) for name in SERVICES}
        try:
            yield cls(http, issuer)
        finally:
            for client in http.values():
                await client.aclose()

    def bearer(self, role: str, **claims: str) -> dict[str, str]:
        """An Authorization header; `claims` may be organisation_id, member_id, partner."""
        key = (role, *sorted(claims.items()))
        if key not in self._tokens:
            subject = ":".join([role, *(value for _, value in sorted(claims.items()))])
            self._tokens[key] = self.issuer.mint(subject, [role], **claims)  # type: ignore[arg-type]
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    async def send(
        self,
        service: str,
        method: str,
        path: str,
        auth: dict[str, str] | None = None,
        body: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One call, with an Idempotency-Key on a POST. Raises Refused for anything but success."""
        sent = {**(auth or {}), **(headers or {})}
        if method == "POST":
            sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
        self.calls += 1
        answer = await self.http[service].request(
            method, path, json=body, content=content, params=params, headers=sent
        )
        if answer.is_error:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            raise Refused(
                f"{method} {service}{path}: {answer.status_code} {problem.get('code', '')} {problem.get('detail', '')}"
                f" {problem.get('errors', '')}"
            )
        return answer

    async def post(self, service: str, path: str, auth: dict[str, str] | None, body: Any = None) -> Any:
        return (await self.send(service, "POST", path, auth, body)).json()

    async def get(self, service: str, path: str, auth: dict[str, str], **params: Any) -> Any:
        return (await self.send(service, "GET", path, auth, params=params or None)).json()

    async def pages(self, service: str, path: str, auth: dict[str, str], **params: Any) -> list[Any]:
        """Every item of a list, walked by its cursor."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            sent = {**params, "limit": 500, **({"cursor": cursor} if cursor else {})}
            page = await self.get(service, path, auth, **sent)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items


async def in_parallel(
    items: Iterable[T],
    work: Callable[[T], Awaitable[R]],
    workers: int = 12,
    done: Callable[[], None] = lambda: None,
) -> Sequence[R]:
    """`work` on each item, a few at a time; results in the items' order. The first refusal ends it."""
    gate = asyncio.Semaphore(workers)

    async def one(item: T) -> R:
        async with gate:
            result = await work(item)
            done()
            return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]
