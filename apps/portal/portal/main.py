"""`python -m portal.main`: the portal's one process."""

import gc
import os
import signal
import sys

import uvicorn

from common import telemetry
from portal.app import build_portal
from portal.config import PortalSettings


def run() -> None:
    """Settings are read here, once; a missing one ends the start with its name."""
    settings = PortalSettings()
    telemetry.configure(settings, "portal", f"portal-{os.getpid()}")
    # uvicorn raises the signal again once all is shut down well: that end is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = build_portal(settings)
    gc.collect()
    gc.freeze()
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


if __name__ == "__main__":
    run()
