"""The portal before services that are other applications: what it sends and what it does with their answers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from local_stack import Issuer
from portal.app import build_portal
from portal.config import PortalSettings

HOME = "http://127.0.0.1:8000"
SECRET = "a secret that is long enough for tests"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, issuer: Issuer) -> PortalSettings:
    return PortalSettings(
        portal_secret=SecretStr(SECRET), jwks_url=issuer.jwks_url, development_issuer=tmp_path, portal_url=HOME
    )


@pytest.fixture
def answers() -> dict[tuple[str, str], Any]:
    """What a service says: (method, path) → a body, a response, or a function of the request."""
    return {}


@pytest.fixture
def asked() -> list[httpx.Request]:
    return []


@pytest.fixture
async def browser(
    settings: PortalSettings, answers: dict[tuple[str, str], Any], asked: list[httpx.Request]
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without script: keeps cookies, follows nothing by itself."""

    def service(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        said = answers.get((request.method, request.url.path))
        if callable(said):
            said = said(request)
        if isinstance(said, httpx.Response):
            return said
        if said is None:
            return problem(404, "not_found")
        return httpx.Response(200, json=said)

    limits = {"pages": (10_000, 60.0), "changes": (10_000, 60.0), "sign-in": (10_000, 60.0)}
    names = ("registry", "cards", "cashback", "reports")
    transports: dict[str, httpx.AsyncBaseTransport] = {name: httpx.MockTransport(service) for name in names}
    home = Home()
    app = build_portal(settings, transports | {"oidc": home}, limits)
    home.way = way = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=way, base_url=HOME) as client:
        yield client


class Home(httpx.AsyncBaseTransport):
    """The way to the development provider, which is in the portal itself."""

    way: httpx.ASGITransport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.way.handle_async_request(request)


def problem(status: int, code: str, **extra: Any) -> httpx.Response:
    body = {"type": f"urn:union:problem:{code}", "title": "", "status": status, "code": code, "detail": "Do this."}
    return httpx.Response(status, json=body | extra, headers={"content-type": "application/problem+json"})


@pytest.fixture
def sign_in(browser: httpx.AsyncClient) -> Callable[..., Any]:
    """All the way over the provider, as a browser goes."""

    async def go(back_to: str = "/member", **person: str) -> httpx.Response:
        there = await browser.get("/sign-in", params={"next": back_to})
        address = there.headers["location"].replace("/authorize?", "/choose?")
        chosen = await browser.get(address, params={**dict(httpx.URL(address).params), **person})
        return await browser.get(chosen.headers["location"])

    return go
