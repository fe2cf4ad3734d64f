"""The registry service: `python -m registry.main api|worker|migrate|topics`."""

from datetime import timedelta
from pathlib import Path

from common.app import Service
from common.consumers import Subscription
from common.main import run
from common.rounds import Round
from registry.api import ROUTERS
from registry.commands.sync_forget import forget_sync
from registry.config import RegistrySettings
from registry.models import Table


def subscriptions(_settings: RegistrySettings) -> list[Subscription]:
    """The registry owns what it knows: it follows no one's events."""
    return []


service = Service(
    name="registry",
    title="Registry: organisations, members, joining",
    settings=RegistrySettings,
    routers=ROUTERS,
    subscriptions=subscriptions,
    metadata=Table.metadata,
    rounds=[Round("forget_sync", timedelta(days=1), forget_sync)],
    migrations=Path(__file__).parent.parent / "migrations",
)

if __name__ == "__main__":
    run(service)
