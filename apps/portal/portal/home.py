"""The first page, the language, what makes the portal installable, the page for no network."""

import json

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from portal.i18n import LANGUAGES, Translator
from portal.pages import VisitDep, go, page, static, static_files, static_version
from portal.security import LANGUAGE_COOKIE
from portal.signin import safe_address

router = APIRouter()

_YEAR = 365 * 86_400


@router.get("/")
async def first_page(request: Request) -> Response:
    return page(request, "home.html")


@router.get("/language/{language}")
async def choose_language(language: str, request: Request, back: str = "/") -> Response:
    """Another language, on the page that one looks at."""
    response = RedirectResponse(safe_address(back), 303, {"Cache-Control": "no-store"})
    if language in LANGUAGES:
        settings = request.app.state.settings
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=_YEAR, secure=settings.secure, httponly=True, samesite="lax"
        )
    return response


@router.get("/offline")
async def offline(request: Request) -> Response:
    """What the service worker shows instead of a page that it cannot get."""
    return page(request, "offline.html")


@router.get("/manifest.{language}.webmanifest")
async def manifest(language: str) -> Response:
    """What makes it an app on the phone's first screen."""
    if language not in LANGUAGES:
        return go("/manifest.ru.webmanifest")
    t = Translator("en" if language == "en" else "ru")
    document = {
        "name": str(t("app.name")),
        "short_name": str(t("app.short")),
        "description": str(t("app.about")),
        "lang": language,
        "start_url": "/member",
        "id": "/member",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f4ef",
        "theme_color": "#0f4f4e",
        "icons": [
            {"src": static("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
            {"src": static("icon-maskable.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "maskable"},
            {"src": static("icon-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": static("icon-512.png"), "sizes": "512x512", "type": "image/png"},
        ],
        "shortcuts": [
            {"name": str(t("card.title")), "url": "/member/card"},
            {"name": str(t("verify.title")), "url": "/verify"},
        ],
    }
    return Response(
        json.dumps(document, ensure_ascii=False),
        media_type="application/manifest+json",
        headers={"Cache-Control": "max-age=3600"},
    )


@router.get("/sw.js")
async def service_worker(visit: VisitDep) -> Response:
    """The service worker, told which release's files it keeps. At the root, so that it serves every page."""
    names = sorted(name for name in static_files() if name != "sw.js" and not name.endswith(".png"))
    head = f"const VERSION = {json.dumps(static_version())};\nconst FILES = {json.dumps([static(n) for n in names])};\n"
    return Response(
        head + static_files()["sw.js"].decode(),
        media_type="text/javascript",
        headers={"Cache-Control": "no-cache"},
    )
