"""`python -m portal.main`: the portal's one process."""

from common.serving import serve
from portal.app import build_portal
from portal.config import PortalSettings


def run() -> None:
    """Settings are read here, once; a missing one ends the start with its name."""
    settings = PortalSettings()
    serve(lambda: build_portal(settings), settings, "portal", "portal")


if __name__ == "__main__":
    run()
