"""The portal put together: pages over the services' APIs, health and metrics as every process has them."""

import contextlib
import gzip
import mimetypes
from collections.abc import AsyncIterator, Mapping
from functools import cache

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from common import telemetry
from common.edge import Edge
from portal import home, join, member, member_card, member_money, signin, verify
from portal.apis import ApiProblem, Apis
from portal.config import PortalSettings
from portal.oidc import Provider
from portal.pages import go, is_partial, page, sentence, static_files, static_version, visit_of
from portal.security import Forged, Visitors
from portal.sessions import Keeper
from portal.signin import SignInNeeded, address_of_sign_in

ROUTERS: tuple[APIRouter, ...] = (
    home.router,
    signin.router,
    join.router,
    member.router,
    member_card.router,
    member_money.router,
    verify.router,
)
"""Every part of the portal; a new one is added here."""

_FOREVER = "public, max-age=31536000, immutable"
_PACKED = (".js", ".css", ".svg", ".webmanifest")


def build_portal(
    settings: PortalSettings,
    transports: Mapping[str, httpx.AsyncBaseTransport] | None = None,
    limits: dict[str, tuple[int, float]] | None = None,
) -> FastAPI:
    """`transports`: other ways to the services than the network, by their names, and `oidc` to the provider."""
    apis = Apis(settings, transports)
    provider = Provider(settings, (transports or {}).get("oidc"))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await apis.close()
        await provider.close()
        telemetry.shutdown()

    app = FastAPI(
        title="Portal",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.apis, app.state.provider, app.state.settings = apis, provider, settings
    app.state.keeper = Keeper(settings.secrets, settings.secure, settings.portal_session_hours)
    for router in ROUTERS:
        app.include_router(router)
    if settings.development_issuer is not None:
        from portal import development  # the image has no such issuer

        app.include_router(development.router_of(settings))
    _add_operational(app)
    _add_refusals(app)
    app.add_middleware(Visitors, settings=settings, limits=limits)
    app.add_middleware(Edge, max_body_bytes=settings.max_body_bytes)
    return app


def _add_operational(app: FastAPI) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/health/ready")
    async def ready() -> dict[str, bool | None]:
        # Not the services: pages tell by themselves which of them is away, and the others go on.
        return {"ready": True, "reason": None}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/static/{version}/{name}")
    async def static_file(version: str, name: str, request: Request) -> Response:
        content = static_files().get(name)
        if content is None:
            return PlainTextResponse("Not found", 404)
        # A page of the release before may still ask by its own version: it gets what there is, for now only.
        headers = {
            "Cache-Control": _FOREVER if version == static_version() else "no-cache",
            "Vary": "Accept-Encoding",
        }
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if name.endswith(_PACKED) and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(_packed(name), media_type=kind, headers=headers | {"Content-Encoding": "gzip"})
        return Response(content, media_type=kind, headers=headers)


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(static_files()[name], 9, mtime=0)


def _add_refusals(app: FastAPI) -> None:
    """Every refusal is a page with a sentence that says what to do; to a script it is JSON."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiProblem)
        visit = visit_of(request)
        if error.status == 401 and visit.signed_in:
            visit.session.token = visit.session.refresh = None
            return _to_sign_in(request)
        return _refusal(request, error)

    async def sign_in(request: Request, _error: Exception) -> Response:
        return _to_sign_in(request)

    async def forged(request: Request, _error: Exception) -> Response:
        return _refusal(request, ApiProblem(403, "forged"))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if not hasattr(request.state, "visit"):
            return PlainTextResponse("Not found", error.status_code)
        return _refusal(request, ApiProblem(error.status_code, "not_found" if error.status_code == 404 else ""))

    async def invalid(request: Request, _error: Exception) -> Response:
        # An address that names no id, a page number that is none.
        return _refusal(request, ApiProblem(404, "not_found"))

    app.add_exception_handler(ApiProblem, problem)
    app.add_exception_handler(SignInNeeded, sign_in)
    app.add_exception_handler(Forged, forged)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _refusal(request: Request, error: ApiProblem) -> Response:
    visit = visit_of(request)
    told = sentence(visit, error)
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if _wants_json(request):
        response: Response = JSONResponse(
            {"code": error.code, "detail": str(told)}, error.status, {"Cache-Control": "no-store"}
        )
    else:
        response = page(request, "refusal.html", error.status, told=told, problem=error)
    response.headers.update(headers)
    return response


def _to_sign_in(request: Request) -> Response:
    visit = visit_of(request)
    address = address_of_sign_in(visit.path if request.method == "GET" else "/")
    if _wants_json(request):
        return JSONResponse({"code": "token_required", "detail": str(visit.t("error.401"))}, 401)
    if is_partial(request):
        return Response(status_code=204, headers={"HX-Redirect": address})
    return go(address)
