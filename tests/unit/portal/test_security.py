"""Sessions, headers, forged forms, tokens: what a stranger can do with a browser of ours, and with none."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from portal.app import build_portal
from portal.config import PortalSettings
from portal.join import as_registered, normal_phone
from portal.member_money import kopecks
from portal.sealing import Seal
from portal.signin import safe_address
from tests.unit.portal.conftest import HOME, SECRET, problem

MEMBER = str(uuid4())
PERSON = {"subject": "anna", "roles": "member", "member_id": MEMBER}
VIEW = {
    "member_id": MEMBER, "organisation_id": str(uuid4()), "status": "member", "version": 3, "joined_on": "2015-09-01",
    "left_on": None, "category": "working", "consents": ["membership"], "first_name": "Анна", "last_name": "Лескова",
    "patronymic": None, "birth_date": "1984-04-12", "phone": "+79131234567", "email": None, "old_card_number": None,
    "birth_year": 1984, "sex": "female", "pedagogical": True,
}  # fmt: skip
TEXTS = [
    {"purpose": purpose, "version": "2021-1", "text": "Согласен", "text_hash": "0"}
    for purpose in ("membership", "cards", "bonus", "marketing")
]


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


async def test_every_answer_has_the_headers_and_no_policy_lets_anything_foreign_in(browser: Any) -> None:
    for path in ("/", "/verify", "/nothing", "/static/x/nothing.js", "/sw.js", "/health/live", "/member"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "script-src 'self';" in policy, path
        assert "unsafe" not in policy, path
        assert not re.search(r"https?:", policy), path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path


async def test_pages_have_no_inline_script_or_style(browser: Any, answers: Any) -> None:
    answers["GET", "/v1/public/regions"] = {"items": [], "next_cursor": None}
    for path in ("/", "/verify", "/join", "/join/follow", "/offline"):
        text = (await browser.get(path)).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", text), path


async def test_a_session_is_sealed_and_out_of_a_scripts_reach(browser: Any, sign_in: Any, issuer: Any) -> None:
    answer = await sign_in(**PERSON)
    assert (answer.status_code, answer.headers["location"]) == (303, "/member")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("session="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "eyJ" not in cookie  # as every JWT begins
    assert MEMBER not in cookie
    assert "token" not in answer.headers["location"]


async def test_over_tls_the_cookie_is_bound_to_the_host_and_browsers_stay_with_tls(
    settings: PortalSettings,
) -> None:
    production = PortalSettings(
        portal_secret=SecretStr(SECRET),
        jwks_url=settings.jwks_url,
        portal_url="https://portal.example",
        oidc_issuer="https://issuer.example",
    )
    app = build_portal(production)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOME) as client:
        answer = await client.get("/join/follow")
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-session=")
        assert "; Secure" in cookie
        assert (await client.get("/development/authorize")).status_code == 404


def test_what_is_unsafe_does_not_start(settings: PortalSettings) -> None:
    known: dict[str, Any] = {"jwks_url": settings.jwks_url, "oidc_issuer": "https://issuer.example"}
    cases: list[dict[str, Any]] = [
        {"portal_secret": SecretStr("short")},
        {"portal_secret": SecretStr(SECRET), "portal_url": "http://portal.example"},
        {"portal_secret": SecretStr(SECRET), "portal_url": "https://portal.example", "development_issuer": "."},
        {"portal_secret": SecretStr(SECRET), "oidc_issuer": ""},
    ]
    for wrong in cases:
        with pytest.raises(ValidationError):
            PortalSettings(**known | wrong)


async def test_the_language_is_kept_and_leads_nowhere_else(browser: Any) -> None:
    answer = await browser.get("/language/en", params={"back": "//evil.example/"})
    assert answer.headers["location"] == "/"
    assert 'lang="en"' in (await browser.get("/")).text


def test_only_our_own_addresses_are_gone_back_to() -> None:
    assert safe_address("/member/card?x=1") == "/member/card?x=1"
    for bad in ("//evil.example", "/\\evil.example", "https://evil.example", "member", "", "/a\r\nSet-Cookie: x"):
        assert safe_address(bad) == "/"


async def test_a_form_from_elsewhere_or_without_its_token_changes_nothing(
    browser: Any, sign_in: Any, answers: Any, asked: list[httpx.Request]
) -> None:
    await sign_in(**PERSON)
    answers["GET", f"/v1/members/{MEMBER}"] = VIEW
    answers["GET", "/v1/public/consent-texts"] = TEXTS
    token = token_of(await browser.get("/member/data"))
    asked.clear()
    form = {"sure": "1", "csrf": token}
    for headers, body in (
        ({"sec-fetch-site": "cross-site"}, form),
        ({"sec-fetch-site": "same-site"}, form),
        ({"origin": "https://evil.example"}, form),
        ({"origin": "null"}, form),
        ({}, {"sure": "1"}),
        ({}, {"sure": "1", "csrf": token[:-1] + ("A" if token[-1] != "A" else "B")}),
    ):
        answer = await browser.post("/member/leave", data=body, headers=headers)
        assert answer.status_code == 403, (headers, body)
    assert asked == []
    answers["POST", f"/v1/members/{MEMBER}/leave"] = {}
    answer = await browser.post(
        "/member/leave", data=form, headers={"sec-fetch-site": "same-origin", "origin": HOME}
    )
    assert answer.status_code == 303


async def test_a_strangers_cookie_is_no_session(browser: Any, settings: PortalSettings) -> None:
    good = Seal([SECRET], "session").close({"csrf": "x", "token": "t", "ends": 9e9})
    for cookie in (good[:-2] + "AA", Seal(["another secret " * 4], "session").close({"ends": 9e9}), "", "é"):
        browser.cookies.set("session", cookie.encode("ascii", "ignore").decode())
        assert (await browser.get("/member")).headers["location"].startswith("/sign-in")
    # What was sealed for another purpose does not pass for a session.
    browser.cookies.set("session", Seal([SECRET], "sign-in").close({"token": "t", "ends": 9e9}))
    assert (await browser.get("/member")).status_code == 303


def test_an_old_secret_still_opens_and_the_new_one_seals() -> None:
    old, new = "o" * 40, "n" * 40
    kept = Seal([old], "session").close({"a": 1})
    rotated = Seal([new, old], "session")
    assert rotated.open(kept) == {"a": 1}
    assert Seal([old], "session").open(rotated.close({"a": 1})) is None


async def test_signing_out_leaves_nothing_behind(browser: Any, sign_in: Any, answers: Any) -> None:
    await sign_in(**PERSON)
    answers["GET", f"/v1/members/{MEMBER}"] = VIEW
    answers["GET", "/v1/public/consent-texts"] = TEXTS
    page = await browser.get("/member/data")
    assert page.headers["cache-control"] == "no-store"
    answer = await browser.post("/sign-out", data={"csrf": token_of(page)})
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert any("Max-Age=0" in value for value in answer.headers.get_list("set-cookie"))
    assert (await browser.get("/member/data")).headers["location"].startswith("/sign-in")


async def test_a_sign_in_must_be_ones_own_and_the_code_works_once(browser: Any) -> None:
    there = await browser.get("/sign-in")
    address = there.headers["location"].replace("/authorize?", "/choose?")
    back = (await browser.get(address, params={**dict(httpx.URL(address).params), **PERSON})).headers["location"]
    forged = httpx.URL(back).copy_set_param("state", "another")
    assert (await browser.get(str(forged))).status_code == 400
    kept = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    browser.cookies.update(kept)
    again = await browser.get(back, headers={"cookie": "; ".join(f"{k}={v}" for k, v in kept.items())})
    assert again.status_code == 400
    # Somebody else's browser has no journey to go on with.
    browser.cookies.clear()
    assert (await browser.get(back)).status_code == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "https://elsewhere.example/sign-in/callback"},
        {"code_challenge": None},
        {"nonce": None},
        {"state": None},
        {"client_id": None},
        {"organisation": "no identifier"},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_the_development_provider_answers_the_portals_own_whole_requests_only(
    browser: Any, changed: dict[str, str | None]
) -> None:
    asked = httpx.URL((await browser.get("/sign-in")).headers["location"])
    params = {name: value for name, value in {**dict(asked.params), **changed}.items() if value is not None}
    pages = (
        ["/development/authorize"]
        if "organisation" in changed
        else ["/development/authorize", "/development/choose"]
    )
    for page in pages:
        refused = await browser.get(page, params={**params, **PERSON})
        assert (refused.status_code, refused.headers.get("location")) == (400, None)


async def test_a_code_without_its_verifier_buys_nothing(browser: Any) -> None:
    there = await browser.get("/sign-in")
    address = there.headers["location"].replace("/authorize?", "/choose?")
    back = httpx.URL(
        (await browser.get(address, params={**dict(httpx.URL(address).params), **PERSON})).headers["location"]
    )
    body = {"grant_type": "authorization_code", "code": back.params["code"], "code_verifier": "guessed"}
    assert (await browser.post("/development/token", data=body)).status_code == 400


async def test_a_token_that_a_service_refuses_leads_to_the_sign_in(
    browser: Any, sign_in: Any, answers: Any
) -> None:
    await sign_in(**PERSON)
    answers["GET", f"/v1/members/{MEMBER}"] = problem(401, "token_required")
    answer = await browser.get("/member/data")
    assert answer.headers["location"] == "/sign-in?next=%2Fmember%2Fdata"


async def test_who_asks_too_often_waits(settings: PortalSettings) -> None:
    app = build_portal(settings, limits={"pages": (3, 60.0)})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOME) as client:
        statuses = [(await client.get("/")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert int((await client.get("/")).headers["retry-after"]) > 0
        assert (await client.get("/health/live")).status_code == 200


async def test_services_hear_of_the_visitors_address_and_never_of_the_cookie(
    browser: Any, answers: Any, asked: list[httpx.Request]
) -> None:
    answers["GET", "/v1/public/regions"] = {"items": [], "next_cursor": None}
    await browser.get("/join")
    assert asked[0].headers["x-forwarded-for"] == "127.0.0.1"
    assert "cookie" not in asked[0].headers


async def test_a_service_that_is_away_is_a_sentence_not_a_crash(
    browser: Any, sign_in: Callable[..., Any], answers: Any
) -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    await sign_in(**PERSON)
    answers["GET", f"/v1/members/{MEMBER}"] = VIEW
    answers["GET", "/v1/balance"] = away
    answers["GET", "/v1/cards"] = away
    page = await browser.get("/member")
    assert page.status_code == 200
    assert page.text.count("Этот раздел сейчас недоступен") == 2
    answers["GET", f"/v1/members/{MEMBER}"] = away
    assert (await browser.get("/member")).status_code == 503


async def test_our_own_mistake_is_a_sentence_too(browser: Any, sign_in: Any, answers: Any) -> None:
    await sign_in(**PERSON)
    answers["GET", f"/v1/members/{MEMBER}"] = {"organisation_id": str(uuid4()), "not": "what was agreed on"}
    answers["GET", "/v1/public/consent-texts"] = TEXTS
    page = await browser.get("/member/data")
    assert page.status_code == 500
    assert "Это наша ошибка" in page.text
    assert "agreed" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_phones_amounts_and_words_are_taken_as_people_write_them() -> None:
    for written in ("8 (913) 123-45-67", "+7 913 123 45 67", "79131234567", "9131234567"):
        assert normal_phone(written) == "+79131234567"
    assert normal_phone("123") is None
    assert normal_phone("8913123456x") is None
    assert [kopecks(text) for text in ("1 250,50", "250", "0,5", "7.1 ₽")] == [125050, 25000, 50, 710]
    assert [kopecks(text) for text in ("", "0", "-5", "1,234", "сто")] == [None] * 5
    assert as_registered("Школа 12") == "сош 12"
