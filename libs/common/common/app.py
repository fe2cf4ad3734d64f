"""The only composition code: a service's description becomes an API process and a worker process."""

import asyncio
import contextlib
import copy
import functools
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fastapi_offline
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common import idempotency, jobs, parking, telemetry
from common.auth import Principal, TokenVerifier
from common.consumers import Subscription
from common.db import Database
from common.edge import Edge
from common.http import PROBLEM, Problem, install_problem_handlers
from common.idempotency import KernelRoute
from common.jobs import Job, Workshop
from common.jobs_api import jobs_router
from common.rebuild import Derived
from common.relay import Relay
from common.rounds import Clockwork, Errand, Round
from common.settings import Settings
from common.streams import Streams

_MANNERS = """\
- Send a bearer token with each request, but for the public ones.
- Send an `Idempotency-Key` (a UUID of your own) with each POST. On any doubt repeat the request with the same key:
  you get the first answer, and nothing happens twice.
- An answer with one resource has its `ETag`; send it as `If-Match` when you change the resource. 412: read it again.
- Lists come in pages: send `next_cursor` as `cursor` until it is null.
- A refusal is `application/problem+json`: `code` is stable and for your program, `detail` says what to do.
- Send again in a moment on 503, and after `Retry-After` seconds on 429.
"""


@dataclass(frozen=True, eq=False)
class Service:
    """What makes one service: everything else is the same for all four. Each is equal to itself alone."""

    name: str
    title: str
    settings: type[Settings]
    routers: Sequence[APIRouter]
    subscriptions: Callable[[Any], list[Subscription]]
    """Given the service's settings, what it does with events."""
    metadata: sa.MetaData
    migrations: Path
    jobs: Sequence[Job] = ()
    """The kinds of long work that it does when asked."""
    rounds: Sequence[Round] = ()
    """What it does by itself when time passes."""
    errands: Sequence[Errand] = ()
    """What it tells others by itself, outside of any transaction."""
    partners: Callable[[AsyncSession], Awaitable[list[str]]] | None = None
    """The codes of the partners that it keeps the register of: each has topics of its own."""
    powers: Callable[[Database, Principal], Awaitable[Principal]] | None = None
    """Asked at each request with a token: the bearer with the powers that are left today."""
    large_bodies: Mapping[str, int] = field(default_factory=dict)
    """Paths of uploads, with the size limit of each in bytes: it stands in the place of the general one."""
    derived: Derived | None = None
    """What it makes of the tables that events fill: `union rebuild` makes that anew too."""
    prepare: Callable[[FastAPI, Any], None] | None = None
    """Puts resources of the service (keys, forms) into `app.state`, once."""


