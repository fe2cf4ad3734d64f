"""The outermost ASGI layer of every process: span, metric, log line, size limit, last-resort 500."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import telemetry
from common.http import problem

_QUIET = ("/health/", "/metrics")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class BodyTooLarge(Exception):
    """Our own limit: FastAPI's `max_body_size` answers in plain text, past the handlers that make problems."""


class Edge:
    """Wraps an application. Nothing of a request but its method, route template and status is recorded."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, large: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_body = max_body_bytes
        self._large = large or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A name of the caller's own would be a label of its own, and a new one with each request.
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")
        status, begun = 500, time.perf_counter()
        answered, taken = False, 0
        limit = self._large.get(scope["path"], self._max_body)

        too_large = False

        async def receiving() -> Message:
            nonlocal taken, too_large
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                too_large = True
                raise BodyTooLarge
            return message

        async def sending(message: Message) -> None:
            nonlocal status, answered
            if too_large and not answered:
                return  # the framework's own words about a body that it could not read
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message.setdefault("headers", []).extend(
                    [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
                    if not any(name == b"cache-control" for name, _ in message.get("headers", []))
                    else [(b"x-content-type-options", b"nosniff")]
                )
            await send(message)

        with telemetry.tracer.start_as_current_span(
            method,
            context=propagate.extract({"traceparent": parent}),
            kind=trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                with contextlib.suppress(BodyTooLarge):
                    await self._app(scope, receiving, sending)
                if too_large and not answered:
                    too_large = False
                    detail = f"Send at most {limit} bytes in one request."
                    await problem(413, "body_too_large", detail)(scope, receive, sending)
            except Exception as error:
                telemetry.log().error("request_failed", route=_route(scope), **telemetry.describe(error))
                if not answered:
                    await problem(
                        500, "internal_error", "This is our mistake and it is recorded; nothing was changed."
                    )(scope, receive, sending)
            finally:
                route, seconds = _route(scope), time.perf_counter() - begun
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": route,
                        "http.response.status_code": status,
                    }
                )
                telemetry.HTTP_DURATION.labels(method, route, status).observe(seconds)
                if not route.startswith(_QUIET):
                    telemetry.log().info(
                        "request",
                        method=method,
                        route=route,
                        status=status,
                        ms=round(seconds * 1000, 1),
                    )


def _route(scope: dict[str, Any] | Any) -> str:
    """The route's template, so that labels stay bounded and no id is recorded."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path_format", None) or getattr(route, "path", "unmatched"))
    path = scope.get("path", "")
    return path if path in ("/metrics", "/health/live", "/health/ready") else "unmatched"
