"""The four services' APIs: a client each, with the visitor's token; refusals are an exception that pages can show."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from opentelemetry import propagate

from portal.config import PortalSettings
from portal.sessions import Visit

SERVICES = ("registry", "cards", "cashback", "reports")
_TRIES = 3
_PAUSE_SECONDS = 0.2
_JSON = "application/json"


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of a body; `at` is its name."""

    at: str
    code: str


class ApiProblem(Exception):
    """A service's refusal (RFC 9457). `code` is stable; `detail` is the service's own English sentence."""

    def __init__(
        self, status: int, code: str, detail: str = "", fields: Sequence[FieldProblem] = (), retry_after: int = 0
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.detail = status, code, detail
        self.fields, self.retry_after = list(fields), retry_after


@dataclass(frozen=True)
class Answer:
    """A service's good answer."""

    status: int
    content: bytes
    headers: Mapping[str, str]
    body: Any = field(default=None, repr=False)

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")


class Apis:
    """The clients. Closed once, when the portal ends."""

    def __init__(
        self, settings: PortalSettings, transports: Mapping[str, httpx.AsyncBaseTransport] | None = None
    ) -> None:
        # Shorter than the services keep theirs: a connection that they are about to close is not used again.
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=3.0)
        self._clients = {
            name: httpx.AsyncClient(
                base_url=getattr(settings, f"{name}_url"),
                timeout=httpx.Timeout(settings.api_seconds, connect=2.0),
                limits=limits,
                trust_env=False,
                transport=(transports or {}).get(name),
            )
            for name in SERVICES
        }

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    def client(self, service: str) -> httpx.AsyncClient:
        return self._clients[service]

    def of(self, visit: Visit) -> "Caller":
        """Calls in the visitor's name: with the token, if there is one, and from the visitor's address."""
        return Caller(self, visit.session.token, visit.address)


class Caller:
    """Every call answers 2xx or raises ApiProblem; a service that is away is `service_away`."""

    def __init__(self, apis: Apis, token: str | None, address: str) -> None:
        self._apis = apis
        # Services limit by address: they must see the visitor's, not ours.
        self._headers = {"X-Forwarded-For": address}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    async def get(self, service: str, path: str, *, purpose: str | None = None, **params: Any) -> Any:
        """The JSON of a GET; parameters that are None are left out. `purpose`: why staff read personal data."""
        return (await self.read(service, path, purpose=purpose, **params)).body

    async def read(
        self, service: str, path: str, *, purpose: str | None = None, accept: str = _JSON, **params: Any
    ) -> Answer:
        headers = {"Accept": accept} | ({"X-Purpose": purpose} if purpose else {})
        query = {name: value for name, value in params.items() if value is not None}
        return await self._ask("GET", service, path, headers, params=query)

    async def post(self, service: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The JSON of a POST. `key` makes it happen once however often a form is sent."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return (await self._ask("POST", service, path, headers, json=body)).body

    async def upload(self, service: str, path: str, *, key: str, **request: Any) -> Any:
        """A POST with `files`, `data` or `content` as httpx takes them."""
        return (await self._ask("POST", service, path, {"Idempotency-Key": key}, **request)).body

    async def change(
        self, method: str, service: str, path: str, body: Any, etag: str, purpose: str | None = None
    ) -> Any:
        """PATCH, PUT or DELETE of what was read with this ETag."""
        headers = {"If-Match": etag} | ({"X-Purpose": purpose} if purpose else {})
        return (await self._ask(method, service, path, headers, json=body)).body

    async def anonymous(self, service: str, path: str, headers: Mapping[str, str]) -> Any:
        """A GET with headers of its own, such as a follow code."""
        return (await self._ask("GET", service, path, dict(headers))).body

    async def _ask(self, method: str, service: str, path: str, headers: dict[str, str], **request: Any) -> Answer:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        client = self._apis.client(service)
        for attempt in range(1, _TRIES + 1):
            try:
                response = await client.request(
                    method, path, headers={**self._headers, **carrier, **headers}, **request
                )
            except httpx.TransportError:
                # A POST is repeated with its key, a change with its ETag: neither happens twice.
                if attempt == _TRIES or method not in ("GET", "POST"):
                    raise ApiProblem(503, "service_away") from None
            else:
                if response.status_code != 503 or attempt == _TRIES:
                    return _answer(response)
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")


def _answer(response: httpx.Response) -> Answer:
    is_json = response.headers.get("content-type", "").startswith((_JSON, "application/problem+json"))
    body = response.json() if is_json and response.content else None
    if response.is_success:
        return Answer(response.status_code, response.content, response.headers, body)
    told = body if isinstance(body, dict) else {}
    fields = [
        FieldProblem(str(item.get("at", "")).rpartition("/")[2], str(item.get("code", "")))
        for item in told.get("errors", [])
    ]
    retry_after = response.headers.get("retry-after", "0")
    raise ApiProblem(
        response.status_code,
        str(told.get("code", "unreadable_answer")),
        str(told.get("detail", "")),
        fields,
        int(retry_after) if retry_after.isdecimal() else 0,
    )