def build_api(service: Service, settings: Settings, database: Database | None = None) -> FastAPI:
    """The HTTP process: writes its own database, never touches Kafka."""
    database = database or Database.connect(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()
        telemetry.shutdown()

    app = _bare(service)
    app.router.routes.extend(_routed(service).router.routes)
    app.openapi = lambda: openapi_of(service)  # type: ignore[method-assign]
    app.router.lifespan_context = lifespan
    app.state.database = database
    app.state.settings = settings
    app.state.powers = service.powers
    app.state.tokens = TokenVerifier(settings.jwks_url, settings.token_issuer, settings.token_audience)
    if service.prepare:
        service.prepare(app, settings)
    install_problem_handlers(app)
    _add_docs(app)
    app.router.routes.extend(_operational_routes(lambda: _database_ready(database, service)))
    app.add_middleware(Edge, max_body_bytes=settings.max_body_bytes, large=service.large_bodies)
    return app


def openapi_of(service: Service) -> dict[str, Any]:
    """The document at /openapi.json, made without settings, database or keys."""
    return copy.deepcopy(_openapi(_routed(service)))  # made once, and whoever asks may change what they got


@functools.cache
def _routed(service: Service) -> FastAPI:
    """An application that knows the service's routes and nothing behind them; it is never served.

    Made once: FastAPI takes a third of a second to study the routes of one service, and what it learns depends on no
    settings. (Its `dependency_overrides` are the ones that count; nobody needs them.)
    """
    app = _bare(service)
    for router in service.routers:
        app.include_router(router)
    if service.jobs:
        app.include_router(_jobs_of(service))
    return app


def _bare(service: Service) -> FastAPI:
    return FastAPI(
        title=service.title,
        version="1.0.0",
        description=_MANNERS,
        # A route is called what its function is called: generated clients read like the code.
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        # Edge traces and counts a request once, without ids; FastAPI's own would record inputs and exception texts.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redoc_url=None,
        responses={"default": {"model": Problem, "description": "A problem with a stable code"}},
    )


def router(prefix: str = "/v1", **options: Any) -> APIRouter:
    """The router every service uses: stores a POST's answer for replay."""
    return APIRouter(prefix=prefix, route_class=KernelRoute, **options)


def _jobs_of(service: Service) -> APIRouter:
    return jobs_router(router(tags=["jobs"]), service.metadata.tables["job"], service.jobs)


async def _purge_job_files(session: AsyncSession, _now: datetime, settings: Settings) -> None:
    await jobs.purge_files(session, settings.job_file_days)


_PURGE = Round("purge_job_files", timedelta(hours=1), _purge_job_files)


def build_worker(service: Service, settings: Settings, database: Database | None = None) -> Starlette:
    """The background process: consumers and the outbox relay, with health and metrics over HTTP."""
    database = database or Database.connect(settings)
    subscriptions = service.subscriptions(settings)
    relay = Relay(database, settings)
    streams = Streams(service.name, subscriptions, database, settings)
    workshop = Workshop(service.jobs, database, settings)
    clockwork = Clockwork([*service.rounds, _PURGE], database, settings, service.errands)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        relay.start()
        await streams.start()
        workshop.start()
        clockwork.start()
        watcher = asyncio.create_task(_watch(database, subscriptions, streams, settings), name="watch")
        yield
        # Consumers first: what their last batches publish is in the outbox, safe, before the relay ends.
        await streams.stop()
        await clockwork.stop()
        await workshop.stop()
        await relay.stop()
        watcher.cancel()
        await database.close()
        telemetry.shutdown()

    def alive() -> bool:
        return relay.alive and streams.alive and workshop.alive and clockwork.alive

    async def ready() -> str | None:
        if not streams.assigned:
            return "waiting for partitions"
        return await _database_ready(database, service)

    worker = Starlette(routes=_operational_routes(ready, alive), lifespan=lifespan)
    worker.add_middleware(Edge, max_body_bytes=settings.max_body_bytes)
    worker.state.streams, worker.state.relay = streams, relay
    return worker


async def _watch(
    database: Database, subscriptions: Sequence[Subscription], streams: Streams, settings: Settings
) -> None:
    for second in itertools.count():
        streams.measure()
        with contextlib.suppress(SQLAlchemyError, OSError):
            if second % 60 == 0:
                async with database.sessions.begin() as session:
                    await idempotency.forget(session, settings.idempotency_days)
            async with database.sessions() as session:
                counts = await parking.parked_count(session)
            for subscription in subscriptions:
                telemetry.PARKED_NOW.labels(subscription.consumer).set(counts.get(subscription.consumer, 0))
        await asyncio.sleep(1)


async def _database_ready(database: Database, service: Service) -> str | None:
    """None when the database answers and has this release's schema or a later one; else the reason."""
    try:
        async with asyncio.timeout(3), database.engine.connect() as connection:
            version = await connection.scalar(sa.text("select version_num from alembic_version"))
    except (SQLAlchemyError, OSError, TimeoutError):
        return f"the database of {service.name} does not answer or is not migrated"
    # Named by number: `union migrate --write` counts them.
    newest = max((file.name[:4] for file in (service.migrations / "versions").glob("[0-9]*.py")), default="")
    if (version or "") < newest:
        return f"the database of {service.name} waits for its migration"
    return None


def _operational_routes(ready: Callable[[], Any], alive: Callable[[], bool] = lambda: True) -> list[Route]:
    async def live(_request: Request) -> Response:
        # Never the database or the broker: restarting this process would not mend them.
        return JSONResponse({"live": alive()}, 200 if alive() else 503)

    async def is_ready(_request: Request) -> Response:
        reason = await ready()
        return JSONResponse({"ready": reason is None, "reason": reason}, 200 if reason is None else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/health/live", live, include_in_schema=False),
        Route("/health/ready", is_ready, include_in_schema=False),
        Route("/metrics", metrics, include_in_schema=False),
    ]


def _add_docs(app: FastAPI) -> None:
    """The API viewer, from files of an installed package: no call to a foreign host."""
    static = Path(fastapi_offline.__file__).parent / "static"
    app.mount("/docs/static", StaticFiles(directory=static), name="docs-static")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="/docs/static/favicon.png",
        )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with what only the kernel knows.

    What takes If-Match needs it; a refusal is problem+json whatever the route answers with.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in document["paths"].values():
            for operation in path.values():
                refusal = operation["responses"]["default"]
                [schema] = refusal["content"].values()
                refusal["content"] = {PROBLEM: schema}
                for parameter in operation.get("parameters", []):
                    if parameter["in"] == "header" and parameter["name"] == "If-Match":
                        parameter["required"] = True
                        parameter["schema"] = {"type": "string", "maxLength": 50}
        app.openapi_schema = document
    return app.openapi_schema
