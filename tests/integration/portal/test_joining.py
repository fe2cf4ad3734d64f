"""The portal before the real registry: a form that a weak network sends twice, refusals beside their fields."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from common.app import Service
from common.events.registry import ApplicationSubmitted
from common.testing import TestIssuer
from portal.app import build_portal
from portal.config import PortalSettings
from registry.main import service as registry

HOME = "http://127.0.0.1:8000"
PERSON = {
    "last_name": "Речкина",
    "first_name": "Ольга",
    "birth_date": "1990-05-17",
    "sex": "female",
    "category": "working",
    "phone": "8 (913) 555-44-33",
    "consents": "membership",
}


@pytest.fixture
def service() -> Service:
    return registry


@pytest.fixture
async def browser(app: FastAPI, issuer: TestIssuer) -> AsyncIterator[httpx.AsyncClient]:
    settings = PortalSettings(
        portal_secret=SecretStr("a secret that is long enough for tests"),
        jwks_url=issuer.jwks_url,
        portal_url=HOME,
        oidc_issuer="https://issuer.example",
    )
    portal = build_portal(settings, {"registry": httpx.ASGITransport(app=app)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=portal), base_url=HOME) as client:
        yield client


@pytest.fixture
async def school(client: Any, issuer: TestIssuer) -> str:
    """A school below a region below the root; returns its id."""
    parent = None
    for kind, name in (("federal", "Профсоюз"), ("regional", "Омская область"), ("primary", "ППО «СОШ № 12»")):
        body = {"kind": kind, "name": name, "parent_id": parent, "code": kind}
        answer = await client.post(
            "/v1/organisations", json=body, headers=issuer.bearer("federal_staff", sub="centre")
        )
        assert answer.status_code == 201, answer.text
        parent = answer.json()["organisation_id"]
    return str(parent)


def hidden(page: httpx.Response) -> dict[str, str]:
    """The fields that the form sends by itself: its token, its key, the version of the consents' texts."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text.split('id="main"')[1]))


async def test_a_form_sent_twice_is_one_application_and_one_code(
    browser: httpx.AsyncClient, school: str, published: Any
) -> None:
    found = await browser.get("/join", params={"q": "школа 12"}, headers={"HX-Request": "true"})
    assert f"/join/{school}" in found.text
    assert "<html" not in found.text
    form = {**hidden(await browser.get(f"/join/{school}")), **PERSON}
    codes = []
    for _ in range(2):
        sent = await browser.post(f"/join/{school}", data=form)
        assert (sent.status_code, sent.headers["location"]) == (303, "/join/follow")
        page = await browser.get("/join/follow")
        found_code = re.search(r'<output id="code"[^>]*>([\w-]{22})</output>', page.text)
        assert found_code, page.text
        codes.append(found_code[1])
    assert codes[0] == codes[1]
    assert len(await published(ApplicationSubmitted)) == 1


async def test_a_refusal_stands_beside_its_field_and_the_form_keeps_what_was_typed(
    browser: httpx.AsyncClient, school: str, published: Any
) -> None:
    form = {**hidden(await browser.get(f"/join/{school}")), **PERSON, "last_name": "123", "email": "none"}
    page = await browser.post(f"/join/{school}", data=form)
    assert page.status_code == 422
    for name in ("last_name", "email"):
        assert re.search(rf'id="{name}-error">[^<]+<', page.text), name
    assert 'value="Ольга"' in page.text
    assert hidden(page)["key"] == form["key"]
    # Too young is about the whole.
    page = await browser.post(f"/join/{school}", data={**form, **PERSON, "email": "", "birth_date": "2020-01-01"})
    assert "с 14 лет." in page.text.split('role="alert"')[1]
    # Corrected, the same form is taken.
    assert (await browser.post(f"/join/{school}", data={**form, **PERSON, "email": ""})).status_code == 303
    assert len(await published(ApplicationSubmitted)) == 1


async def test_an_unknown_code_and_an_unknown_organisation_tell_nothing(browser: httpx.AsyncClient) -> None:
    form = hidden(await browser.get("/join/follow"))
    page = await browser.post("/join/follow", data={**form, "follow_code": "A" * 22})
    assert page.status_code == 404
    assert "Заявления с таким кодом нет" in page.text
    assert (await browser.get("/join/0192f000-0000-7000-8000-000000000000")).status_code == 404
    assert (await browser.get("/join/nonsense")).status_code == 404
