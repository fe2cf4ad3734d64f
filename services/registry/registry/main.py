"""The registry service: `python -m registry.main api|worker|migrate|topics`."""

from pathlib import Path

from common.app import Service
from common.consumers import Subscription
from common.main import run
from registry.api import ROUTERS
from registry.config import RegistrySettings
from registry.models import Table
from registry.rounds import PERSONAL_DATA_ROUNDS


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
    migrations=Path(__file__).parent.parent / "migrations",
    rounds=PERSONAL_DATA_ROUNDS,
)

if __name__ == "__main__":
    run(service)
