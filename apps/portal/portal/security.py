"""What stands before every page: headers, the session, who may not post here, how often one may ask."""

import hmac
import math
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import telemetry
from common.edge import BodyTooLarge
from common.limits import Bucket
from portal import i18n
from portal.config import PortalSettings
from portal.sessions import Keeper, Session, Visit

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""No inline script or style, no foreign host."""

HEADERS = {  # and `nosniff`, which the kernel puts on every answer
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS = "max-age=31536000; includeSubDomains"
_SAFE = ("GET", "HEAD", "OPTIONS")
_PLAIN = ("/static/", "/health/", "/metrics")
LANGUAGE_COOKIE = "language"

LIMITS = {"pages": (600, 60.0), "changes": (60, 60.0), "sign-in": (20, 60.0)}
"""By address: (times, seconds) of all pages, of everything that is posted, of ways to the sign-in."""


class Forged(Exception):
    """A form that does not come from a page of ours in this browser."""


class Visitors:
    """Reads the session before a request and writes it after; puts the security headers on every answer."""

    def __init__(
        self, app: ASGIApp, settings: PortalSettings, limits: dict[str, tuple[int, float]] | None = None
    ) -> None:
        self._app = app
        self._settings = settings
        self._keeper = Keeper(settings.secrets, settings.secure, settings.portal_session_hours)
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.portal_url))
        self._buckets = {name: Bucket(*limit) for name, limit in {**LIMITS, **(limits or {})}.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(_PLAIN):
            await self._app(scope, receive, _guarded(send, self._settings.secure))
            return
        request = Request(scope)
        visit = self._visit(request)
        scope.setdefault("state", {})["visit"] = visit
        refusal = self._refusal(request, visit)
        if refusal is not None:
            await refusal(scope, receive, _guarded(send, self._settings.secure))
            return

        answered = False

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                cookie = self._cookie(visit)
                if cookie:
                    message.setdefault("headers", []).append((b"set-cookie", cookie.encode()))
            await send(message)

        guarded = _guarded(sending, self._settings.secure)
        try:
            await self._app(scope, receive, guarded)
        except BodyTooLarge:
            raise  # the kernel's edge answers
        except Exception as error:
            # People get a page with a sentence; the kernel's own last resort is JSON.
            telemetry.log().error("request_failed", **telemetry.describe(error))
            if not answered:
                await HTMLResponse(_bare(visit, visit.t("error.500")), 500)(scope, receive, guarded)

    def _visit(self, request: Request) -> Visit:
        cookies = _cookies(request.headers.get("cookie", ""))
        session = self._keeper.read(cookies.get(self._keeper.name))
        language = i18n.chosen(cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
        return Visit(
            session=session or self._keeper.new(),
            language=language,
            path=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            address=request.client.host if request.client else "unknown",
            known=session is not None,
            was=repr(session.packed()) if session else "",
        )

    def _cookie(self, visit: Visit) -> str | None:
        if visit.over:
            return self._keeper.header(None)
        if not visit.known and not visit.touched:
            return None  # who only reads public pages gets no cookie
        return self._keeper.header(visit.session) if repr(visit.session.packed()) != visit.was else None

    def _refusal(self, request: Request, visit: Visit) -> Response | None:
        name = "pages" if request.method in _SAFE else "changes"
        if request.url.path == "/sign-in":
            name = "sign-in"
        wait = self._buckets[name].take(visit.address, time.monotonic())
        if wait:
            telemetry.LIMITED.labels(f"portal_{name}").inc()
            text = visit.t("error.too_many_requests")
            return HTMLResponse(_bare(visit, text), 429, {"Retry-After": str(math.ceil(wait))})
        if request.method not in _SAFE and not self._is_ours(request):
            return HTMLResponse(_bare(visit, visit.t("error.forged")), 403)
        return None

    def _is_ours(self, request: Request) -> bool:
        """Browsers say where a request comes from; an old one that does not still needs the form's token."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        return origin is None or origin == self._origin


def check_token(visit: Visit, sent: str | None) -> None:
    """Raises Forged unless `sent` is the session's own token."""
    if not visit.known or not sent or not hmac.compare_digest(sent, visit.session.csrf):
        raise Forged


def _guarded(send: Send, secure: bool) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {name for name, _ in message.setdefault("headers", [])}
            headers = HEADERS | ({"strict-transport-security": _HSTS} if secure else {})
            message["headers"].extend(
                (name.encode(), value.encode()) for name, value in headers.items() if name.encode() not in have
            )
        await send(message)

    return guarded


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _bare(visit: Visit, text: str) -> str:
    """A page before there are pages: one sentence and the way back."""
    return (
        f'<!doctype html><html lang="{visit.language}"><meta charset="utf-8"><title>{text}</title>'
        f'<meta name="viewport" content="width=device-width"><p>{text}</p><p><a href="/">{visit.t("nav.home")}</a></p>'
    )


__all__ = ["HEADERS", "POLICY", "Forged", "Session", "Visitors", "check_token"]
