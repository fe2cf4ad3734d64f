"""Signing in by OpenID Connect: authorisation code with PKCE (RFC 7636), state, nonce; any provider with discovery."""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt

from common.auth import TokenVerifier
from common.errors import Unauthenticated
from portal.config import PortalSettings

CALLBACK = "/sign-in/callback"
DEVELOPMENT = "/development"
"""Where the development provider is, below the portal's own address."""
_LEEWAY = 30
_KEEP_DISCOVERED = 3600.0
_ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]


class SignInFailed(Exception):
    """The provider said no, or said what cannot be trusted; the reason is for the log."""


class ProviderAway(Exception):
    """The provider does not answer."""


@dataclass(frozen=True)
class Journey:
    """What this browser takes with it to the provider and back, sealed in a cookie of its own."""

    state: str
    nonce: str
    verifier: str
    back_to: str

    @classmethod
    def begin(cls, back_to: str) -> "Journey":
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, back_to)


@dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str | None
    ends: float
    """When the access token does, in Unix seconds."""


class Provider:
    """The client of one provider. Its addresses and keys are asked for when they are first needed."""

    def __init__(self, settings: PortalSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._issuer = (settings.oidc_issuer or settings.portal_url.rstrip("/") + DEVELOPMENT).rstrip("/")
        self._client = httpx.AsyncClient(timeout=settings.api_seconds, trust_env=False, transport=transport)
        self._callback = settings.portal_url.rstrip("/") + CALLBACK
        self._known: dict[str, Any] = {}
        self._known_at = -_KEEP_DISCOVERED
        self._keys: jwt.PyJWKSet | None = None
        self._access = TokenVerifier(settings.jwks_url, settings.token_issuer, settings.token_audience)

    async def close(self) -> None:
        await self._client.aclose()

    async def way_there(self, journey: Journey, language: str) -> str:
        """Where the browser goes to sign in. Raises ProviderAway."""
        digest = hashlib.sha256(journey.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._callback,
            "scope": self._settings.oidc_scope,
            "state": journey.state,
            "nonce": journey.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "ui_locales": language,
        }
        return f"{(await self._discovered())['authorization_endpoint']}?{urlencode(query)}"

    async def way_out(self) -> str | None:
        """Where the provider's own session is ended, if it says."""
        try:
            end = (await self._discovered()).get("end_session_endpoint")
        except ProviderAway:
            return None
        query = {
            "client_id": self._settings.oidc_client_id,
            "post_logout_redirect_uri": self._settings.portal_url,
        }
        return f"{end}?{urlencode(query)}" if end else None

    async def tokens(self, journey: Journey, code: str) -> Tokens:
        """Exchange the code. Raises SignInFailed, ProviderAway."""
        answer = await self._token_request(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._callback,
                "code_verifier": journey.verifier,
            }
        )
        await self._check_id_token(str(answer.get("id_token", "")), journey)
        return await self._checked(answer, None)

    async def renewed(self, refresh: str) -> Tokens:
        """New tokens for a refresh token. Raises SignInFailed, ProviderAway."""
        answer = await self._token_request({"grant_type": "refresh_token", "refresh_token": refresh})
        return await self._checked(answer, refresh)

    async def _checked(self, answer: dict[str, Any], refresh: str | None) -> Tokens:
        access = str(answer.get("access_token", ""))
        try:
            await self._access.verify(access)  # as the services will: better refused here than on every page
        except Unauthenticated:
            raise SignInFailed("the services would not trust the access token") from None
        except OSError:
            raise ProviderAway from None
        ends = jwt.decode(access, options={"verify_signature": False})["exp"]
        return Tokens(access, answer.get("refresh_token") or refresh, float(ends))

    async def _token_request(self, form: dict[str, str]) -> dict[str, Any]:
        secret = self._settings.oidc_client_secret
        identity = None
        if secret is None:
            form = {**form, "client_id": self._settings.oidc_client_id}
        else:
            identity = httpx.BasicAuth(self._settings.oidc_client_id, secret.get_secret_value())
        try:
            endpoint = (await self._discovered())["token_endpoint"]
            response = await self._client.post(endpoint, data=form, auth=identity or httpx.USE_CLIENT_DEFAULT)
            answer = response.json()
        except (httpx.HTTPError, ValueError):
            raise ProviderAway from None
        if response.status_code >= 500:
            raise ProviderAway
        if not response.is_success or not isinstance(answer, dict):
            raise SignInFailed("the provider refused the code")
        return answer

    async def _check_id_token(self, token: str, journey: Journey) -> None:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._key(kid)
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=(await self._discovered())["issuer"],
                audience=self._settings.oidc_client_id,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "sub", "nonce"]},
            )
        except jwt.PyJWTError:
            raise SignInFailed("the id token cannot be trusted") from None
        if not secrets.compare_digest(str(claims["nonce"]), journey.nonce):
            raise SignInFailed("the id token is another sign-in's")

    async def _key(self, kid: str | None) -> jwt.PyJWK:
        for fresh in (False, True):
            if self._keys is None or fresh:
                self._keys = jwt.PyJWKSet.from_dict(await self._fetched((await self._discovered())["jwks_uri"]))
            for key in self._keys.keys:
                if key.key_id == kid:
                    return key
        raise jwt.InvalidKeyError

    async def _discovered(self) -> dict[str, Any]:
        if time.monotonic() - self._known_at > _KEEP_DISCOVERED:
            known = await self._fetched(f"{self._issuer}/.well-known/openid-configuration")
            if known.get("issuer") != self._issuer:
                raise ProviderAway
            self._known, self._known_at = known, time.monotonic()
        return self._known

    async def _fetched(self, address: str) -> dict[str, Any]:
        try:
            response = await self._client.get(address)
            response.raise_for_status()
            document = response.json()
        except (httpx.HTTPError, ValueError):
            raise ProviderAway from None
        if not isinstance(document, dict):
            raise ProviderAway
        return document
