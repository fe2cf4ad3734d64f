"""A service's own token: from its issuer for its credentials, or from a file that somebody renews."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr

from common.credentials import NoCredentials, ServiceToken
from common.settings import Settings

GIVEN: dict[str, Any] = {
    "database_url": "postgresql+asyncpg://nobody@127.0.0.1/none",
    "jwks_url": "file:///none",
    "service_token_url": "https://issuer.example/token",
    "service_client_id": "reports",
    "service_client_secret": SecretStr("hush"),
}


class Provider:
    """An issuer's token endpoint."""

    def __init__(self, lives: int) -> None:
        self.lives, self.asked, self.status = lives, 0, 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"reports:hush").decode()
        assert parse_qs(request.content.decode()) == {
            "grant_type": ["client_credentials"],
            "audience": ["union-platform"],
        }
        return httpx.Response(self.status, json={"access_token": f"token-{self.asked}", "expires_in": self.lives})


async def test_a_token_is_asked_for_once_while_it_lives() -> None:
    provider = Provider(lives=3600)
    token = ServiceToken(Settings(**GIVEN), httpx.MockTransport(provider))
    assert token.configured
    assert [await token.authorization() for _ in range(3)] == [{"Authorization": "Bearer token-1"}] * 3
    assert provider.asked == 1


async def test_a_token_that_is_about_to_expire_is_replaced_before() -> None:
    token = ServiceToken(Settings(**GIVEN), httpx.MockTransport(Provider(lives=59)))
    assert await token.authorization() != await token.authorization()


async def test_an_issuer_that_refuses_is_told_without_the_secret() -> None:
    provider = Provider(lives=3600)
    provider.status = 401
    with pytest.raises(NoCredentials) as refused:
        await ServiceToken(Settings(**GIVEN), httpx.MockTransport(provider)).authorization()
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_renewed_file_is_read_anew_and_a_missing_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = ServiceToken(Settings(**{**GIVEN, "service_token_url": None, "service_token_file": file}))
    with pytest.raises(NoCredentials, match="cannot be read"):
        await token.authorization()
    for content in ("one", "two"):
        file.write_text(f"{content}\n")
        assert await token.authorization() == {"Authorization": f"Bearer {content}"}
    file.write_text("")
    with pytest.raises(NoCredentials, match="empty"):
        await token.authorization()


async def test_without_either_it_says_what_to_set() -> None:
    token = ServiceToken(Settings(**{**GIVEN, "service_token_url": None}))
    assert not token.configured
    with pytest.raises(NoCredentials, match="UNION_SERVICE_TOKEN_URL"):
        await token.authorization()
