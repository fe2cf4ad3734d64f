"""The outermost ASGI layer of every process: span, metric, log line, size limit, last-resort 500."""

import time
from typing import Any

from opentelemetry import propagate, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import telemetry
from common.http import problem

_QUIET = ("/health/", "/metrics")


class BodyTooLarge(Exception):
    pass


class Edge:
    """Wraps an application. Nothing of a request but its method, route template and status is recorded."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, exempt: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._max_body = max_body_bytes
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status, begun = 500, time.perf_counter()
        answered = False

        async def sending(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message.setdefault("headers", []).extend(
                    [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
                    if not any(name == b"cache-control" for name, _ in message.get("headers", []))
                    else [(b"x-content-type-options", b"nosniff")]
                )
            await send(message)

        with telemetry.tracer.start_as_current_span(
            scope["method"],
            context=propagate.extract({"traceparent": headers.get("traceparent", "")}),
            kind=trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._app(scope, self._limited(scope, headers, receive), sending)
            except BodyTooLarge:
                if not answered:
                    await problem(413, "body_too_large", f"Send at most {self._max_body} bytes in one request.")(
                        scope, receive, sending
                    )
            except Exception as error:
                telemetry.log().error("request_failed", route=_route(scope), **telemetry.describe(error))
                if not answered:
                    await problem(
                        500, "internal_error", "This is our mistake and it is recorded; nothing was changed."
                    )(scope, receive, sending)
            finally:
                route, seconds = _route(scope), time.perf_counter() - begun
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes(
                    {
                        "http.request.method": scope["method"],
                        "http.route": route,
                        "http.response.status_code": status,
                    }
                )
                telemetry.HTTP_DURATION.labels(scope["method"], route, status).observe(seconds)
                if not route.startswith(_QUIET):
                    telemetry.log().info(
                        "request",
                        method=scope["method"],
                        route=route,
                        status=status,
                        ms=round(seconds * 1000, 1),
                    )

    def _limited(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        if scope["path"] in self._exempt:
            return receive
        length = headers.get("content-length", "0")
        declared = int(length) if length.isdigit() else 0
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            if declared > self._max_body:
                raise BodyTooLarge
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body:
                raise BodyTooLarge
            return message

        return receiving


def _route(scope: dict[str, Any] | Any) -> str:
    """The route's template, so that labels stay bounded and no id is recorded."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path_format", None) or getattr(route, "path", "unmatched"))
    path = scope.get("path", "")
    return path if path in ("/metrics", "/health/live", "/health/ready") else "unmatched"
