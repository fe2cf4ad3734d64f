"""Signing in and out; who must be signed in for a page."""

import secrets
import time
from http.cookies import SimpleCookie
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from common import telemetry
from common.auth import Role
from portal.apis import ApiProblem
from portal.config import PortalSettings
from portal.oidc import CALLBACK, Journey, Provider, ProviderAway, SignInFailed, Tokens
from portal.pages import NO_STORE, VisitDep, page
from portal.sealing import Seal
from portal.sessions import SessionTooLarge, Visit

router = APIRouter()

_COOKIE = "sign-in"
_JOURNEY_SECONDS = 900
_RENEW_BEFORE = 60.0
"""Seconds before a token's end from which a new one is asked for."""
_FORGET = '"cache", "storage"'
"""Clear-Site-Data: nothing personal stays on a shared device. The cookie ends by itself."""


class SignInNeeded(Exception):
    """The page is for somebody who is signed in."""


def address_of_sign_in(back_to: str) -> str:
    return f"/sign-in?{urlencode({'next': back_to})}"


def safe_address(address: str) -> str:
    """A path of ours; anything else becomes the first page."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if ours else "/"


async def signed_in(request: Request, visit: VisitDep) -> Visit:
    """The visitor, whose token is still good. Raises SignInNeeded."""
    session = visit.session
    if session.token is None:
        raise SignInNeeded
    if session.token_ends - time.time() < _RENEW_BEFORE and session.refresh:
        try:
            _keep(visit, await _provider(request).renewed(session.refresh))
        except (SignInFailed, ProviderAway):
            session.refresh = None
    if session.token_ends <= time.time():
        session.token = None
        raise SignInNeeded
    return visit


SignedInDep = Annotated[Visit, Depends(signed_in)]


async def member_of(visit: SignedInDep) -> UUID:
    """The member's own id. Raises ApiProblem for somebody who is signed in and no member."""
    if visit.member_id is None:
        raise ApiProblem(403, "not_a_member")
    return visit.member_id


MemberDep = Annotated[UUID, Depends(member_of)]


@router.get("/sign-in")
async def sign_in(request: Request, visit: VisitDep, next: str = "") -> Response:
    """Off to the provider."""
    settings: PortalSettings = request.app.state.settings
    journey = Journey.begin(safe_address(next) if next else "")
    try:
        address = await _provider(request).way_there(journey, visit.language)
    except ProviderAway:
        raise ApiProblem(503, "sign_in_away") from None
    response = RedirectResponse(address, 303, NO_STORE)
    response.set_cookie(
        _COOKIE,
        _seal(settings).close({**vars(journey), "ends": time.time() + _JOURNEY_SECONDS}),
        max_age=_JOURNEY_SECONDS,
        path="/sign-in",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(CALLBACK)
async def signed_in_there(
    request: Request, visit: VisitDep, code: str = "", state: str = "", error: str = ""
) -> Response:
    """Back from the provider, with a code that is exchanged behind the browser's back: no token is in an address."""
    settings: PortalSettings = request.app.state.settings
    kept = SimpleCookie(request.headers.get("cookie", "")).get(_COOKIE)
    known = _seal(settings).open(kept.value) if kept else None
    if known is None or known.pop("ends") < time.time():
        raise ApiProblem(400, "sign_in_stale")
    journey = Journey(**known)
    if error or not secrets.compare_digest(journey.state, state):
        raise ApiProblem(400, "sign_in_refused")
    try:
        tokens = await _provider(request).tokens(journey, code)
    except SignInFailed as reason:
        telemetry.log().warning("sign_in_failed", reason=str(reason))
        raise ApiProblem(400, "sign_in_refused") from None
    except ProviderAway:
        raise ApiProblem(503, "sign_in_away") from None
    # A new session, not the one that somebody may have planted in this browser before.
    visit.session = request.app.state.keeper.new()
    visit.touched = True
    _keep(visit, tokens)
    try:
        request.app.state.keeper.header(visit.session)
    except SessionTooLarge:
        visit.over = True
        telemetry.log().error("sign_in_failed", reason="the provider's tokens do not fit into a cookie")
        raise ApiProblem(503, "sign_in_away") from None
    response = RedirectResponse(journey.back_to or first_page(visit), 303, NO_STORE)
    response.delete_cookie(_COOKIE, path="/sign-in", secure=settings.secure, httponly=True, samesite="lax")
    return response


@router.post("/sign-out")
async def sign_out(request: Request, visit: VisitDep) -> Response:
    """End the session; the browser forgets pages and keys, on a shared device too.

    Without the form's token: that the request is our own page's is enough, and a page that the browser kept since an
    earlier session must be able to end this one.
    """
    visit.over = True
    visit.session.token = visit.session.refresh = None
    elsewhere = await _provider(request).way_out()
    response = page(request, "signed_out.html", elsewhere=elsewhere)
    response.headers["Clear-Site-Data"] = _FORGET
    return response


def first_page(visit: Visit) -> str:
    """Where one begins who came for nothing in particular."""
    principal = visit.principal
    if principal and Role.MEMBER in principal.roles:
        return "/member"
    return "/"


def _keep(visit: Visit, tokens: Tokens) -> None:
    visit.session.token, visit.session.refresh = tokens.access, tokens.refresh
    visit.session.token_ends = tokens.ends


def _provider(request: Request) -> Provider:
    provider: Provider = request.app.state.provider
    return provider


def _seal(settings: PortalSettings) -> Seal:
    return Seal(settings.secrets, "sign-in")
