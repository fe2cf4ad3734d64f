"""How every process of ours serves HTTP: its log, its end, its garbage."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import Protocol

import uvicorn
from starlette.applications import Starlette

from common import telemetry


class Serving(telemetry.Telling, Protocol):
    """The settings that a process is served by."""

    @property
    def http_host(self) -> str: ...
    @property
    def http_port(self) -> int: ...
    @property
    def trusted_proxies(self) -> str: ...
    @property
    def shutdown_seconds(self) -> float: ...


def serve(build: Callable[[], Starlette], settings: Serving, service: str, process: str) -> None:
    """Serve what `build` makes until the process is told to end. Logs and traces call it `service` and `process`."""
    telemetry.configure(settings, service, f"{process}-{os.getpid()}")
    # uvicorn raises the signal again once all is shut down well: that end is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = build()
    # What stands now stays for good: full collections need not walk it again.
    gc.collect()
    gc.freeze()
    # What a request or a batch leaves is freed by its counts: looking for circles each 700 objects is a twentieth
    # of a request's time.
    gc.set_threshold(10_000, 20, 20)
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
    )
