"""Sign-in with a provider as in production: another host, a client secret, refresh tokens, and a provider that lies."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr

from portal.app import build_portal
from portal.config import PortalSettings
from tests.unit.portal.conftest import HOME, SECRET

ISSUER = "https://login.example"
MEMBER = str(uuid4())


class Provider:
    """An OpenID Connect provider: signs what it is told to, and remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        self.jwks = {"keys": [{**public, "kid": "k1", "alg": "ES256", "use": "sig"}]}
        self.jwks_file = folder / "jwks.json"
        self.jwks_file.write_text(json.dumps(self.jwks))
        self.nonce = ""
        self.lies: dict[str, Any] = {}
        self.lives = 3600.0
        self.forms: list[dict[str, str]] = []
        self.authorizations: list[str] = []

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "k1"})

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(
                200,
                json={
                    "issuer": ISSUER,
                    "authorization_endpoint": f"{ISSUER}/authorize",
                    "token_endpoint": f"{ISSUER}/token",
                    "jwks_uri": f"{ISSUER}/keys",
                    "end_session_endpoint": f"{ISSUER}/logout",
                },
            )
        if request.url.path == "/keys":
            return httpx.Response(200, json=self.jwks)
        self.forms.append({name: value[0] for name, value in parse_qs(request.content.decode()).items()})
        self.authorizations.append(request.headers.get("authorization", ""))
        now = int(time.time())
        identity = {
            "iss": ISSUER,
            "aud": "union-portal",
            "sub": "anna",
            "iat": now,
            "exp": now + 60,
            "nonce": self.nonce,
        }
        access = {
            "iss": ISSUER,
            "aud": "union-platform",
            "sub": "anna",
            "iat": now,
            "exp": now + self.lives,
            "roles": ["member"],
            "member_id": MEMBER,
        }
        return httpx.Response(
            200,
            json={
                "access_token": self.signed(access | self.lies.get("access", {})),
                "id_token": self.signed(identity | self.lies.get("identity", {})),
                "refresh_token": f"refresh-{len(self.forms)}",
                "token_type": "Bearer",
            },
        )


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path)


@pytest.fixture
async def browser(provider: Provider) -> AsyncIterator[httpx.AsyncClient]:
    settings = PortalSettings(
        portal_secret=SecretStr(SECRET),
        jwks_url=provider.jwks_file.as_uri(),
        token_issuer=ISSUER,
        portal_url=HOME,
        oidc_issuer=ISSUER,
        oidc_client_secret=SecretStr("the client's secret"),
    )

    def service(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    away = httpx.MockTransport(service)
    transports: dict[str, httpx.AsyncBaseTransport] = dict.fromkeys(("registry", "cards", "cashback"), away)
    app = build_portal(settings, transports | {"oidc": httpx.MockTransport(provider.answer)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOME) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, provider: Provider) -> httpx.Response:
    there = httpx.URL((await browser.get("/sign-in", params={"next": "/member/data"})).headers["location"])
    assert str(there).startswith(f"{ISSUER}/authorize?")
    assert there.params["code_challenge_method"] == "S256"
    provider.nonce = provider.lies.get("nonce") or there.params["nonce"]
    return await browser.get("/sign-in/callback", params={"code": "c0de", "state": there.params["state"]})


async def test_the_code_is_bought_with_the_verifier_and_the_clients_secret(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    back = await sign_in(browser, provider)
    assert back.headers["location"] == "/member/data"
    [form] = provider.forms
    assert form["redirect_uri"] == f"{HOME}/sign-in/callback"
    assert len(form["code_verifier"]) >= 43
    assert provider.authorizations[0].startswith("Basic ")
    assert "client_secret" not in form


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another sign-in's"},
        {"identity": {"aud": "another client"}},
        {"identity": {"iss": "https://evil.example"}},
        {"identity": {"exp": 1}},
        {"access": {"aud": "another audience"}},
        {"access": {"iss": "https://evil.example"}},
    ],
    ids=str,
)
async def test_who_cannot_be_trusted_is_not_signed_in(
    browser: httpx.AsyncClient, provider: Provider, lies: dict[str, Any]
) -> None:
    provider.lies = lies
    assert (await sign_in(browser, provider)).status_code == 400
    assert (await browser.get("/member")).headers["location"].startswith("/sign-in")


async def test_a_session_outlives_its_token_by_the_refresh_token(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    provider.lives = 30
    await sign_in(browser, provider)
    provider.lives = 3600
    await browser.get("/member/data")
    assert provider.forms[-1] == {"grant_type": "refresh_token", "refresh_token": "refresh-1"}
    await browser.get("/member/data")
    assert len(provider.forms) == 2


async def test_tokens_that_no_cookie_holds_are_told_and_not_cut(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    provider.lies = {"access": {"groups": [str(uuid4()) for _ in range(120)]}}
    assert (await sign_in(browser, provider)).status_code == 503
    assert (await browser.get("/member")).headers["location"].startswith("/sign-in")


async def test_a_provider_that_is_away_is_told(provider: Provider, browser: httpx.AsyncClient) -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    settings = PortalSettings(
        portal_secret=SecretStr(SECRET), jwks_url=provider.jwks_file.as_uri(), portal_url=HOME, oidc_issuer=ISSUER
    )
    app = build_portal(settings, {"oidc": httpx.MockTransport(away)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOME) as client:
        answer = await client.get("/sign-in")
        assert answer.status_code == 503
        assert "Вход сейчас недоступен" in answer.text
