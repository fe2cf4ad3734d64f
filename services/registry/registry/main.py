"""The registry service: `python -m registry.main api|worker|migrate|topics`."""

from datetime import timedelta
from pathlib import Path

from common.app import Service
from common.consumers import Subscription
from common.main import run
from common.rounds import Round
from registry.api import ROUTERS
from registry.commands.deadlines import watch_applications, watch_transfers
from registry.config import RegistrySettings
from registry.models import Table
from registry.queries.powers import powers_today
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
    rounds=[
        *PERSONAL_DATA_ROUNDS,
        Round("application_deadlines", timedelta(minutes=5), watch_applications),
        Round("transfer_deadlines", timedelta(minutes=5), watch_transfers),
    ],
    powers=powers_today,
)

if __name__ == "__main__":
    run(service)
