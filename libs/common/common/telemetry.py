"""Logs, traces and metrics. A log line is an event name and ids: never objects, never personal data."""

import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import orjson
import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Gauge, Histogram

from common.db import sqlstate

HTTP_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "Time to answer an HTTP request",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
OUTBOX_AGE = Gauge("outbox_oldest_unpublished_age_seconds", "Age of the oldest event that waits to be sent")
OUTBOX_WAITING = Gauge("outbox_unpublished_messages", "Events that wait to be sent")
OUTBOX_PUBLISHED = Counter("outbox_published", "Events sent and acknowledged", ["topic"])
RELAY_FAILURES = Counter("outbox_relay_failures", "Relay rounds that failed and were begun again")
CONSUMED = Counter("events_consumed", "Events taken and committed", ["consumer", "topic", "type"])
PARKED = Counter("events_parked", "Records set aside with a reason", ["consumer", "topic", "code"])
PARKED_NOW = Gauge("events_parked_records", "Records that are set aside now", ["consumer"])
DUPLICATE = Counter("events_duplicate", "Effects asked for again and not repeated", ["consumer", "effect"])
REDELIVERED = Counter(
    "events_redelivered",
    "Events taken and committed once more, as a broker may deliver them; they are among events_consumed too",
    ["consumer", "topic"],
)
UNKNOWN = Counter("events_unknown_type", "Events of a type this service does not use", ["consumer", "topic"])
LAG = Gauge("consumer_lag_messages", "Records not yet read", ["consumer", "topic", "partition"])
PROGRESS = Gauge("consumer_last_progress_timestamp_seconds", "When a batch last ended well", ["consumer", "topic"])
LIMITED = Counter("http_requests_limited", "Requests refused because the caller asked too often", ["limit"])
TOGETHER = Histogram(
    "requests_answered_together", "Requests that one transaction answered", buckets=(1, 2, 4, 8, 16, 32, 64, 100)
)
JOBS_ENDED = Counter("jobs_ended", "Jobs that came to an end", ["kind", "state"])
JOBS_WAITING = Gauge("jobs_waiting", "Jobs that are queued or under way")
ROUND_FAILURES = Counter("round_failures", "Rounds that failed and will be tried again", ["round"])
ROUND_SUCCESS = Gauge("round_last_success_timestamp_seconds", "When a round last ended well", ["round"])
EFFECT_LATENCY = Histogram(
    "event_effect_latency_seconds",
    "From the event's record in the owner's transaction to the committed effect",
    ["consumer"],
    buckets=(
        *(0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        *(0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 60),
    ),
)

tracer = trace.get_tracer("common")


class Telling(Protocol):
    """The settings of logs and traces: every process has them, also one without a database."""

    @property
    def log_level(self) -> str: ...

    @property
    def otlp_endpoint(self) -> str | None: ...


def configure(settings: Telling, service: str, process: str) -> None:
    """Set up structured logs on standard output and the tracer; once a process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, process=process)
    # Libraries log through the standard module: their lines become ours, without exception texts.
    root = logging.getLogger()
    root.handlers = [_StructuredHandler()]
    root.setLevel(max(logging.getLevelName(settings.log_level), logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": service, "service.instance.id": process, "union.process": process}
        )
    )
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # slow to import

        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Flush what the exporter still holds."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def traceparent() -> str | None:
    """The present span's, to be kept with what is done for it later or elsewhere."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers.get("traceparent")


def log() -> Any:
    return structlog.get_logger()


def describe(error: BaseException) -> dict[str, Any]:
    """An exception for the log: its type, SQLSTATE and frames. Never its text, which may quote a row."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return {
        "error": type(error).__name__,
        "sqlstate": sqlstate(error),
        "at": [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}:{frame.name}" for frame in frames],
    }


def _json(event: Any, default: Callable[[Any], Any], **_: Any) -> str:
    return orjson.dumps(event, default=default).decode()


def _add_trace(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
    return event


class _StructuredHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        extra = describe(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {}
        # With an exception the message often repeats its text; the logger's name and the frames are enough.
        text = "library_error" if extra else record.getMessage()[:300]
        log().log(record.levelno, "library", logger=record.name, message=text, **extra)
