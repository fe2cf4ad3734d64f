"""A service's own token, for what it asks of other services by itself: in the name of nobody but the service.

An OpenID Connect provider gives it for the service's client credentials; or it comes as a file that somebody renews
(a platform that mounts short-lived tokens, the one-machine stack).
"""

import time
from dataclasses import dataclass

import httpx

from common.settings import Settings

_EARLY_SECONDS = 60.0
"""A token is replaced so long before it expires: it must live as long as the answer takes."""


class NoCredentials(OSError):
    """The service has no token of its own now; the text says why, and never quotes a secret."""


@dataclass
class ServiceToken:
    """Gives the service's bearer token, a fresh one when the last is about to expire."""

    settings: Settings
    transport: httpx.AsyncBaseTransport | None = None
    """For tests: how the provider is reached."""
    _token: str = ""
    _until: float = 0.0

    @property
    def configured(self) -> bool:
        return bool(self.settings.service_token_file or self.settings.service_token_url)

    async def authorization(self) -> dict[str, str]:
        """The header to send. Raises NoCredentials."""
        if self.settings.service_token_file is not None:
            # Read each time: whoever renews it replaces the file.
            try:
                token = self.settings.service_token_file.read_text().strip()
            except OSError:
                raise NoCredentials("the file of UNION_SERVICE_TOKEN_FILE cannot be read") from None
            return _bearer(token)
        if time.time() >= self._until - _EARLY_SECONDS:
            await self._ask()
        return _bearer(self._token)

    async def _ask(self) -> None:
        """RFC 6749, section 4.4."""
        settings = self.settings
        if not (settings.service_token_url and settings.service_client_id and settings.service_client_secret):
            raise NoCredentials(
                "set UNION_SERVICE_TOKEN_URL, UNION_SERVICE_CLIENT_ID and UNION_SERVICE_CLIENT_SECRET,"
                " or UNION_SERVICE_TOKEN_FILE"
            )
        known = (settings.service_client_id, settings.service_client_secret.get_secret_value())
        asked = {"grant_type": "client_credentials", "audience": settings.token_audience}
        try:
            async with httpx.AsyncClient(timeout=10, transport=self.transport) as client:
                answer = await client.post(settings.service_token_url, data=asked, auth=known)
            answer.raise_for_status()
            body = answer.json()
            self._token, lives = str(body["access_token"]), float(body.get("expires_in", 300))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            raise NoCredentials("the issuer gives this service no token") from None
        self._until = time.time() + lives


def _bearer(token: str) -> dict[str, str]:
    if not token:
        raise NoCredentials("the service's token is empty")
    return {"Authorization": f"Bearer {token}"}
